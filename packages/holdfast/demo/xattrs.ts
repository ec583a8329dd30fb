// Extended attributes of one entry, read and set by plain system calls.

import type { SystemCalls } from "@holdfast/repository";
import { bytesOf, type RawPath } from "../filesystem/raw-path.ts";

/** As large as Linux lets a list of names or a value be. */
const area = (): Buffer => Buffer.allocUnsafe(64 * 1024);

export class Xattrs {
  readonly #calls: SystemCalls;
  readonly #names = area();
  readonly #value = area();

  constructor(calls: SystemCalls) {
    this.#calls = calls;
  }

  /** Values by name, sorted by name; empty where the file system or this machine knows none. Links are not followed. */
  read(path: RawPath): Map<string, Buffer> {
    const target = bytesOf(path);
    const length = this.#calls.listxattr(target, this.#names);
    const found = new Map<string, Buffer>();
    if (length <= 0) return found;
    const names = this.#names.toString("latin1", 0, length).split("\0").slice(0, -1).toSorted();
    for (const name of names) {
      const got = this.#calls.getxattr(target, bytesOf(name), this.#value);
      if (got >= 0) found.set(name, Buffer.from(this.#value.subarray(0, got)));
    }
    return found;
  }

  /** False where the file system or the rights of this process do not allow it. */
  set(path: RawPath, name: string, value: Buffer): boolean {
    return this.#calls.setxattr(bytesOf(path), bytesOf(name), value) >= 0;
  }
}
