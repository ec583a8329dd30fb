// Pins a live database and offers the pages of the pinned state as one stream.
import type { BigIntStats } from "node:fs";
import { type FileHandle, open, realpath, stat } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { HoldfastError } from "@holdfast/repository";
import type { OpenSource, Preflight, SourceContext, SourceEntry } from "../source.ts";
import { shown, walPath } from "./database-file.ts";
import { DatabasePages } from "./database-pages.ts";
import { captureError } from "./failures.ts";
import { durationMs, type SqliteOptions } from "./options.ts";
import { pageRuns } from "./page-runs.ts";
import { requireStillPinned } from "./pin-check.ts";
import type { PinnedState } from "./process-messages.ts";
import { SqliteProcess } from "./sqlite-process.ts";
import { type PagesInLog, readLog } from "./write-ahead-log.ts";

/** A holder that does not answer for so long is killed; empty files that it made beside the database then stay. */
const releaseMs = 2000;
const permissionBits = 0o7777;

export async function preflightSqlite(options: SqliteOptions): Promise<Preflight> {
  const path = Buffer.from(options.path);
  const found = await statOrNull(path);
  if (found === null) return { present: false, sizeBytes: null, warnings: [`${options.path} does not exist`] };
  const log = await statOrNull(walPath(path));
  return { present: true, sizeBytes: Number(found.size + (log?.size ?? 0n)), warnings: emptyWarning(options, found) };
}

/** Throws `source` for whatever keeps the database from being captured whole. */
export async function openSqlite(options: SqliteOptions, context: SourceContext): Promise<OpenSource> {
  const given = Buffer.from(options.path);
  const found = await statOrNull(given);
  if (found === null || !found.isFile()) {
    throw new HoldfastError("source", `the database ${options.path} ${found ? "is not a file" : "does not exist"}`, {
      hint: "check the path in the configuration, or mark the source as optional",
    });
  }
  await using opened = new AsyncDisposableStack();
  try {
    const holder = opened.use(new SqliteProcess(context.environment, context.signal));
    const state = await holder.ask({
      kind: "pin",
      path: given.toString("base64"),
      busyTimeoutMs: durationMs(options.busy_timeout),
    });
    const pinnedAtNs = BigInt(context.now().getTime()) * 1_000_000n;
    const entry = await pinnedEntry(given, state, holder, opened);
    const resources = opened.move();
    return {
      pinnedAtNs,
      consistency: "transaction",
      entries: [entry],
      warnings: [...emptyWarning(options, found), ...recoveryWarning(options, state)],
      witness: () => askWitness(holder, options),
      [Symbol.asyncDispose]: async () => {
        await release(holder);
        await resources.disposeAsync();
      },
    };
  } catch (error) {
    throw captureError(error, options.path, options.busy_timeout);
  }
}

/** The stream of the pinned pages; what it opens goes to `opened`. */
async function pinnedEntry(
  given: Buffer,
  state: PinnedState,
  holder: SqliteProcess,
  opened: AsyncDisposableStack,
): Promise<SourceEntry> {
  const path = await realpath(given, { encoding: "buffer" });
  const name = shown(given);
  const database = opened.use(await open(path));
  const found = await database.stat({ bigint: true });
  const sameFile = String(found.ino) === state.file.inode && String(found.dev) === state.file.device;
  if (!sameFile) throw new HoldfastError("source", `${name} was replaced by another file while it was opened`);
  const sizeBytes = state.pageBytes * state.pageCount;
  if (sizeBytes === 0 && found.size > 0n)
    throw new HoldfastError("source", `${name} reads as an empty database, but has ${found.size} bytes`);
  const { log, pagesInLog } = await openLog(path, state, opened);
  const source = { database, log, pagesInLog, pageBytes: state.pageBytes, pageCount: state.pageCount, name };
  const pages = new DatabasePages(source);
  return {
    kind: "stream",
    path: given,
    read: (into) => pages.read(into),
    finish: async () => {
      pages.requireWhole();
      await requireStillPinned({ path, name, database, found, header: pages.header(), state, holder });
    },
    mode: Number(found.mode) & permissionBits,
    uid: Number(found.uid),
    gid: Number(found.gid),
    mtimeNs: found.mtimeNs,
    hint: pageRuns(state.pageBytes),
  };
}

async function openLog(
  path: Buffer,
  { log: head }: PinnedState,
  opened: AsyncDisposableStack,
): Promise<{ log: FileHandle | null; pagesInLog: PagesInLog }> {
  // Once all of the log stands in the database, others may begin it anew under a reader that does not need it.
  if (head === null || head.backfilled === head.lastFrame) return { log: null, pagesInLog: new Map() };
  const log = opened.use(await open(walPath(path)));
  return { log, pagesInLog: await readLog(log, head, shown(walPath(path))) };
}

async function askWitness(holder: SqliteProcess, options: SqliteOptions): ReturnType<OpenSource["witness"]> {
  try {
    const { facts, damage } = await holder.ask({ kind: "witness" });
    return { exact: true, facts: { ...facts }, damage };
  } catch (error) {
    throw captureError(error, options.path, options.busy_timeout);
  }
}

/** Lets the holder clean up behind itself. What does not answer is killed after this, so nothing can be lost here. */
async function release(holder: SqliteProcess): Promise<void> {
  const timer = new AbortController();
  const answered = holder.ask({ kind: "release" }).catch(() => undefined);
  await Promise.race([answered, setTimeout(releaseMs, undefined, { signal: timer.signal }).catch(() => undefined)]);
  timer.abort();
}

function emptyWarning(options: SqliteOptions, found: BigIntStats): string[] {
  return found.size === 0n ? [`the database ${options.path} is empty: it has no tables, not even a header`] : [];
}

function recoveryWarning(options: SqliteOptions, state: PinnedState): string[] {
  if (!state.recovered) return [];
  return [`${options.path}: a crash had left a transaction half done; it was rolled back, as SQLite does on opening`];
}

/** Null: nothing is there. */
async function statOrNull(path: Buffer): Promise<BigIntStats | null> {
  try {
    return await stat(path, { bigint: true });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return null;
    throw new HoldfastError("source", `cannot look at ${shown(path)}: ${message}`, { cause: error });
  }
}
