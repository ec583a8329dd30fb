// Compares restored files and folders with the trees of the snapshot that they came from.
import type { Difference, RestoredCopy, SnapshotPart } from "../source.ts";

/** Every entry of every path: kind, content, mode, owner, times, links. */
export async function compareFiles(copies: readonly RestoredCopy[], part: SnapshotPart): Promise<Difference[]> {
  const differences: Difference[] = [];
  for (const { path, copy } of copies) differences.push(...(await part.compare(path, copy)));
  return differences;
}
