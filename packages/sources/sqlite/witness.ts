// Takes the facts of a database through an open connection: rows of every table, schema, settings.
import type { DatabaseSync } from "node:sqlite";
import type { Journal } from "./database-file.ts";
import { type CheckDepth, checkForeignKeys, checkIntegrity } from "./integrity.ts";
import type { DatabaseFacts, Examined, TableFacts } from "./process-messages.ts";
import { RowHash } from "./row-hash.ts";
import { isDamage, messageOf, quoteName, rowsOf, valueOf } from "./sql-access.ts";

/** Others are given a turn this often. */
const turnRows = 10_000;

/** Lets waiting messages be answered. */
export type Turn = () => Promise<void>;

/** All facts of the state that `database` sees; the caller keeps it the same one. */
export async function examine(
  database: DatabaseSync,
  journal: Journal,
  depth: CheckDepth,
  turn: Turn,
): Promise<Examined> {
  const damage: string[] = [];
  const tables: TableFacts[] = [];
  for (const name of tableNames(database)) tables.push(await tableFacts(database, name, turn, damage));
  const schema = await hashRows(database, "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY rowid", turn);
  const names = tables.map(({ name }) => name);
  const { lines, unchecked } = checkIntegrity(database, names, depth);
  if (lines[0] !== "ok") damage.push(...lines.map((line) => `integrity check: ${line}`));
  await turn();
  const facts: DatabaseFacts = {
    version: 1,
    sqlite: String(valueOf(database, "SELECT sqlite_version()")),
    journal,
    ...settings(database),
    schema: { objects: schema.rows, sha256: schema.sha256 },
    tables,
    integrity: lines,
    checked: depth,
    unchecked,
    foreignKeyViolations: checkForeignKeys(database),
  };
  return { facts, damage };
}

type Settings = Pick<
  DatabaseFacts,
  "pageBytes" | "pageCount" | "encoding" | "autoVacuum" | "userVersion" | "applicationId"
>;

function settings(database: DatabaseSync): Settings {
  return {
    pageBytes: Number(valueOf(database, "PRAGMA page_size")),
    pageCount: Number(valueOf(database, "PRAGMA page_count")),
    encoding: String(valueOf(database, "PRAGMA encoding")),
    autoVacuum: Number(valueOf(database, "PRAGMA auto_vacuum")),
    userVersion: Number(valueOf(database, "PRAGMA user_version")),
    applicationId: Number(valueOf(database, "PRAGMA application_id")),
  };
}

/** Tables with pages of their own: those behind virtual tables too, virtual tables and views not. */
function tableNames(database: DatabaseSync): string[] {
  const sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0 ORDER BY rowid";
  return Array.from(rowsOf(database, sql), ([name]) => String(name));
}

async function tableFacts(database: DatabaseSync, name: string, turn: Turn, damage: string[]): Promise<TableFacts> {
  try {
    return { name, ...(await hashRows(database, rowsQuery(database, name), turn)) };
  } catch (error) {
    if (isDamage(error)) damage.push(`table ${name} cannot be read: ${messageOf(error)}`);
    return { name, unreadable: messageOf(error) };
  }
}

/** Values of `hidden` in PRAGMA table_xinfo: 0 is an ordinary column, 3 a generated one that is stored. */
const storedColumns: readonly unknown[] = [0n, 3n];
const rowIdNames = ["rowid", "_rowid_", "oid"];

/**
 * The stored columns, and the row's own number where no column hides it, in the order in which the rows lie in the
 * table. Generated columns that are not stored may need functions that only the application has.
 */
function rowsQuery(database: DatabaseSync, name: string): string {
  const columns = [...rowsOf(database, `PRAGMA table_xinfo(${quoteName(name)})`)];
  const names = columns.map((column) => String(column[1]));
  const stored = names.filter((_, index) => storedColumns.includes(columns[index]?.[6]));
  const lowerCase = new Set(names.map((column) => column.toLowerCase()));
  const rowId = rowIdNames.find((candidate) => !lowerCase.has(candidate));
  const selected = stored.map(quoteName);
  if (rowId !== undefined && !isWithoutRowId(database, name)) selected.unshift(rowId);
  return `SELECT ${selected.join(", ")} FROM main.${quoteName(name)} NOT INDEXED`;
}

function isWithoutRowId(database: DatabaseSync, name: string): boolean {
  const rows = rowsOf(database, `PRAGMA main.table_list(${quoteName(name)})`);
  for (const [schema, , , , withoutRowId] of rows) if (schema === "main") return withoutRowId === 1n;
  return false;
}

async function hashRows(database: DatabaseSync, sql: string, turn: Turn): Promise<{ rows: number; sha256: string }> {
  const hash = new RowHash();
  let rows = 0;
  for (const row of rowsOf(database, sql)) {
    hash.add(row);
    if (++rows % turnRows === 0) await turn();
  }
  await turn();
  return { rows, sha256: hash.digest() };
}
