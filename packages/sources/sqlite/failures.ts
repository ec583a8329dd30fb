// What SQLite's errors mean for a capture, and what to do about them.
import { HoldfastError } from "@holdfast/repository";
import { resultCodes } from "./sql-access.ts";
import { SqliteFailure } from "./sqlite-process.ts";

/** The error for a database that cannot be captured. Defects are thrown on as they are. */
export function captureError(error: unknown, path: string, busyTimeout: string): unknown {
  if (error instanceof HoldfastError || !(error instanceof Error)) return error;
  const { problem, hint } = explain(error, busyTimeout);
  return new HoldfastError("source", `cannot capture the database ${path}: ${problem}`, {
    hint,
    cause: error,
    context: { path },
  });
}

/** System calls that were refused, as Node names them at the beginning of its messages. */
const refused = /^(?:EACCES|EPERM|EROFS)\b/;

function explain(error: Error, busyTimeout: string): { problem: string; hint: string } {
  const { message } = error;
  const resultCode = error instanceof SqliteFailure ? error.resultCode : 0;
  if (refused.test(message)) return cannotOpen(message);
  switch (resultCode & 0xff) {
    case resultCodes.busy:
      return {
        problem: `another program kept it locked for ${busyTimeout} (${message})`,
        hint: "let that program finish, raise `busy_timeout`, or stop the application for the backup",
      };
    case resultCodes.notADatabase:
      return {
        problem: "it is not a SQLite database, or it is encrypted",
        hint: "check the path; capture an encrypted database as a file while its application is stopped",
      };
    case resultCodes.corrupt:
      return {
        problem: `it is damaged (${message})`,
        hint: "restore an earlier snapshot of it; `sqlite3 DATABASE .recover` may save more recent rows",
      };
    case resultCodes.cantOpen:
    case resultCodes.readonly:
      return cannotOpen(message);
    default:
      return { problem: message, hint: "see the message; the application may use a newer SQLite than Holdfast" };
  }
}

function cannotOpen(message: string): { problem: string; hint: string } {
  return {
    problem: `it cannot be opened (${message})`,
    hint: "run Holdfast as root or as the owner of the database: reading takes locks in files beside it",
  };
}
