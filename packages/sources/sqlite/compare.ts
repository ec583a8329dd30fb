// Holds a restored database against the facts that were recorded when it was captured.
import { stat } from "node:fs/promises";
import { HoldfastError } from "@holdfast/repository";
import type { CapturedSource, Difference, Facts, RestoredCopy, SourceContext } from "../source.ts";
import { shown, walPath } from "./database-file.ts";
import type { DatabaseFacts, TableFacts } from "./process-messages.ts";
import { SqliteFailure, SqliteProcess } from "./sqlite-process.ts";

const settings = [
  "pageBytes",
  "pageCount",
  "journal",
  "encoding",
  "autoVacuum",
  "userVersion",
  "applicationId",
  "foreignKeyViolations",
] as const;

/** In a process of its own, so that a damaged file can at worst end that. */
export async function compareSqlite(
  captured: CapturedSource,
  copies: readonly RestoredCopy[],
  context: SourceContext,
): Promise<Difference[]> {
  const recorded = factsOf(captured.facts);
  const copy = copies[0]?.copy;
  if (recorded === null) return [{ what: "witness", problem: "no facts of a database were recorded at capture" }];
  if (copy === undefined || copies.length > 1)
    return [{ what: "database", problem: `one restored file was expected, not ${copies.length}` }];
  await using examiner = new SqliteProcess(context.environment, context.signal);
  try {
    const { facts } = await examiner.ask({ kind: "examine", path: copy.toString("base64") });
    return [...(await logDifferences(copy)), ...differences(recorded, facts)];
  } catch (error) {
    if (context.signal.aborted) throw new HoldfastError("interrupted", "the comparison was interrupted");
    if (error instanceof SqliteFailure) return [{ what: "database", problem: `it cannot be read: ${error.message}` }];
    throw error;
  }
}

/** Null: these are facts of something else, or of a version that is not known here. */
function factsOf(facts: Facts): DatabaseFacts | null {
  return facts["version"] === 1 && Array.isArray(facts["tables"]) ? (facts as unknown as DatabaseFacts) : null;
}

/** What was recorded, against what is there. */
export function differences(recorded: DatabaseFacts, found: DatabaseFacts): Difference[] {
  const all: Difference[] = [];
  for (const name of settings) {
    if (recorded[name] !== found[name])
      all.push({ what: name, problem: `it was ${recorded[name]} at capture and is ${found[name]}` });
  }
  if (recorded.schema.sha256 !== found.schema.sha256)
    all.push({ what: "schema", problem: "tables, indexes, triggers or views differ from those at capture" });
  all.push(...tableDifferences(recorded.tables, found.tables));
  const known = new Set(recorded.integrity);
  for (const line of found.integrity) if (!known.has(line)) all.push({ what: "integrity check", problem: line });
  return all;
}

function tableDifferences(recorded: readonly TableFacts[], found: readonly TableFacts[]): Difference[] {
  const all: Difference[] = [];
  const left = new Map(found.map((table) => [table.name, table]));
  for (const then of recorded) {
    const now = left.get(then.name);
    left.delete(then.name);
    const problem = now === undefined ? "it is missing" : tableProblem(then, now);
    if (problem !== null) all.push({ what: `table ${then.name}`, problem });
  }
  for (const name of left.keys()) all.push({ what: `table ${name}`, problem: "it was not there at capture" });
  return all;
}

function tableProblem(then: TableFacts, now: TableFacts): string | null {
  if ("unreadable" in now) return "unreadable" in then ? null : `it cannot be read: ${now.unreadable}`;
  if ("unreadable" in then) return `it could not be read at capture (${then.unreadable}), so nothing can be said of it`;
  if (then.rows !== now.rows) return `it had ${then.rows} rows at capture and has ${now.rows}`;
  return then.sha256 === now.sha256 ? null : `its ${now.rows} rows differ from those at capture`;
}

/** A log beside a restored database would be played into it when it is opened. */
async function logDifferences(copy: Buffer): Promise<Difference[]> {
  const log = walPath(copy);
  const sizeBytes = await stat(log).then(
    ({ size }) => size,
    () => 0,
  );
  if (sizeBytes === 0) return [];
  return [
    { what: shown(log), problem: "a write-ahead log stands beside the copy and would change it when it is opened" },
  ];
}
