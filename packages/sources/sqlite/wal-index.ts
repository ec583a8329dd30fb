// The head of a `-shm` file, SQLite's index of the write-ahead log, as its "WAL-mode File Format" describes it.
import { endianness } from "node:os";
import { wholePageBytes } from "./database-file.ts";

/** Two copies of the header and what checkpoints leave there. */
export const walIndexHeadBytes = 136;
const copyBytes = 48;
const checkedBytes = 40;
const version = 3_007_000;

/** What the index says of the log. The numbers are in the byte order of the machine, which is a little-endian one. */
export interface WalIndexHead {
  /** Both salts, as they stand in the log. */
  readonly salts: string;
  /** Counts every commit. */
  readonly changes: number;
  readonly pageBytes: number;
  /** The last committed frame; 0: the log has none that counts. */
  readonly lastFrame: number;
  readonly pageCount: number;
  /** The running checksum after the last frame. */
  readonly checksum: readonly [number, number];
  /** How many frames stand in the database file for good. */
  readonly backfilled: number;
}

/** Null while a commit is writing it, and for what was never made. */
export function parseWalIndexHead(bytes: Buffer): WalIndexHead | null {
  if (endianness() !== "LE" || bytes.length < walIndexHeadBytes) return null;
  if (!bytes.subarray(0, copyBytes).equals(bytes.subarray(copyBytes, 2 * copyBytes))) return null;
  if (bytes.readUInt32LE(0) !== version || bytes[12] === 0) return null;
  const [sum0, sum1] = checksum(bytes.subarray(0, checkedBytes), [0, 0], false);
  if (sum0 !== bytes.readUInt32LE(40) || sum1 !== bytes.readUInt32LE(44)) return null;
  return {
    salts: bytes.toString("hex", 32, 40),
    changes: bytes.readUInt32LE(8),
    pageBytes: wholePageBytes(bytes.readUInt16LE(14)),
    lastFrame: bytes.readUInt32LE(16),
    pageCount: bytes.readUInt32LE(20),
    checksum: [bytes.readUInt32LE(24), bytes.readUInt32LE(28)],
    backfilled: bytes.readUInt32LE(96),
  };
}

/** SQLite's checksum of the log and its index, carried on from `start`; `bytes` is a multiple of eight. */
export function checksum(bytes: Buffer, start: readonly [number, number], bigEndian: boolean): [number, number] {
  let [s0, s1] = start;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < bytes.length; at += 8) {
    s0 = (s0 + view.getUint32(at, !bigEndian) + s1) | 0;
    s1 = (s1 + view.getUint32(at + 4, !bigEndian) + s0) | 0;
  }
  return [s0 >>> 0, s1 >>> 0];
}
