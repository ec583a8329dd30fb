// The list of runs: what was begun, by which process, and how it ended.
import { randomUUID } from "node:crypto";
import type { SQLOutputValue } from "node:sqlite";
import { HoldfastError } from "@holdfast/repository";
import { z } from "zod";
import type { LazyDatabase } from "./lazy-database.ts";
import { isRunning, ownIdentity, processIdentitySchema } from "./process-identity.ts";

export const operations = ["backup", "restore", "undo", "drill", "check", "prune"] as const;
export type Operation = (typeof operations)[number];

const endings = ["good", "partial", "failed", "interrupted"] as const;
/** `interrupted` also when the process is gone without having said anything. */
export type RunEnding = (typeof endings)[number];
export type RunOutcome = "running" | RunEnding;

export interface RunStart {
  readonly operation: Operation;
  readonly stack: string;
  readonly plan: string | null;
}

export interface RunResult {
  readonly outcome: RunEnding;
  readonly exitCode: number;
  readonly snapshotIds: readonly string[];
  /** Files, rows, differences: what the operation counts. */
  readonly counts: Readonly<Record<string, number>>;
  /** Bytes read at the source, or restored; null when it did not come to that. */
  readonly bytes: number | null;
  /** For people; never a secret. */
  readonly message: string | null;
}

export interface Run extends RunStart, Omit<RunResult, "outcome" | "exitCode"> {
  readonly id: string;
  readonly outcome: RunOutcome;
  readonly exitCode: number | null;
  readonly startedAt: Date;
  /** Null while it runs, and when nobody saw it end. */
  readonly endedAt: Date | null;
  readonly pid: number;
}

export interface RunFilter {
  readonly stack?: string;
  readonly operation?: Operation;
  readonly outcome?: RunOutcome;
  /** The newest so many. */
  readonly limit?: number;
}

const rowSchema = z.object({
  id: z.string(),
  operation: z.enum(operations),
  stack: z.string(),
  plan: z.string().nullable(),
  started_ms: z.number(),
  ended_ms: z.number().nullable(),
  outcome: z.enum(["running", ...endings]),
  exit_code: z.number().nullable(),
  snapshot_ids: z.string().transform(parseJson).pipe(z.array(z.string())),
  counts: z.string().transform(parseJson).pipe(z.record(z.string(), z.number())),
  bytes: z.number().nullable(),
  message: z.string().nullable(),
  owner: z.string().transform(parseJson).pipe(processIdentitySchema),
});

export class Runs {
  readonly #database: LazyDatabase;
  readonly #now: () => Date;

  constructor(database: LazyDatabase, context: { readonly now: () => Date }) {
    this.#database = database;
    this.#now = context.now;
  }

  /** Returns the id. Like the others throws `no-space`, `damaged`, `locked`, `permission`. */
  beginRun({ operation, stack, plan }: RunStart): string {
    const id = randomUUID();
    const owner = JSON.stringify(ownIdentity());
    this.#database.use("write to", (database) =>
      database
        .prepare(
          `INSERT INTO runs (id, operation, stack, plan, started_ms, outcome, snapshot_ids, counts, owner)
           VALUES (?, ?, ?, ?, ?, 'running', '[]', '{}', ?)`,
        )
        .run(id, operation, stack, plan, this.#now().getTime(), owner),
    );
    return id;
  }

  /** A run ends once. */
  endRun(id: string, result: RunResult): void {
    const { outcome, exitCode, snapshotIds, counts, bytes, message } = result;
    const { changes } = this.#database.use("write to", (database) =>
      database
        .prepare(
          `UPDATE runs SET ended_ms = ?, outcome = ?, exit_code = ?, snapshot_ids = ?, counts = ?, bytes = ?, message = ?
           WHERE id = ? AND outcome = 'running'`,
        )
        .run(
          this.#now().getTime(),
          outcome,
          exitCode,
          JSON.stringify(snapshotIds),
          JSON.stringify(counts),
          bytes,
          message,
          id,
        ),
    );
    if (changes !== 1) throw new HoldfastError("internal", `run ${id} is not running`);
  }

  /** Those that began last first, in the order in which they were noted: a clock may have been wrong. */
  listRuns(filter: RunFilter = {}): Run[] {
    const { stack = null, operation = null, outcome, limit = Infinity } = filter;
    return this.#database.use("read", (database) => {
      const rows = database
        .prepare(
          `SELECT * FROM runs WHERE (?1 IS NULL OR stack = ?1) AND (?2 IS NULL OR operation = ?2)
           ORDER BY rowid DESC`,
        )
        .iterate(stack, operation);
      const found: Run[] = [];
      for (const row of rows) {
        if (found.length >= limit) break;
        const run = runOf(row);
        // Only here: a process that is gone is known to nobody but the kernel.
        if (outcome === undefined || run.outcome === outcome) found.push(run);
      }
      return found;
    });
  }
}

function runOf(row: Record<string, SQLOutputValue>): Run {
  const read = rowSchema.parse(row);
  return {
    id: read.id,
    operation: read.operation,
    stack: read.stack,
    plan: read.plan,
    startedAt: new Date(read.started_ms),
    endedAt: read.ended_ms === null ? null : new Date(read.ended_ms),
    outcome: read.outcome === "running" && !isRunning(read.owner) ? "interrupted" : read.outcome,
    exitCode: read.exit_code,
    snapshotIds: read.snapshot_ids,
    counts: read.counts,
    bytes: read.bytes,
    message: read.message,
    pid: read.owner.pid,
  };
}

function parseJson(text: string, context: z.RefinementCtx): unknown {
  try {
    return JSON.parse(text);
  } catch {
    context.addIssue("it is no JSON");
    return z.NEVER;
  }
}
