// Removes a tree whatever its names and modes are.

import { chmodSync, lstatSync, readdirSync, rmdirSync, unlinkSync } from "node:fs";
import { bytesOf, type RawPath } from "./raw-path.ts";

/** Nothing is followed; what is not there is no failure. Returns how many entries were removed. */
export function removeTree(path: RawPath): number {
  const status = lstatSync(bytesOf(path), { throwIfNoEntry: false });
  if (status === undefined) return 0;
  if (!status.isDirectory()) {
    unlinkSync(bytesOf(path));
    return 1;
  }
  // Only its own mode keeps the owner from emptying a directory.
  if ((status.mode & 0o700) !== 0o700) chmodSync(bytesOf(path), 0o700);
  let removed = 1;
  for (const name of readdirSync(bytesOf(path), { encoding: "latin1" })) removed += removeTree(`${path}/${name}`);
  rmdirSync(bytesOf(path));
  return removed;
}
