// Holds one committed state of a live database: a read transaction, and what of the log belongs to it.
import { lstatSync, openSync, readSync, realpathSync, statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { databaseUri, type Journal, type OpenMode, readHeader, shmPath, walPath } from "./database-file.ts";
import type { PinnedState } from "./process-messages.ts";
import { readonlyRollback, resultCode, resultCodes, valueOf } from "./sql-access.ts";
import { parseWalIndexHead, walIndexHeadBytes, type WalIndexHead } from "./wal-index.ts";

/** Small: the pages are read elsewhere, and the witness reads most of them once. */
const cacheKib = 8192;

/**
 * A connection that changes nothing by itself and understands every schema that SQLite once took. Read-only, SQLite
 * leaves out CHECK constraints, so functions that only the application has do not matter there.
 */
export function connect(path: Buffer, mode: OpenMode, timeoutMs: number): DatabaseSync {
  const database = new DatabaseSync(databaseUri(path, mode), {
    readOnly: mode !== "rw",
    timeout: timeoutMs,
    enableForeignKeyConstraints: false,
    enableDoubleQuotedStringLiterals: true,
  });
  try {
    database.exec("PRAGMA trusted_schema = OFF");
    // This one reads the schema, so it may fail as the first question may.
    database.exec(`PRAGMA cache_size = -${cacheKib}`);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/**
 * A process has at most one. As long as it is held, nothing in this process may close a descriptor of the database,
 * its log or its index: the system drops all POSIX locks of a process on a file when any descriptor of it is closed.
 * So the index is opened once and stays open until the process ends.
 */
export class Pin {
  readonly state: PinnedState;
  readonly database: DatabaseSync;
  readonly #path: Buffer;
  readonly #madeLog: boolean;

  private constructor(path: Buffer, database: DatabaseSync, state: PinnedState, madeLog: boolean) {
    this.#path = path;
    this.database = database;
    this.state = state;
    this.#madeLog = madeLog;
  }

  /** Waits up to `timeoutMs` for locks; throws SQLite's errors. */
  static take(given: Buffer, timeoutMs: number): Pin {
    const path = realpathSync.native(given, { encoding: "buffer" });
    const deadline = performance.now() + timeoutMs;
    const hadLog = exists(walPath(path)) || exists(shmPath(path));
    const file = fileOf(path);
    const { database, how } = openReading(path, timeoutMs, hadLog);
    const settled = how === "unlocked" ? unlockedState : settle(database, path, deadline);
    if (fileOf(path).inode !== file.inode) throw new Error("the file was replaced while it was opened");
    const state: PinnedState = {
      ...settled,
      locked: how !== "unlocked",
      recovered: how === "recovered",
      pageBytes: Number(valueOf(database, "PRAGMA page_size")),
      pageCount: Number(valueOf(database, "PRAGMA page_count")),
      file,
    };
    return new Pin(path, database, state, !hadLog && how !== "unlocked" && state.journal === "wal");
  }

  isHeld(): boolean {
    return this.database.isTransaction && valueOf(this.database, "PRAGMA page_count") === BigInt(this.state.pageCount);
  }

  /**
   * Ends the transaction. Files of the log that this connection made are removed again, as SQLite's last connection
   * does, but only while the log is empty: a log with content is never written back here. The connection itself is
   * read-only, so it cannot.
   */
  release(): void {
    this.database.exec("ROLLBACK");
    if (!this.#madeLog || statSync(walPath(this.#path)).size > 0) return;
    const last = connect(this.#path, "rw", 0);
    valueOf(last, "SELECT count(*) FROM sqlite_schema");
    this.database.close();
    last.close();
  }
}

const unlockedState = { journal: "wal", log: null } as const;

interface Opened {
  readonly database: DatabaseSync;
  readonly how: "locked" | "recovered" | "unlocked";
}

/**
 * A connection with its read transaction begun. A database whose log is closed can only be locked by making the log,
 * which may be forbidden here, or would make files that the application cannot write: then no lock is taken, and who
 * reads has to see at the end that nothing has changed.
 */
function openReading(path: Buffer, timeoutMs: number, hadLog: boolean): Opened {
  const logIsClosed = !hadLog && readHeader(path)?.journal === "wal";
  if (logIsClosed && !isOwn(path)) return openUnlocked(path);
  try {
    return { database: connectAndBegin(path, timeoutMs), how: "locked" };
  } catch (error) {
    const primary = resultCode(error) & 0xff;
    if (logIsClosed && (primary === resultCodes.cantOpen || primary === resultCodes.readonly))
      return openUnlocked(path);
    if (resultCode(error) !== readonlyRollback) throw error;
  }
  rollBackCrashed(path, timeoutMs);
  return { database: connectAndBegin(path, timeoutMs), how: "recovered" };
}

function connectAndBegin(path: Buffer, timeoutMs: number): DatabaseSync {
  const database = connect(path, "ro", timeoutMs);
  try {
    begin(database);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function openUnlocked(path: Buffer): Opened {
  const database = connect(path, "immutable", 0);
  begin(database);
  return { database, how: "unlocked" };
}

/** Root's new files of a log get the owner of the database, by SQLite itself. */
function isOwn(path: Buffer): boolean {
  const user = process.geteuid?.();
  return user === undefined || user === 0 || user === statSync(path).uid;
}

function begin(database: DatabaseSync): void {
  database.exec("BEGIN");
  // The first statement that reads takes the lock.
  valueOf(database, "SELECT count(*) FROM sqlite_schema");
}

function journalOf(database: DatabaseSync): Journal {
  return valueOf(database, "PRAGMA journal_mode") === "wal" ? "wal" : "rollback";
}

/**
 * The index says how far the log goes, but not for which reader. So the transaction is begun between two looks at it:
 * when both show the same, down to the counter of commits, the transaction sees just that. No lock is needed that
 * would make writers wait, nor the right to write. How much is back-filled is read inside as well: what is in the
 * database file by then stays there, and what is not keeps the log from beginning anew.
 */
function settle(database: DatabaseSync, path: Buffer, deadline: number): Pick<PinnedState, "journal" | "log"> {
  if (journalOf(database) === "rollback") return { journal: "rollback", log: null };
  const index = openSync(shmPath(path), "r"); // stays open, see above
  for (;;) {
    database.exec("ROLLBACK");
    const before = readIndex(index);
    begin(database);
    const log = readIndex(index);
    const after = readIndex(index);
    if (journalOf(database) === "rollback") return { journal: "rollback", log: null };
    if (log !== null && isSameCommit(before, log) && isSameCommit(log, after)) return { journal: "wal", log };
    if (performance.now() > deadline) throw new Error("its writers left no moment to begin a read transaction in");
  }
}

function isSameCommit(one: WalIndexHead | null, other: WalIndexHead | null): boolean {
  if (one === null || other === null) return false;
  return one.salts === other.salts && one.changes === other.changes && one.lastFrame === other.lastFrame;
}

function readIndex(descriptor: number): WalIndexHead | null {
  const bytes = Buffer.alloc(walIndexHeadBytes);
  const length = readSync(descriptor, bytes, 0, bytes.length, 0);
  return parseWalIndexHead(bytes.subarray(0, length));
}

/** Opening for writing is what makes SQLite undo what a crash has left half done. */
function rollBackCrashed(path: Buffer, timeoutMs: number): void {
  const database = connect(path, "rw", timeoutMs);
  try {
    valueOf(database, "SELECT count(*) FROM sqlite_schema");
  } finally {
    database.close();
  }
}

function exists(path: Buffer): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

function fileOf(path: Buffer): PinnedState["file"] {
  const { dev, ino } = statSync(path, { bigint: true });
  return { device: String(dev), inode: String(ino) };
}
