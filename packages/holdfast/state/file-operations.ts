// The few operations on files that must survive a crash at any moment, as an interface that tests can interrupt.
import { lstat, open, rename, unlink } from "node:fs/promises";
import { systemCode } from "./system-failure.ts";

/** A path, raw bytes where it may be of any origin. */
export type FilePath = Buffer | string;

/** Each fails with the error of node:fs. None is durable in its directory before that is synchronised. */
export interface FileOperations {
  /** Makes a new file, 0600; its content is on the disk when this resolves. */
  write(path: FilePath, bytes: Buffer): Promise<void>;
  /** Gives a new name, in place of what has it. */
  replace(from: FilePath, to: FilePath): Promise<void>;
  /** Gives a new name, and fails with EEXIST when something has it. */
  move(from: FilePath, to: FilePath): Promise<void>;
  remove(path: FilePath): Promise<void>;
  /** Resolves when the names of the directory (of a file: its content) are on the disk. */
  sync(path: FilePath): Promise<void>;
}

export const fileOperations: FileOperations = {
  async write(path, bytes) {
    await using file = await open(path, "wx", 0o600);
    await file.writeFile(bytes);
    await file.sync();
  },
  async replace(from, to) {
    await rename(from, to);
  },
  // Looks first, since node:fs knows no rename that refuses: whoever moves holds the lock of the stack, and the
  // names that things get are made for the occasion, so that nobody else can be about to create them.
  async move(from, to) {
    if (await exists(to)) throw Object.assign(new Error("EEXIST: the name is taken"), { code: "EEXIST" });
    await rename(from, to);
  },
  async remove(path) {
    await unlink(path);
  },
  async sync(path) {
    await using file = await open(path, "r");
    await file.sync();
  },
};

/** Whether anything, a dangling link too, has this name. Other failures are thrown. */
export async function exists(path: FilePath): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (systemCode(error) === "ENOENT") return false;
    throw error;
  }
}
