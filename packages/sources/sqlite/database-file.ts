// The names and the first bytes of a database file, as SQLite's "Database File Format" describes them.
import { closeSync, openSync, readSync } from "node:fs";

const magic = Buffer.from("SQLite format 3\0", "latin1");
export const headerBytes = 100;
/** SQLite takes its file locks on the bytes from here on, so the page with them is never used. */
const lockByte = 0x4000_0000;
const walVersion = 2;

/** What the header of a database file says. */
export interface DatabaseHeader {
  readonly pageBytes: number;
  /** Whether changes go through a write-ahead log or a rollback journal. */
  readonly journal: Journal;
  /** Counts the transactions that changed the file itself. */
  readonly changeCounter: number;
  /** Null when a program that does not keep this number has written last. */
  readonly pageCount: number | null;
}

export type Journal = "wal" | "rollback";

/** Null: these are not the first bytes of a SQLite database (which an encrypted one does not have either). */
export function parseHeader(bytes: Buffer): DatabaseHeader | null {
  if (bytes.length < headerBytes || !bytes.subarray(0, magic.length).equals(magic)) return null;
  const pageBytes = wholePageBytes(bytes.readUInt16BE(16));
  if (pageBytes < 512 || (pageBytes & (pageBytes - 1)) !== 0) return null;
  const changeCounter = bytes.readUInt32BE(24);
  return {
    pageBytes,
    journal: bytes[19] === walVersion ? "wal" : "rollback",
    changeCounter,
    pageCount: bytes.readUInt32BE(92) === changeCounter ? bytes.readUInt32BE(28) : null,
  };
}

/** 65536 does not fit in the sixteen bits that files have for it, and is written as 1. */
export function wholePageBytes(stored: number): number {
  return stored === 1 ? 65_536 : stored;
}

/** The number of the page that holds the lock bytes; pages count from 1. */
export function lockPage(pageBytes: number): number {
  return lockByte / pageBytes + 1;
}

export function walPath(path: Buffer): Buffer {
  return Buffer.concat([path, Buffer.from("-wal")]);
}

export function shmPath(path: Buffer): Buffer {
  return Buffer.concat([path, Buffer.from("-shm")]);
}

export function journalPath(path: Buffer): Buffer {
  return Buffer.concat([path, Buffer.from("-journal")]);
}

/** How a database is opened: none of these creates it. `immutable` takes no locks and trusts that nobody writes. */
export type OpenMode = "ro" | "rw" | "immutable";

/** The path as SQLite's URI, byte for byte, whatever stands in it. */
export function databaseUri(path: Buffer, mode: OpenMode): string {
  let escaped = "";
  for (const byte of path) {
    const character = String.fromCharCode(byte);
    escaped += /[A-Za-z0-9/_.~-]/.test(character) ? character : `%${byte.toString(16).padStart(2, "0")}`;
  }
  return `file:${escaped}?${mode === "immutable" ? "mode=ro&immutable=1" : `mode=${mode}`}`;
}

/** A path as text in messages. */
export function shown(path: Buffer): string {
  return path.toString().replace(/[\u0000-\u001f\u007f-\u009f]/g, (character) => {
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
}

/** The header of a file that nobody has open in this process. Null as for `parseHeader`; throws node:fs's errors. */
export function readHeader(path: Buffer): DatabaseHeader | null {
  const bytes = Buffer.alloc(headerBytes);
  const descriptor = openSync(path, "r");
  try {
    return parseHeader(bytes.subarray(0, readSync(descriptor, bytes)));
  } finally {
    closeSync(descriptor);
  }
}
