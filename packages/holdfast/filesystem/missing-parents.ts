// Makes the directories that a path needs, where everything was lost or nothing was there yet.
import { mkdirSync, statSync } from "node:fs";
import { displayPath, HoldfastError } from "@holdfast/repository";

/** What services of other users must pass through; what is below has its own mode. */
const directoryMode = 0o755;
const privateMode = 0o700;

/** Makes what is missing above `path`. Throws `target`. */
export function makeParents(path: Buffer): void {
  const directory = parentOf(path);
  // Nothing else runs until it is back.
  const mask = process.umask(0o022);
  try {
    make(directory);
  } catch (error) {
    throw cannotBeMade(directory, error);
  } finally {
    process.umask(mask);
  }
}

/** Makes a directory that only its owner may use, and what is missing above it; one that is there is left as it is. */
export function makePrivateDirectory(path: string): void {
  makeParents(Buffer.from(path));
  try {
    makeOne(Buffer.from(path), privateMode);
  } catch (error) {
    throw cannotBeMade(Buffer.from(path), error);
  }
}

/** Not by the recursive mkdir of node:fs: where directories cannot be made, as in /proc, that one tries for ever. */
function make(directory: Buffer): void {
  if (isDirectory(directory)) return;
  const above = parentOf(directory);
  if (!above.equals(directory)) make(above);
  makeOne(directory, directoryMode);
}

function makeOne(directory: Buffer, mode: number): void {
  try {
    mkdirSync(directory, mode);
  } catch (error) {
    // Another process may have made it just now.
    if (!isDirectory(directory)) throw error;
  }
}

function cannotBeMade(directory: Buffer, error: unknown): HoldfastError {
  return new HoldfastError(
    "target",
    `the directory ${displayPath(directory)} cannot be made (${(error as NodeJS.ErrnoException).code})`,
    { hint: "check the path and who may write there", cause: error },
  );
}

function isDirectory(path: Buffer): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

function parentOf(path: Buffer): Buffer {
  return path.subarray(0, Math.max(1, path.lastIndexOf(0x2f)));
}
