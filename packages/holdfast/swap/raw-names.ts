// Paths as raw bytes: the directory they are in, what lies below what, and how they are shown.
import { realpath } from "node:fs/promises";

const slash = 0x2f;

/** The directory of an absolute path that does not end in a slash. */
export function directoryOf(path: Buffer): Buffer {
  return path.subarray(0, Math.max(1, path.lastIndexOf(slash)));
}

/** The path with its directory, but not itself, free of links. */
export async function resolvePlace(path: Buffer): Promise<Buffer> {
  const directory = await realpath(directoryOf(path), { encoding: "buffer" });
  const isRoot = directory.length === 1;
  return Buffer.concat([isRoot ? Buffer.alloc(0) : directory, path.subarray(path.lastIndexOf(slash))]);
}

/** Whether `path` is `top` or below it; both as `resolvePlace` gives them. */
export function isWithin(path: Buffer, top: Buffer): boolean {
  if (!path.subarray(0, top.length).equals(top)) return false;
  return path.length === top.length || path[top.length] === slash;
}

/** For messages: what is not printable is shown as in JSON. */
export function showPath(path: Buffer): string {
  return JSON.stringify(path.toString("utf8")).slice(1, -1);
}
