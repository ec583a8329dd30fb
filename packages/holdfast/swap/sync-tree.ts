// Waits until a file, or a directory with all below it, is on the disk.
import { lstat, readdir } from "node:fs/promises";
import type { FileOperations } from "../state/file-operations.ts";

/** As many as libuv has threads. */
const syncsAtOnce = 4;

/** Links, devices and pipes have no content: their directory says all of them. */
export async function syncTree(path: Buffer, files: FileOperations): Promise<void> {
  const found = await lstat(path);
  if (found.isFile()) await files.sync(path);
  if (found.isDirectory()) await syncDirectory(path, files);
}

async function syncDirectory(directory: Buffer, files: FileOperations): Promise<void> {
  const entries = await readdir(directory, { withFileTypes: true, encoding: "buffer" });
  const pathOf = (name: Buffer): Buffer => Buffer.concat([directory, Buffer.from("/"), name]);
  const names = entries.filter((entry) => entry.isFile()).map(({ name }) => name);
  for (let at = 0; at < names.length; at += syncsAtOnce) {
    await Promise.all(names.slice(at, at + syncsAtOnce).map((name) => files.sync(pathOf(name))));
  }
  for (const entry of entries) if (entry.isDirectory()) await syncDirectory(pathOf(entry.name), files);
  await files.sync(directory);
}
