// Makes the directories above a restored copy, where everything was lost.
import { mkdirSync, statSync } from "node:fs";
import { displayPath, HoldfastError } from "@holdfast/repository";

/** What services of other users must pass through; what is below has its own mode. */
const directoryMode = 0o755;

/** Makes what is missing above `path`. Throws `target`. */
export function makeParents(path: Buffer): void {
  const directory = parentOf(path);
  // Nothing else runs until it is back.
  const mask = process.umask(0o022);
  try {
    make(directory);
  } catch (error) {
    throw new HoldfastError(
      "target",
      `the directory ${displayPath(directory)} cannot be made (${(error as NodeJS.ErrnoException).code})`,
      { hint: "check the path and who may write there", cause: error },
    );
  } finally {
    process.umask(mask);
  }
}

/** Not by the recursive mkdir of node:fs: where directories cannot be made, as in /proc, that one tries for ever. */
function make(directory: Buffer): void {
  if (statSync(directory, { throwIfNoEntry: false })?.isDirectory() === true) return;
  const above = parentOf(directory);
  if (!above.equals(directory)) make(above);
  mkdirSync(directory, directoryMode);
}

function parentOf(path: Buffer): Buffer {
  return path.subarray(0, Math.max(1, path.lastIndexOf(0x2f)));
}
