// Runs SQLite's own checks, as far as the schema can be understood without its application.
import type { DatabaseSync } from "node:sqlite";
import type { Unreadable } from "./process-messages.ts";
import { isDamage, messageOf, quoteName, rowsOf } from "./sql-access.ts";

/** More lines say nothing new. */
const mostLines = 50;

/** `quick` reads every page, but does not look up every row in every index, which takes some eight times as long. */
export type CheckDepth = "full" | "quick";

export interface Integrity {
  /** `ok`, or what is wrong. */
  readonly lines: readonly string[];
  readonly unchecked: readonly Unreadable[];
}

/** Of the whole database at once, which also finds lost pages; table by table where that cannot be. */
export function checkIntegrity(database: DatabaseSync, tables: readonly string[], depth: CheckDepth): Integrity {
  try {
    return { lines: linesOf(database, depth, String(mostLines)), unchecked: [] };
  } catch (error) {
    if (isDamage(error)) return { lines: [messageOf(error)], unchecked: [] };
    // A collation or a function of the application is missing.
    return checkEachTable(database, tables, depth);
  }
}

function checkEachTable(database: DatabaseSync, tables: readonly string[], depth: CheckDepth): Integrity {
  const lines: string[] = [];
  const unchecked: Unreadable[] = [];
  for (const name of tables) {
    if (lines.length >= mostLines) break;
    try {
      lines.push(...linesOf(database, depth, quoteName(name)).filter((line) => line !== "ok"));
    } catch (error) {
      if (isDamage(error)) lines.push(`${name}: ${messageOf(error)}`);
      else unchecked.push({ name, unreadable: messageOf(error) });
    }
  }
  return { lines: lines.length === 0 ? ["ok"] : lines.slice(0, mostLines), unchecked };
}

function linesOf(database: DatabaseSync, depth: CheckDepth, argument: string): string[] {
  const check = depth === "full" ? "integrity_check" : "quick_check";
  return Array.from(rowsOf(database, `PRAGMA ${check}(${argument})`), ([line]) => String(line));
}

/** Rows whose parent is missing; a text when the schema does not let them be counted. */
export function checkForeignKeys(database: DatabaseSync): number | string {
  try {
    let violations = 0;
    for (const _row of rowsOf(database, "PRAGMA foreign_key_check")) violations++;
    return violations;
  } catch (error) {
    return messageOf(error);
  }
}
