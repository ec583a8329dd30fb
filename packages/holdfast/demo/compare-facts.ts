// Compares what a tree was with what came back, entry by entry and attribute by attribute.

import type { EntryFacts, TreeFacts } from "./tree-facts.ts";
import type { RawPath } from "../filesystem/raw-path.ts";

export type Aspect =
  | "presence"
  | "type"
  | "size"
  | "content"
  | "mode"
  | "owner"
  | "modification time"
  | "link target"
  | "hard links"
  | "device"
  | "extended attributes";

export interface Difference {
  readonly path: RawPath;
  readonly aspect: Aspect;
  /** For people. */
  readonly was: string;
  readonly is: string;
}

export interface Comparison {
  readonly differences: readonly Difference[];
  /** Entries that were expected, directories included; and the files among them. */
  readonly entries: number;
  readonly files: number;
  /** Files without any difference. */
  readonly filesEqual: number;
}

const aspects: readonly (readonly [Exclude<Aspect, "presence">, (facts: EntryFacts) => string])[] = [
  ["type", ({ type }) => type],
  ["size", ({ sizeBytes }) => `${sizeBytes} bytes`],
  ["content", ({ content }) => `SHA-256 ${content}`],
  ["mode", ({ mode }) => mode.toString(8).padStart(4, "0")],
  ["owner", ({ uid, gid }) => `${uid}:${gid}`],
  ["modification time", ({ mtimeNs }) => `${mtimeNs} ns`],
  ["link target", ({ linkTarget }) => linkTarget],
  ["hard links", ({ sameAs }) => sameAs],
  ["device", ({ device }) => String(device)],
  ["extended attributes", ({ xattrs }) => xattrs.join(", ")],
];

/** `ignored` names what cannot be expected of who restored. */
export function compareFacts(
  was: TreeFacts,
  is: TreeFacts,
  ignored: (path: RawPath, aspect: Aspect) => boolean = () => false,
): Comparison {
  const differences: Difference[] = [];
  const differ = (difference: Difference): void => {
    if (!ignored(difference.path, difference.aspect)) differences.push(difference);
  };
  for (const [path, facts] of was) {
    const found = is.get(path);
    if (found === undefined) differ({ path, aspect: "presence", was: facts.type, is: "missing" });
    else for (const difference of differencesOf(path, facts, found)) differ(difference);
  }
  for (const [path, facts] of is) {
    if (!was.has(path)) differ({ path, aspect: "presence", was: "missing", is: facts.type });
  }
  const unequal = new Set(differences.map(({ path }) => path));
  const files = [...was].filter(([, { type }]) => type === "file").map(([path]) => path);
  return {
    differences,
    entries: was.size,
    files: files.length,
    filesEqual: files.filter((path) => !unequal.has(path)).length,
  };
}

function differencesOf(path: RawPath, was: EntryFacts, is: EntryFacts): Difference[] {
  // Of another type everything else differs too, and tells nothing.
  if (was.type !== is.type) return [{ path, aspect: "type", was: was.type, is: is.type }];
  return aspects
    .map(([aspect, describe]) => ({ path, aspect, was: describe(was), is: describe(is) }))
    .filter((difference) => difference.was !== difference.is);
}

/** Files that are new or touched since, and must be read again; with their bytes. */
export function touchedFiles(
  before: TreeFacts,
  after: TreeFacts,
): { readonly files: number; readonly sizeBytes: number } {
  const touched = [...after].filter(
    ([path, { type, identity }]) => type === "file" && before.get(path)?.identity !== identity,
  );
  return { files: touched.length, sizeBytes: touched.reduce((sum, [, { sizeBytes }]) => sum + Number(sizeBytes), 0) };
}
