// Small ways to ask a database, and to tell what its errors mean.
import type { DatabaseSync } from "node:sqlite";
import type { SqlValue } from "./row-hash.ts";

/** Primary result codes of SQLite that decide what is done; extended ones have them in the low byte. */
export const resultCodes = {
  busy: 5,
  readonly: 8,
  ioError: 10,
  corrupt: 11,
  cantOpen: 14,
  protocol: 15,
  notADatabase: 26,
};
/** The database has a journal that a crash has left, and the connection may not write. */
export const readonlyRollback = 776;

/** All rows, one at a time, as arrays; integers as bigint. */
export function rowsOf(database: DatabaseSync, sql: string): Iterable<SqlValue[]> {
  const statement = database.prepare(sql);
  statement.setReturnArrays(true);
  statement.setReadBigInts(true);
  return statement.iterate() as Iterable<unknown> as Iterable<SqlValue[]>;
}

/** The first value of the first row. */
export function valueOf(database: DatabaseSync, sql: string): SqlValue {
  for (const row of rowsOf(database, sql)) return row[0] ?? null;
  return null;
}

/** Any name as an identifier. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** The extended result code; 0 for an error that is not SQLite's. */
export function resultCode(error: unknown): number {
  if (error instanceof Error && "errcode" in error && typeof error.errcode === "number") return error.errcode;
  return 0;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Whether an error says that the content is damaged, and not only that something of the application is missing. */
export function isDamage(error: unknown): boolean {
  const primary = resultCode(error) & 0xff;
  return primary === resultCodes.corrupt || primary === resultCodes.ioError || primary === resultCodes.notADatabase;
}
