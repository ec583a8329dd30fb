// Opens the embedded database of the state directory, and brings an older one up to date.
import { chmodSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { HoldfastError } from "@holdfast/repository";
import { failure, sqliteBusy, sqliteCode } from "./system-failure.ts";

/** How long a statement waits for another process that writes. */
const busyTimeoutMs = 10_000;

/** Each brings the database from the version that is its place in this list to the next. Never change one. */
const migrations: readonly string[] = [
  `CREATE TABLE runs (
     id TEXT PRIMARY KEY,
     operation TEXT NOT NULL,
     stack TEXT NOT NULL,
     plan TEXT,
     started_ms INTEGER NOT NULL,
     ended_ms INTEGER,
     outcome TEXT NOT NULL,
     exit_code INTEGER,
     snapshot_ids TEXT NOT NULL,
     counts TEXT NOT NULL,
     bytes INTEGER,
     message TEXT,
     owner TEXT NOT NULL
   ) STRICT;
   CREATE INDEX runs_by_start ON runs (started_ms);
   CREATE INDEX runs_by_stack ON runs (stack, started_ms);`,
  `CREATE TABLE verified_packs (
     repository TEXT NOT NULL,
     pack BLOB NOT NULL,
     verified_ms INTEGER,
     waiting INTEGER NOT NULL,
     is_damaged INTEGER NOT NULL,
     PRIMARY KEY (repository, pack)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE known_points (
     repository TEXT NOT NULL,
     name TEXT NOT NULL,
     origin TEXT NOT NULL,
     snapshot TEXT NOT NULL,
     stack TEXT NOT NULL,
     time_ms INTEGER NOT NULL,
     PRIMARY KEY (repository, origin)
   ) STRICT, WITHOUT ROWID;`,
];

/** Throws `damaged`, `unsupported` (written by a newer version), `no-space`, `locked`, `permission`. */
export function openStateDatabase(path: string): DatabaseSync {
  let database: DatabaseSync | null = null;
  try {
    database = new DatabaseSync(path, { timeout: busyTimeoutMs });
    chmodSync(path, 0o600);
    migrate(database, path);
    useWriteAheadLog(database);
    database.exec("PRAGMA synchronous = FULL");
    return database;
  } catch (error) {
    database?.close();
    throw stateFailure(error, path, "open");
  }
}

/** Failures of statements on it, with what a person can do about them. */
export function stateFailure(error: unknown, path: string, action: string): HoldfastError {
  const failed = failure(error, `${action} the state database ${path}`);
  if (failed.code === "locked") {
    const hint = "another process keeps it busy: run the command again";
    return new HoldfastError("locked", failed.message, { hint, cause: error, context: { path } });
  }
  if (failed.code !== "damaged") return failed;
  return new HoldfastError("damaged", failed.message, { hint: moveAside(path), cause: error, context: { path } });
}

function moveAside(path: string): string {
  return (
    `move ${path} aside, with ${path}-wal and ${path}-shm if they are there: it is made anew. Only the list of past ` +
    "runs starts over, and what was read back when; snapshots, proofs, pins and holds are in the repositories"
  );
}

function migrate(database: DatabaseSync, path: string): void {
  if (versionOf(database) === migrations.length) return;
  // Looks again under the lock: another process may be doing the same.
  database.exec("BEGIN IMMEDIATE");
  const version = versionOf(database);
  if (version > migrations.length) {
    throw new HoldfastError(
      "unsupported",
      `the state database ${path} was written by a newer version of Holdfast (${version}; this one knows ${migrations.length})`,
      { hint: `use that version, or ${moveAside(path)}`, context: { path, version } },
    );
  }
  for (const migration of migrations.slice(version)) database.exec(migration);
  database.exec(`PRAGMA user_version = ${migrations.length}`);
  database.exec("COMMIT");
}

function versionOf(database: DatabaseSync): number {
  return Number(database.prepare("PRAGMA user_version").get()?.["user_version"]);
}

/** The change of mode needs the file alone and does not always wait for that by itself. */
function useWriteAheadLog(database: DatabaseSync): void {
  const pause = new Int32Array(new SharedArrayBuffer(4));
  const pauseMs = 20;
  for (let waitedMs = 0; ; waitedMs += pauseMs) {
    try {
      database.exec("PRAGMA journal_mode = WAL");
      return;
    } catch (error) {
      if (sqliteCode(error) !== sqliteBusy || waitedMs >= busyTimeoutMs) throw error;
      Atomics.wait(pause, 0, 0, pauseMs);
    }
  }
}
