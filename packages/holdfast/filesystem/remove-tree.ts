// Removes a tree whatever its names and modes are.

import { chmodSync, lstatSync, readdirSync, rmdirSync, unlinkSync } from "node:fs";
import { bytesOf, type RawPath } from "./raw-path.ts";
import { nextTurn } from "./turn.ts";

/** Nothing is followed; what is not there is no failure. Returns how many entries were removed. */
export async function removeTree(path: RawPath, signal: AbortSignal = new AbortController().signal): Promise<number> {
  const status = lstatSync(bytesOf(path), { throwIfNoEntry: false });
  if (status === undefined) return 0;
  if (!status.isDirectory()) {
    unlinkSync(bytesOf(path));
    return 1;
  }
  await nextTurn(signal);
  // Only its own mode keeps the owner from emptying a directory.
  if ((status.mode & 0o700) !== 0o700) chmodSync(bytesOf(path), 0o700);
  let removed = 1;
  for (const name of readdirSync(bytesOf(path), { encoding: "latin1" })) {
    removed += await removeTree(`${path}/${name}`, signal);
  }
  rmdirSync(bytesOf(path));
  return removed;
}
