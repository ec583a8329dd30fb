// Makes a directory and those above it.
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { systemErrorCode } from "./system-error.ts";

/**
 * No error when it is there. Not Node's own `recursive`, which tries for ever where the kernel answers "no such
 * file" below a directory that exists (/proc, a working directory that was removed). Throws system errors.
 */
export async function makeDirectories(path: string, mode: number): Promise<void> {
  const missing = await tryToMake(path, mode);
  if (missing === null) return;
  const above = dirname(path);
  if (above === path) throw missing;
  await makeDirectories(above, mode);
  const still = await tryToMake(path, mode);
  if (still !== null) throw still;
}

/** The error when a directory above is missing; null when the directory is there now. */
async function tryToMake(path: string, mode: number): Promise<unknown> {
  try {
    await mkdir(path, { mode });
    return null;
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === "EEXIST") return null;
    if (code === "ENOENT") return error;
    throw error;
  }
}
