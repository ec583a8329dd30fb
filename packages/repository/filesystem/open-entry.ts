// An open file or directory of a restore: its attributes are set through the descriptor, which nobody can swap.

import fs from "node:fs";
import { HoldfastError } from "../errors.ts";
import { StatusArea } from "./status-area.ts";
import type { FileStatus } from "./status-area.ts";
import { errorNumber, systemError } from "./system-error.ts";
import { atEmptyPath } from "./system-calls.ts";
import type { SystemCalls } from "./system-calls.ts";
import { Xattrs } from "./xattrs.ts";
import type { ExtendedAttribute } from "./xattrs.ts";

const noName = Buffer.alloc(0);
const slash = Buffer.from("/");

/** What the entries of one restore in one thread share: the calls, and memory that is reused. */
export class RestoreTools {
  readonly calls: SystemCalls;
  readonly area = new StatusArea();
  readonly xattrs: Xattrs;

  constructor(calls: SystemCalls) {
    this.calls = calls;
    this.xattrs = new Xattrs(calls);
  }
}

/**
 * Owns a descriptor until `close`. `path` is for messages only and is never opened.
 *
 * Set attributes in this order: owner (changing it clears setuid bits and capabilities), extended attributes (a
 * read-only mode would forbid them, and removing an inherited ACL changes what the group bits mean), mode, and
 * times last.
 */
export class OpenEntry implements Disposable {
  /** For fs.readSync, fs.writeSync, fs.fsyncSync and the like; never for fs.closeSync. */
  readonly fd: number;
  readonly path: Buffer;
  protected readonly tools: RestoreTools;
  protected readonly calls: SystemCalls;
  #closed = false;

  constructor(tools: RestoreTools, fd: number, path: Buffer) {
    this.tools = tools;
    this.calls = tools.calls;
    this.fd = fd;
    this.path = path;
  }

  ownStatus(): FileStatus {
    this.check(this.calls.statx(this.fd, noName, atEmptyPath, this.tools.area), "read the status of");
    return this.tools.area.decode();
  }

  setOwner(uid: number, gid: number): void {
    this.attempt("set the owner of", () => fs.fchownSync(this.fd, uid, gid));
  }

  /** The twelve permission bits; a type in `mode` is ignored. */
  setMode(mode: number): void {
    this.attempt("set the mode of", () => fs.fchmodSync(this.fd, mode & 0o7777));
  }

  setTimes(atimeNs: bigint, mtimeNs: bigint): void {
    this.check(this.calls.utimensat(this.fd, null, atimeNs, mtimeNs), "set the times of");
  }

  /** Sets these attributes and removes others; `unsupported` if there are some and this machine cannot set them. */
  setXattrs(wanted: readonly ExtendedAttribute[]): void {
    this.tools.xattrs.replace(this.fd, wanted, this.path);
  }

  /** Waits until the content (of a directory: its names) is on the disk. */
  sync(): void {
    this.attempt("write to the disk", () => fs.fsyncSync(this.fd));
  }

  /** Closing twice is allowed. */
  close(): void {
    if (!this.#closed) {
      this.#closed = true;
      // An error that the disk reported late (NFS, quota) shows here.
      this.check(this.calls.close(this.fd), "close");
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** The result of a call, or the error for it; about `name` in this directory, or this entry itself. */
  protected check(result: number, action: string, name?: Buffer): number {
    if (result < 0) {
      throw systemError("target", action, this.pathOf(name), result);
    }
    return result;
  }

  /** The same for a call of node:fs. */
  protected attempt<T>(action: string, call: () => T, name?: Buffer): T {
    try {
      return call();
    } catch (error) {
      throw error instanceof HoldfastError
        ? error
        : systemError("target", action, this.pathOf(name), errorNumber(error));
    }
  }

  protected pathOf(name?: Buffer): Buffer {
    return name === undefined ? this.path : Buffer.concat([this.path, slash, name]);
  }
}
