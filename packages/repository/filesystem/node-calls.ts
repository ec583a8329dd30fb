// The system calls as far as node:fs can make them, for machines where libc cannot be called.

import fs from "node:fs";
import type { StatusArea } from "./status-area.ts";
import { errorNumber } from "./system-error.ts";
import { atEmptyPath, atRemoveDirectory, currentDirectory, errno, seekData, seekHole } from "./system-calls.ts";
import type { SystemCalls, XattrTarget } from "./system-calls.ts";

const notPossible = -errno.ENOSYS;

/**
 * Directory descriptors are reached through /proc/self/fd, whose entries stand for the open directory itself,
 * so that a directory that is swapped for a link meanwhile is not followed here either.
 */
export class NodeCalls implements SystemCalls {
  readonly missing: readonly string[];

  constructor(missing: readonly string[]) {
    this.missing = missing;
  }

  statx(directory: number, name: Buffer, flags: number, area: StatusArea): number {
    return attempt(() => {
      const own = (flags & atEmptyPath) !== 0 && name.length === 0;
      area.fill(
        own ? fs.fstatSync(directory, { bigint: true }) : fs.lstatSync(below(directory, name), { bigint: true }),
      );
    });
  }

  openat(directory: number, name: Buffer, flags: number, mode: number): number {
    return attempt(() => fs.openSync(below(directory, name), flags, mode));
  }

  close(descriptor: number): number {
    return attempt(() => fs.closeSync(descriptor));
  }

  mkdirat(directory: number, name: Buffer, mode: number): number {
    return attempt(() => void fs.mkdirSync(below(directory, name), { mode }));
  }

  symlinkat(target: Buffer, directory: number, name: Buffer): number {
    return attempt(() => fs.symlinkSync(target, below(directory, name)));
  }

  linkat(oldDirectory: number, oldName: Buffer, newDirectory: number, newName: Buffer): number {
    return attempt(() => fs.linkSync(below(oldDirectory, oldName), below(newDirectory, newName)));
  }

  mknodat(_directory: number, _name: Buffer, _mode: number, _device: bigint): number {
    return notPossible;
  }

  unlinkat(directory: number, name: Buffer, flags: number): number {
    const path = below(directory, name);
    return attempt(() => ((flags & atRemoveDirectory) === 0 ? fs.unlinkSync(path) : fs.rmdirSync(path)));
  }

  renameat(oldDirectory: number, oldName: Buffer, newDirectory: number, newName: Buffer): number {
    return attempt(() => fs.renameSync(below(oldDirectory, oldName), below(newDirectory, newName)));
  }

  renameNew(oldDirectory: number, oldName: Buffer, newDirectory: number, newName: Buffer): number {
    const isTaken = attempt(() => void fs.lstatSync(below(newDirectory, newName)));
    if (isTaken !== -errno.ENOENT) return isTaken === 0 ? -errno.EEXIST : isTaken;
    return this.renameat(oldDirectory, oldName, newDirectory, newName);
  }

  fchownat(directory: number, name: Buffer, uid: number, gid: number): number {
    return attempt(() => fs.lchownSync(below(directory, name), uid, gid));
  }

  /** Loses about a quarter of a microsecond: Node takes seconds as a floating-point number. */
  utimensat(directory: number, name: Buffer | null, atimeNs: bigint, mtimeNs: bigint): number {
    // As text: Node takes a negative number, a time before 1970, for the present time.
    const atime = String(Number(atimeNs) / 1e9);
    const mtime = String(Number(mtimeNs) / 1e9);
    return attempt(() =>
      name === null ? fs.futimesSync(directory, atime, mtime) : fs.lutimesSync(below(directory, name), atime, mtime),
    );
  }

  syncfs(_descriptor: number): Promise<number> {
    return Promise.resolve(notPossible);
  }

  /** Without holes: all of a file is data. */
  lseek(descriptor: number, offset: bigint, whence: number): bigint {
    let sizeBytes = 0n;
    const result = attempt(() => {
      sizeBytes = fs.fstatSync(descriptor, { bigint: true }).size;
    });
    if (result < 0) {
      return BigInt(result);
    }
    if (whence !== seekData && whence !== seekHole) {
      return BigInt(-errno.EINVAL);
    }
    if (offset >= sizeBytes) {
      return BigInt(-errno.ENXIO);
    }
    return whence === seekData ? offset : sizeBytes;
  }

  fallocate(_descriptor: number, _mode: number, _offset: bigint, _lengthBytes: bigint): number {
    return notPossible;
  }

  pipe(_ends: Buffer): number {
    return notPossible;
  }

  fcntl(_descriptor: number, _command: number, _value: number): number {
    return notPossible;
  }

  poll(_descriptor: number, _events: number): number {
    return notPossible;
  }

  pollLater(_descriptor: number, _events: number, _timeoutMs: number): Promise<number> {
    return Promise.resolve(notPossible);
  }

  listxattr(_target: XattrTarget, _into: Buffer): number {
    return notPossible;
  }

  getxattr(_target: XattrTarget, _name: Buffer, _into: Buffer): number {
    return notPossible;
  }

  setxattr(_target: XattrTarget, _name: Buffer, _value: Buffer): number {
    return notPossible;
  }

  removexattr(_target: XattrTarget, _name: Buffer): number {
    return notPossible;
  }
}

function attempt(call: () => number | void): number {
  try {
    return call() ?? 0;
  } catch (error) {
    return invalidArgument(error) ? -errno.EINVAL : errorNumber(error);
  }
}

/** node:fs refuses a zero byte in a name before it calls the system. */
function invalidArgument(error: unknown): boolean {
  return error instanceof TypeError && "code" in error && error.code === "ERR_INVALID_ARG_VALUE";
}

function below(directory: number, name: Buffer): Buffer {
  return directory === currentDirectory ? name : Buffer.concat([Buffer.from(`/proc/self/fd/${directory}/`), name]);
}
