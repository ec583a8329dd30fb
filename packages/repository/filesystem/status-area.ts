// The memory that statx fills, and its decoding. The layout (statx(2)) is the same on every architecture.

import type { BigIntStats } from "node:fs";

/** What the file system knows about a file. Times are nanoseconds since the epoch. */
export interface FileStatus {
  /** st_mode: the type (`S_IFMT`) and the permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly links: number;
  readonly inode: bigint;
  /** st_dev, encoded as stat(2) returns it. */
  readonly deviceId: bigint;
  /** st_rdev: which device a device node stands for, 0 for everything else. */
  readonly rdev: bigint;
  /** In bytes. */
  readonly size: bigint;
  readonly atimeNs: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

const areaBytes = 256;
const nsPerSecond = 1_000_000_000n;

// Positions in 32-bit words.
const linksWord = 4;
const uidWord = 5;
const gidWord = 6;
const modeWord = 7; // its low 16 bits
const rdevWord = 32; // major, then minor
const deviceWord = 34;
// Positions in 64-bit words; a time is followed by its nanoseconds in 32 bits.
const inodeWord = 4;
const sizeWord = 5;
const atimeWord = 8;
const ctimeWord = 12;
const mtimeWord = 14;

/** Joins the two halves of a device number as glibc's and musl's makedev do. */
export function makeDevice(major: number, minor: number): bigint {
  const lowMajor = major & 0xfff;
  const lowMinor = minor & 0xff;
  const low = lowMinor + lowMajor * 2 ** 8 + (minor - lowMinor) * 2 ** 12;
  const highMajor = major - lowMajor;
  return highMajor === 0 ? BigInt(low) : (BigInt(highMajor) << 32n) + BigInt(low);
}

/** The two halves of a device number. */
export function splitDevice(device: bigint): { major: number; minor: number } {
  return {
    major: Number(((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n)),
    minor: Number((device & 0xffn) | ((device >> 12n) & 0xffffff00n)),
  };
}

/** One reusable buffer; typed arrays over it decode five times faster than Buffer's read methods. */
export class StatusArea {
  readonly bytes = Buffer.allocUnsafeSlow(areaBytes).fill(0);
  readonly #words = new Uint32Array(this.bytes.buffer, 0, areaBytes / 4);
  readonly #longs = new BigUint64Array(this.bytes.buffer, 0, areaBytes / 8);
  readonly #signed = new BigInt64Array(this.bytes.buffer, 0, areaBytes / 8);
  // Neighbours share their device: the last one is kept instead of being built again.
  #major = 0;
  #minor = 0;
  #device = 0n;

  /** A copy of what the last call left here. */
  decode(): FileStatus {
    const words = this.#words;
    return {
      mode: words[modeWord]! & 0xffff,
      uid: words[uidWord]!,
      gid: words[gidWord]!,
      links: words[linksWord]!,
      inode: this.#longs[inodeWord]!,
      deviceId: this.#deviceId(),
      rdev: makeDevice(words[rdevWord]!, words[rdevWord + 1]!),
      size: this.#longs[sizeWord]!,
      atimeNs: this.#timeNs(atimeWord),
      mtimeNs: this.#timeNs(mtimeWord),
      ctimeNs: this.#timeNs(ctimeWord),
    };
  }

  /** Writes what node:fs found, for machines without the native call. */
  fill(stats: BigIntStats): void {
    const words = this.#words;
    words[modeWord] = Number(stats.mode);
    words[uidWord] = Number(stats.uid);
    words[gidWord] = Number(stats.gid);
    words[linksWord] = Number(stats.nlink);
    this.#longs[inodeWord] = stats.ino;
    this.#longs[sizeWord] = stats.size;
    const device = splitDevice(stats.dev);
    words[deviceWord] = device.major;
    words[deviceWord + 1] = device.minor;
    const rdev = splitDevice(stats.rdev);
    words[rdevWord] = rdev.major;
    words[rdevWord + 1] = rdev.minor;
    this.#setTimeNs(atimeWord, stats.atimeNs);
    this.#setTimeNs(mtimeWord, stats.mtimeNs);
    this.#setTimeNs(ctimeWord, stats.ctimeNs);
  }

  #deviceId(): bigint {
    const major = this.#words[deviceWord]!;
    const minor = this.#words[deviceWord + 1]!;
    if (major !== this.#major || minor !== this.#minor) {
      this.#major = major;
      this.#minor = minor;
      this.#device = makeDevice(major, minor);
    }
    return this.#device;
  }

  #timeNs(word: number): bigint {
    return this.#signed[word]! * nsPerSecond + BigInt(this.#words[2 * word + 2]!);
  }

  #setTimeNs(word: number, timeNs: bigint): void {
    const { seconds, nanoseconds } = splitTime(timeNs);
    this.#signed[word] = seconds;
    this.#words[2 * word + 2] = Number(nanoseconds);
  }
}

/** Whole seconds, rounded down also before 1970, and the nanoseconds (0 to 999999999) that remain. */
export function splitTime(timeNs: bigint): { seconds: bigint; nanoseconds: bigint } {
  const remainder = timeNs % nsPerSecond;
  const nanoseconds = remainder < 0n ? remainder + nsPerSecond : remainder;
  return { seconds: (timeNs - nanoseconds) / nsPerSecond, nanoseconds };
}
