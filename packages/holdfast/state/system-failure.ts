// Turns failures of the operating system and of SQLite into the one error type, saying what happened to what.
import type { ErrorCode } from "@holdfast/repository";
import { HoldfastError } from "@holdfast/repository";

const codes: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: "no-space",
  EDQUOT: "no-space",
  EACCES: "permission",
  EPERM: "permission",
  EROFS: "permission",
};

/** Primary result codes of SQLite (sqlite.org/rescode.html). */
const sqliteCodes: Readonly<Record<number, ErrorCode>> = {
  3: "permission", // SQLITE_PERM
  5: "locked", // SQLITE_BUSY
  6: "locked", // SQLITE_LOCKED
  8: "permission", // SQLITE_READONLY
  11: "damaged", // SQLITE_CORRUPT
  13: "no-space", // SQLITE_FULL
  14: "permission", // SQLITE_CANTOPEN
  26: "damaged", // SQLITE_NOTADB
};
/** SQLITE_IOERR_SHMSIZE: no room for the shared memory beside a database in WAL mode. */
const sharedMemorySize = 4874;
export const sqliteBusy = 5;

/** `ENOENT`, `EBUSY`, …; empty for what is no error of the system. */
export function systemCode(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : "";
}

/** The primary result code of an error of node:sqlite; 0 for any other error. */
export function sqliteCode(error: unknown): number {
  return extendedSqliteCode(error) & 0xff;
}

function extendedSqliteCode(error: unknown): number {
  return error instanceof Error && "errcode" in error && typeof error.errcode === "number" ? error.errcode : 0;
}

/** `action` completes "cannot ACTION"; a HoldfastError passes unchanged, `otherwise` is for what has no code of its own. */
export function failure(error: unknown, action: string, otherwise: ErrorCode = "storage"): HoldfastError {
  if (error instanceof HoldfastError) return error;
  const sqlite = extendedSqliteCode(error);
  const code =
    sqlite === 0 ? codes[systemCode(error)] : sqlite === sharedMemorySize ? "no-space" : sqliteCodes[sqlite & 0xff];
  const said = error instanceof Error ? error.message : String(error);
  const reason = sqlite === sharedMemorySize ? `no space is left for its shared memory (${said})` : said;
  return new HoldfastError(code ?? otherwise, `cannot ${action}: ${reason}`, {
    cause: error,
    ...(systemCode(error) === "" ? {} : { context: { systemCode: systemCode(error) } }),
  });
}
