// Copies of damaged files of a repository, written to the current directory before a repair removes them.

import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { HoldfastError } from "@holdfast/repository";
import { fileOperations } from "../state/file-operations.ts";

/** On the disk, whole and 0600, when it resolves. The same copy from an earlier run is no error; another file is. */
export async function keepCopy(name: string, bytes: Buffer): Promise<void> {
  const path = resolve(name);
  const beside = `${path}.part-${process.pid}`;
  try {
    if (await isThere(path, bytes)) return;
    await fileOperations.write(beside, bytes);
    await fileOperations.move(beside, path);
    await fileOperations.sync(resolve(path, ".."));
  } catch (error) {
    await fileOperations.remove(beside).catch(() => undefined);
    if (error instanceof HoldfastError) throw error;
    const systemCode = (error as NodeJS.ErrnoException).code ?? "";
    const code = systemCode === "ENOSPC" ? "no-space" : systemCode === "EACCES" ? "permission" : "target";
    throw new HoldfastError(code, `the copy ${JSON.stringify(name)} cannot be written (${systemCode})`, {
      hint: "run the command in a directory that has room for a copy of what will be removed",
      cause: error,
    });
  }
}

async function isThere(path: string, bytes: Buffer): Promise<boolean> {
  let found: Buffer;
  try {
    found = await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
  if (found.equals(bytes)) return true;
  throw new HoldfastError("target", `${JSON.stringify(path)} is there already, with another content`, {
    hint: "move it away, or run the command in another directory",
  });
}
