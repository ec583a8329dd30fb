// Extended attributes, and with them POSIX access control lists (system.posix_acl_access and …_default).

import { HoldfastError } from "../errors.ts";
import { systemError } from "./system-error.ts";
import type { Side } from "./system-error.ts";
import { errno } from "./system-calls.ts";
import type { SystemCalls, XattrTarget } from "./system-calls.ts";

export interface ExtendedAttribute {
  /** Read as UTF-8, with U+FFFD for what is not, as restic's JSON has it. */
  readonly name: string;
  readonly value: Buffer;
}

// Linux takes kernel memory of the size that is offered, so the first try is small. 64 KiB is the kernel's limit.
const usualBytes = 512;
const maximumBytes = 65536;
const nothing = Buffer.alloc(0);
const listing = "list the extended attributes of";

/** Attributes of a path (never following its last part) or of an open descriptor. One instance a thread. */
export class Xattrs {
  readonly #calls: SystemCalls;
  readonly #usual = Buffer.allocUnsafeSlow(usualBytes);
  #large: Buffer | null = null;

  constructor(calls: SystemCalls) {
    this.#calls = calls;
  }

  /** False also where the file system knows no attributes, or this machine cannot ask. */
  has(target: XattrTarget): boolean {
    const result = this.#calls.listxattr(target, this.#usual);
    if (result < 0 && result !== -errno.ERANGE && !isUnsupported(result)) {
      throw systemError("source", listing, describe(target), result);
    }
    return result > 0 || result === -errno.ERANGE;
  }

  /** The raw names in the file system's order; none where it knows no attributes. */
  list(target: XattrTarget): Buffer[] {
    return this.#list(target, "source", describe(target));
  }

  #list(target: XattrTarget, side: Side, path: Buffer): Buffer[] {
    const bytes = this.#read((into) => this.#calls.listxattr(target, into));
    if (typeof bytes === "number") {
      if (isUnsupported(bytes)) {
        return [];
      }
      throw systemError(side, listing, path, bytes);
    }
    const names: Buffer[] = [];
    for (let start = 0; start < bytes.length;) {
      const zero = bytes.indexOf(0, start);
      const end = zero < 0 ? bytes.length : zero; // a file system in user space may forget the last one
      names.push(bytes.subarray(start, end));
      start = end + 1;
    }
    return names;
  }

  /** Names with values, in the file system's order. One that vanishes meanwhile is left out. */
  read(target: XattrTarget): ExtendedAttribute[] {
    const attributes: ExtendedAttribute[] = [];
    for (const name of this.list(target)) {
      const value = this.#read((into) => this.#calls.getxattr(target, name, into));
      if (typeof value !== "number") {
        attributes.push({ name: name.toString("utf8"), value });
      } else if (value !== -errno.ENODATA && !isUnsupported(value)) {
        throw systemError("source", `read the extended attribute ${name.toString("utf8")} of`, describe(target), value);
      }
    }
    return attributes;
  }

  /**
   * Makes the attributes what `wanted` says: sets these, removes others (but not the labels that a security
   * module keeps for itself). Everything is tried before the first failure is thrown; `context.attributes` names
   * all that failed. `path` is for the message.
   */
  replace(target: XattrTarget, wanted: readonly ExtendedAttribute[], path: Buffer): void {
    const failures: { name: string; result: number }[] = [];
    const names = new Set(wanted.map(({ name }) => name));
    for (const existing of this.#list(target, "target", path)) {
      const name = existing.toString("utf8");
      if (!names.has(name) && isRemovable(name)) {
        const result = this.#calls.removexattr(target, existing);
        if (result < 0 && result !== -errno.ENODATA) {
          failures.push({ name, result });
        }
      }
    }
    for (const { name, value } of wanted) {
      const result = this.#calls.setxattr(target, Buffer.from(name, "utf8"), value);
      if (result < 0) {
        failures.push({ name, result });
      }
    }
    const first = failures[0];
    if (first !== undefined) {
      const attributes = failures.map(({ name }) => name).join(", ");
      const error = systemError("target", `set or remove the extended attributes ${attributes} of`, path, first.result);
      throw new HoldfastError(error.code, error.message, {
        hint: error.hint,
        context: { ...error.context, attributes },
      });
    }
  }

  /** A copy of what `call` puts into the buffer, or its negative error number. */
  #read(call: (into: Buffer) => number): Buffer | number {
    let area: Buffer = this.#usual;
    let length = call(area);
    if (length === -errno.ERANGE) {
      area = this.#large ??= Buffer.allocUnsafeSlow(maximumBytes);
      length = call(area);
    }
    if (length === 0) {
      return nothing; // most files: worth not allocating
    }
    return length < 0 ? length : Buffer.from(area.subarray(0, length));
  }
}

/** The file system, or this machine, knows no attributes. */
function isUnsupported(result: number): boolean {
  return result === -errno.ENOTSUP || result === -errno.EOPNOTSUPP || result === -errno.ENOSYS;
}

/** `security.selinux` and the like are the system's, given by its policy; `system.nfs4_acl` is always there. */
function isRemovable(name: string): boolean {
  return /^(user|trusted)\.|^system\.posix_acl_|^security\.capability$/.test(name);
}

function describe(target: XattrTarget): Buffer {
  return typeof target === "number" ? Buffer.from(`descriptor ${target}`) : target;
}
