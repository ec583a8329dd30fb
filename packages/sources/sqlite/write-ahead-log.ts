// Finds the newest committed version of each page in a write-ahead log.
import type { FileHandle } from "node:fs/promises";
import { HoldfastError } from "@holdfast/repository";
import { wholePageBytes } from "./database-file.ts";
import { readAt } from "./read-at.ts";
import { checksum, type WalIndexHead } from "./wal-index.ts";

const logHeaderBytes = 32;
const frameHeaderBytes = 24;
/** The low bit says the byte order of the checksums. */
const magic = 0x377f0682;
const windowBytes = 1024 * 1024;

/** Where the newest version of a page lies in the log, by the number of the page. */
export type PagesInLog = ReadonlyMap<number, number>;

/**
 * Reads the frames up to `head.lastFrame` and holds each against the chain of checksums, so that nothing is taken for
 * committed that is not, and damage is found now and not after the next crash. Throws `source` then.
 */
export async function readLog(log: FileHandle, head: WalIndexHead, name: string): Promise<PagesInLog> {
  const pages = new Map<number, number>();
  const frameBytes = frameHeaderBytes + head.pageBytes;
  const { sum, bigEndian } = await readLogHeader(log, head, name);
  let chain = sum;
  const perWindow = Math.max(1, Math.floor(windowBytes / frameBytes));
  const window = Buffer.alloc(perWindow * frameBytes);
  let pageCount = 0;
  for (let done = 0; done < head.lastFrame;) {
    const count = Math.min(perWindow, head.lastFrame - done);
    const start = logHeaderBytes + done * frameBytes;
    await readWhole(log, window.subarray(0, count * frameBytes), start, name);
    for (let index = 0; index < count; index++) {
      const frame = window.subarray(index * frameBytes, (index + 1) * frameBytes);
      chain = checksum(frame.subarray(0, 8), chain, bigEndian);
      chain = checksum(frame.subarray(frameHeaderBytes), chain, bigEndian);
      const fits = frame.readUInt32BE(16) === chain[0] && frame.readUInt32BE(20) === chain[1];
      if (!fits || frame.toString("hex", 8, 16) !== head.salts) throw damagedLog(name, `frame ${done + index + 1}`);
      pages.set(frame.readUInt32BE(0), start + index * frameBytes + frameHeaderBytes);
      pageCount = frame.readUInt32BE(4);
    }
    done += count;
  }
  // The last frame ends a transaction and says how long the database is after it.
  const ends = pageCount === head.pageCount && chain[0] === head.checksum[0] && chain[1] === head.checksum[1];
  if (!ends) throw damagedLog(name, "its end");
  return pages;
}

async function readLogHeader(
  log: FileHandle,
  head: WalIndexHead,
  name: string,
): Promise<{ sum: [number, number]; bigEndian: boolean }> {
  const header = Buffer.alloc(logHeaderBytes);
  await readWhole(log, header, 0, name);
  const bigEndian = (header.readUInt32BE(0) & 1) === 1;
  const sum = checksum(header.subarray(0, 24), [0, 0], bigEndian);
  const right =
    header.readUInt32BE(0) >>> 1 === magic >>> 1 &&
    wholePageBytes(header.readUInt32BE(8)) === head.pageBytes &&
    header.readUInt32BE(24) === sum[0] &&
    header.readUInt32BE(28) === sum[1];
  if (!right || header.toString("hex", 16, 24) !== head.salts) throw damagedLog(name, "its header");
  return { sum, bigEndian };
}

async function readWhole(log: FileHandle, into: Buffer, position: number, name: string): Promise<void> {
  if ((await readAt(log, into, position, name)) < into.length) throw damagedLog(name, "its end, which is missing");
}

function damagedLog(name: string, where: string): HoldfastError {
  return new HoldfastError("source", `the write-ahead log ${name} is damaged at ${where}`, {
    hint: "transactions in it are lost when the application stops: copy the database with its own tools now",
    context: { path: name },
  });
}
