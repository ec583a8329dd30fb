// How long the pieces are that a database is cut into.
import type { ChunkerHint } from "@holdfast/repository";

/** Pages below this length are cut together: a chunk costs some 200 bytes in tree, index and pack. */
const shortestRunBytes = 4096;

/** More pieces than these would need too much memory for their list and too much room for their tree. */
const runsBeforeDoubling = 2 ** 18;

/**
 * Single pages at first, so that a changed page stores no more than itself; then twice as many for each doubling of
 * the position. The size of the database must not count: when it grew past a limit, all of it would be stored again.
 * docs/decisions/sqlite-capture.md has the figures.
 */
export function pageRuns(pageBytes: number): ChunkerHint {
  const runBytes = Math.max(pageBytes, shortestRunBytes);
  return { kind: "pages", runBytes, doublesAtBytes: runBytes * runsBeforeDoubling };
}
