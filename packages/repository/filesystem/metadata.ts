// Reads what a backup records about files: status, extended attributes, names in a directory, link targets.

import fs from "node:fs";
import { StatusArea } from "./status-area.ts";
import type { FileStatus } from "./status-area.ts";
import { errorNumber, systemError } from "./system-error.ts";
import { atEmptyPath, atSymlinkNoFollow, currentDirectory } from "./system-calls.ts";
import type { SystemCalls } from "./system-calls.ts";
import { Xattrs } from "./xattrs.ts";
import type { ExtendedAttribute } from "./xattrs.ts";

const noName = Buffer.alloc(0);

/**
 * Paths and names are raw bytes. Links are never followed in the last part. Failures are HoldfastError `source`
 * or `permission` with `context.errno` ("ENOENT" when the file went away). One instance a thread; it reuses memory.
 */
export class MetadataReader {
  readonly #calls: SystemCalls;
  readonly #area = new StatusArea();
  readonly #xattrs: Xattrs;

  constructor(calls: SystemCalls) {
    this.#calls = calls;
    this.#xattrs = new Xattrs(calls);
  }

  lstat(path: Buffer): FileStatus {
    return this.#status(currentDirectory, path, atSymlinkNoFollow, path);
  }

  /** Like `lstat` for a name in an open directory: a little faster, and safe when the path above it changes. */
  lstatAt(directory: number, name: Buffer): FileStatus {
    return this.#status(directory, name, atSymlinkNoFollow, name);
  }

  fstat(descriptor: number): FileStatus {
    return this.#status(descriptor, noName, atEmptyPath, noName);
  }

  /** A quick look; `readXattrs` is needed only when this is true. */
  hasXattrs(path: Buffer): boolean {
    return this.#xattrs.has(path);
  }

  listXattrs(path: Buffer): string[] {
    return this.#xattrs.list(path).map((name) => name.toString("utf8"));
  }

  /** In the file system's order, as restic records them; empty where there are none or none are known. */
  readXattrs(path: Buffer): ExtendedAttribute[] {
    return this.#xattrs.read(path);
  }

  /** Names in the file system's order, without "." and "..". */
  readdir(path: Buffer): Buffer[] {
    try {
      return fs.readdirSync(path, { encoding: "buffer" });
    } catch (error) {
      throw systemError("source", "list the directory", path, errorNumber(error));
    }
  }

  /** The names in a directory as byte strings: a million buffers would take several times as much memory. */
  names(path: Buffer): string[] {
    try {
      return fs.readdirSync(path, { encoding: "latin1" });
    } catch (error) {
      throw systemError("source", "list the directory", path, errorNumber(error));
    }
  }

  readlink(path: Buffer): Buffer {
    try {
      return fs.readlinkSync(path, { encoding: "buffer" });
    } catch (error) {
      throw systemError("source", "read the link", path, errorNumber(error));
    }
  }

  #status(directory: number, name: Buffer, flags: number, shown: Buffer): FileStatus {
    const result = this.#calls.statx(directory, name, flags, this.#area);
    if (result < 0) {
      const path = shown.length === 0 ? Buffer.from(`descriptor ${directory}`) : shown;
      throw systemError("source", "read the status of", path, result);
    }
    return this.#area.decode();
  }
}
