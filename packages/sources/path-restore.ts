// Restore and sandbox of the kinds whose content lies at paths of this host.
import { Buffer } from "node:buffer";
import { join } from "node:path";
import type { CapturedSource, RestoredCopy, RestoreTarget, Sandbox, SnapshotPart } from "./source.ts";

/** Brings every path of a source to the place that the target has for it, one after the other. */
export async function restorePaths(
  captured: CapturedSource,
  part: SnapshotPart,
  target: RestoreTarget,
): Promise<RestoredCopy[]> {
  const copies: RestoredCopy[] = [];
  for (const path of captured.paths) {
    const copy = target.place(path);
    await part.restore(path, copy);
    copies.push({ path, copy });
  }
  return copies;
}

/** Numbers the paths inside `directory`: names of sources may be longer than what a place below it has room for. */
export function directorySandbox(directory: string): Sandbox {
  let placed = 0;
  return {
    target: { kind: "paths", place: () => Buffer.from(join(directory, String(++placed))) },
    // The directory is all there is, and it belongs to the caller.
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
