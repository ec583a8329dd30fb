// The kinds of sources that there are, by name.
import { files } from "./files/files.ts";
import { sqlite } from "./sqlite/sqlite.ts";

/** Every kind of source; a source in a configuration has exactly one of these names as a key. */
export const sourceKinds = { files, sqlite } as const;

export type SourceKindName = keyof typeof sourceKinds;
