// The system calls that the engine makes beside node:fs, as an interface, and the numbers they take.

import { constants } from "node:os";
import type { StatusArea } from "./status-area.ts";

/** "Relative to the working directory" where a directory descriptor is expected. */
export const currentDirectory = -100;

/** `AT_*`, `O_PATH`, `SEEK_*`, `FALLOC_FL_*`, `POLL*` and `F_*` of Linux: equal on x64 and arm64, and absent from Node's constants. */
export const atSymlinkNoFollow = 0x100;
export const atRemoveDirectory = 0x200;
export const atEmptyPath = 0x1000;
export const openPath = 0o10000000;
export const seekData = 3;
export const seekHole = 4;
export const fallocateKeepSize = 1;
export const fallocatePunchHole = 2;
export const pollIn = 1;
export const setPipeSize = 1031;

/** Error numbers of this platform. A missing extended attribute is ENODATA on Linux, a missing SEEK_HOLE target ENXIO. */
export const errno = constants.errno;

/** Names an object for the xattr calls: a path whose last part is never followed, or an open descriptor. */
export type XattrTarget = Buffer | number;

/**
 * Each call returns what the kernel does: zero or more, or the NEGATIVE error number (`-ENOENT`). None throws,
 * so that a caller can take an expected failure without the cost of an exception. Names are raw bytes without
 * a terminating zero; one that contains a zero byte gives `-EINVAL`. What is impossible here gives `-ENOSYS`.
 */
export interface SystemCalls {
  /** What cannot be done on this machine, each in words for people; empty where everything works. */
  readonly missing: readonly string[];

  /** Fills `area`. An empty name with `atEmptyPath` means the descriptor itself. */
  statx(directory: number, name: Buffer, flags: number, area: StatusArea): number;
  /** A descriptor, closed on exec. Close it with `close` below: node:fs warns in workers about descriptors it did not open. */
  openat(directory: number, name: Buffer, flags: number, mode: number): number;
  close(descriptor: number): number;
  mkdirat(directory: number, name: Buffer, mode: number): number;
  symlinkat(target: Buffer, directory: number, name: Buffer): number;
  /** Never follows `oldName`, even if it is a symbolic link. */
  linkat(oldDirectory: number, oldName: Buffer, newDirectory: number, newName: Buffer): number;
  /** `mode` holds the type as well; `device` as in st_rdev. */
  mknodat(directory: number, name: Buffer, mode: number, device: bigint): number;
  unlinkat(directory: number, name: Buffer, flags: number): number;
  renameat(oldDirectory: number, oldName: Buffer, newDirectory: number, newName: Buffer): number;
  /** As renameat, but `-EEXIST` when the new name is taken. Where the file system cannot refuse, it is looked for before. */
  renameNew(oldDirectory: number, oldName: Buffer, newDirectory: number, newName: Buffer): number;
  /** Never follows `name`. */
  fchownat(directory: number, name: Buffer, uid: number, gid: number): number;
  /** Never follows `name`; `null` means the descriptor itself. Nanoseconds since the epoch. */
  utimensat(directory: number, name: Buffer | null, atimeNs: bigint, mtimeNs: bigint): number;
  /** Resolves when everything that was written to the file system of the descriptor is on the disk. Waits in another thread. */
  syncfs(descriptor: number): Promise<number>;
  lseek(descriptor: number, offset: bigint, whence: number): bigint;
  fallocate(descriptor: number, mode: number, offset: bigint, lengthBytes: bigint): number;
  /** Puts two descriptors, each closed on exec, into `ends` (eight bytes): the one to read, and the one to write. */
  pipe(ends: Buffer): number;
  fcntl(descriptor: number, command: number, value: number): number;
  /** 1 when `events` (`POLL*`), the end, or an error is there, 0 when nothing is. Never waits. */
  poll(descriptor: number, events: number): number;
  /** The same from another thread, which waits up to `timeoutMs` for it. */
  pollLater(descriptor: number, events: number, timeoutMs: number): Promise<number>;
  /** The bytes of zero-terminated names; `-ERANGE` if `into` is too small. */
  listxattr(target: XattrTarget, into: Buffer): number;
  getxattr(target: XattrTarget, name: Buffer, into: Buffer): number;
  setxattr(target: XattrTarget, name: Buffer, value: Buffer): number;
  removexattr(target: XattrTarget, name: Buffer): number;
}
