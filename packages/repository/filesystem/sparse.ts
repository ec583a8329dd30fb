// Holes in sparse files: finding them when reading, making them when writing, and reserving space.

import { HoldfastError } from "../errors.ts";
import { systemError } from "./system-error.ts";
import { errno, fallocateKeepSize, fallocatePunchHole, seekData, seekHole } from "./system-calls.ts";
import type { SystemCalls } from "./system-calls.ts";

/** A run of bytes; `end` is behind its last byte. */
export interface DataRange {
  readonly start: bigint;
  readonly end: bigint;
}

/**
 * The first offset at or behind `offset` that holds data; null when only a hole or the end follows. Where the file
 * system or this machine knows no holes, everything is data. Moves the descriptor's own position: read with explicit
 * positions.
 */
export function nextData(calls: SystemCalls, descriptor: number, offset: bigint): bigint | null {
  return seek(calls, descriptor, offset, seekData);
}

/** The first offset at or behind `offset` in a hole, the end of the file counting as one; null at or behind the end. */
export function nextHole(calls: SystemCalls, descriptor: number, offset: bigint): bigint | null {
  return seek(calls, descriptor, offset, seekHole);
}

/** The runs of data in order, one after another as the caller asks; what lies between is zeros. */
export function* dataRanges(calls: SystemCalls, descriptor: number): Generator<DataRange, void, undefined> {
  let offset = 0n;
  while (true) {
    const start = nextData(calls, descriptor, offset);
    // null for the end can only come when the file shrinks between the two calls.
    const end = start === null ? null : nextHole(calls, descriptor, start);
    if (start === null || end === null) {
      return;
    }
    yield { start, end };
    offset = end;
  }
}

/**
 * Gives the bytes back to the file system; they read as zeros and the size stays. False where that is not possible:
 * the caller then writes zeros.
 */
export function punchHole(calls: SystemCalls, descriptor: number, range: DataRange, path: Buffer): boolean {
  return allocate(calls, descriptor, fallocatePunchHole | fallocateKeepSize, range, path);
}

/**
 * Reserves the space of a file that is about to be written, so that a full disk shows at once (`no-space`) and the
 * blocks lie together. The file has `sizeBytes` afterwards. False where the file system does not offer it (nothing
 * is lost); never emulated by writing zeros, as posix_fallocate does.
 */
export function preallocate(calls: SystemCalls, descriptor: number, sizeBytes: bigint, path: Buffer): boolean {
  // The kernel refuses a length of zero.
  return sizeBytes === 0n || allocate(calls, descriptor, 0, { start: 0n, end: sizeBytes }, path);
}

function allocate(calls: SystemCalls, descriptor: number, mode: number, range: DataRange, path: Buffer): boolean {
  const result = calls.fallocate(descriptor, mode, range.start, range.end - range.start);
  if (result === -errno.EOPNOTSUPP || result === -errno.ENOSYS) {
    return false;
  }
  if (result < 0) {
    throw systemError("target", "reserve or free space in", path, result);
  }
  return true;
}

function seek(calls: SystemCalls, descriptor: number, offset: bigint, whence: number): bigint | null {
  if (offset < 0n) {
    throw new HoldfastError("internal", `an offset in a file cannot be negative: ${offset}`);
  }
  const result = calls.lseek(descriptor, offset, whence);
  if (result === BigInt(-errno.ENXIO)) {
    return null;
  }
  if (result < 0n) {
    throw systemError("source", "look for holes in", Buffer.from(`descriptor ${descriptor}`), Number(result));
  }
  return result;
}
