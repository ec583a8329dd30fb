// Makes sure, after the last byte, that nothing has moved below the reader.
import type { BigIntStats } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { HoldfastError } from "@holdfast/repository";
import { type DatabaseHeader, headerBytes, journalPath, parseHeader, shmPath, walPath } from "./database-file.ts";
import type { PinnedState } from "./process-messages.ts";
import { readAt } from "./read-at.ts";
import type { SqliteProcess } from "./sqlite-process.ts";
import { parseWalIndexHead, walIndexHeadBytes, type WalIndexHead } from "./wal-index.ts";

interface Pinned {
  readonly path: Buffer;
  /** For messages. */
  readonly name: string;
  readonly database: FileHandle;
  /** The database file as it was when it was opened. */
  readonly found: BigIntStats;
  /** The header that was captured; null for an empty database. */
  readonly header: DatabaseHeader | null;
  readonly state: PinnedState;
  readonly holder: SqliteProcess;
}

/** A commit writes the head of the index twice within microseconds; it is looked at this often. */
const indexTries = 200;

/**
 * Throws `source` unless what the transaction protects is as it was, and the transaction is still held. The holder is
 * not only believed: a lock that was lost without a word shows in the files. It ends the transaction as soon as the
 * witness is taken too.
 */
export async function requireStillPinned(pinned: Pinned): Promise<void> {
  // The files first: once it is asked, the holder may end the transaction, and others may write.
  const files = await Promise.allSettled([requireFilesKept(pinned)]);
  // A holder that has died explains whatever the files show: its end is the error that helps.
  const { held } = await pinned.holder.ask({ kind: "read" });
  for (const result of files) if (result.status === "rejected") throw result.reason;
  if (!held) throw moved(pinned, "its read transaction has ended");
}

async function requireFilesKept(pinned: Pinned): Promise<void> {
  if (!pinned.state.locked) await requireUntouched(pinned);
  else if (pinned.state.log !== null) await requireLogKept(pinned, pinned.state.log);
  else await requireSameChangeCounter(pinned);
}

/** Whoever writes without the log counts up in the header of the database. */
async function requireSameChangeCounter(pinned: Pinned): Promise<void> {
  const bytes = Buffer.alloc(headerBytes);
  const filled = await readAt(pinned.database, bytes, 0, pinned.name);
  const now = parseHeader(bytes.subarray(0, filled));
  if (now?.changeCounter !== pinned.header?.changeCounter) throw moved(pinned, "it was written while it was read");
}

/**
 * A reader keeps checkpoints from going past what it sees, and the log from beginning anew if it needs it. When it
 * does not need it and the log has begun anew, nothing of that may have gone back yet.
 */
async function requireLogKept(pinned: Pinned, log: WalIndexHead): Promise<void> {
  const now = await readIndex(pinned);
  const logNeeded = log.backfilled < log.lastFrame;
  const kept = now.salts === log.salts ? now.backfilled <= log.lastFrame : !logNeeded && now.backfilled === 0;
  if (!kept) throw moved(pinned, "a checkpoint went past the reader");
}

/** Without a lock, nothing at all may have happened. */
async function requireUntouched(pinned: Pinned): Promise<void> {
  const { path, found } = pinned;
  const now = await stat(path, { bigint: true });
  const same = now.ino === found.ino && now.size === found.size && now.mtimeNs === found.mtimeNs;
  const logs = await Promise.all([walPath(path), shmPath(path), journalPath(path)].map(exists));
  if (!same || logs.includes(true)) throw moved(pinned, "a program has opened it, and it could not be locked");
}

async function readIndex(pinned: Pinned): Promise<WalIndexHead> {
  const bytes = Buffer.alloc(walIndexHeadBytes);
  await using index = await open(shmPath(pinned.path));
  for (let tries = 0; tries < indexTries; tries++) {
    const filled = await readAt(index, bytes, 0, `the index of the log of ${pinned.name}`);
    const head = parseWalIndexHead(bytes.subarray(0, filled));
    if (head !== null) return head;
    await setTimeout(1);
  }
  throw moved(pinned, "the index of its log cannot be read");
}

async function exists(path: Buffer): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

function moved({ name }: Pinned, what: string): HoldfastError {
  return new HoldfastError("source", `the capture of ${name} cannot be trusted: ${what}`, {
    hint: "run the backup again; as root or as the owner of the database its locks can be taken",
    context: { path: name },
  });
}
