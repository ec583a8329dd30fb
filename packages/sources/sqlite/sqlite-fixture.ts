// What the tests of this source share: captures written to files, dumps, a process that writes without pause.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import type { Difference, OpenSource, SourceContext, Witnessed } from "../source.ts";
import { databaseUri } from "./database-file.ts";
import { sqlite } from "./sqlite.ts";

/** Where `./holdfast` keeps what Node has compiled: without it every process compiles the same once more. */
const compiled = fileURLToPath(new URL("../../../.cache/node-compile", import.meta.url));

export function testContext(signal: AbortSignal = new AbortController().signal): SourceContext {
  return {
    signal,
    now: () => new Date(),
    clock: () => performance.now(),
    environment: { NODE_COMPILE_CACHE: compiled },
  };
}

/** A directory that is removed when the test file ends. */
export class Workplace implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), "holdfast-sqlite-"));
  #names = 0;

  path(name = `${++this.#names}.db`): string {
    return join(this.directory, name);
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Makes a database with these statements; nothing has it open after. */
export function makeDatabase(path: string | Buffer, sql: string): void {
  const database = new DatabaseSync(path);
  database.exec(sql);
  database.close();
}

export interface CaptureResult {
  readonly witnessed: Witnessed;
  readonly warnings: readonly string[];
  readonly sizeBytes: number;
}

/** Captures `path` and writes the stream to `copy`. `whileOpen` runs between the pin and the first byte. */
export async function capture(
  path: string,
  copy: string,
  whileOpen: (open: OpenSource) => void | Promise<void> = () => undefined,
  busyTimeout = "5s",
): Promise<CaptureResult> {
  const options = sqlite.options.parse({ path, busy_timeout: busyTimeout });
  await using open = await sqlite.open(options, testContext());
  const witness = open.witness();
  witness.catch(() => undefined);
  await whileOpen(open);
  const sizeBytes = await writeStream(open, copy);
  return { witnessed: await witness, warnings: open.warnings, sizeBytes };
}

/** Writes the one stream of `open` to `copy`, in pieces that fit to no page, and finishes it; bytes. */
export async function writeStream(open: OpenSource, copy: string, onPiece?: () => void): Promise<number> {
  const entry = open.entries[0];
  if (entry?.kind !== "stream") throw new Error("one stream was expected");
  const piece = Buffer.alloc(100_001);
  const descriptor = openSync(copy, "w");
  let sizeBytes = 0;
  try {
    for (let got = await entry.read(piece); got > 0; got = await entry.read(piece)) {
      writeSync(descriptor, piece, 0, got);
      sizeBytes += got;
      onPiece?.();
    }
  } finally {
    closeSync(descriptor);
  }
  await entry.finish();
  return sizeBytes;
}

export async function compareCopy(path: string, witnessed: Witnessed, copy: string): Promise<readonly Difference[]> {
  const captured = { paths: [Buffer.from(path)], facts: JSON.parse(JSON.stringify(witnessed.facts)) as object };
  const part = { restore: () => Promise.reject(new Error("unused")), compare: () => Promise.resolve([]) };
  const copies = [{ path: Buffer.from(path), copy: Buffer.from(copy) }];
  return sqlite.compare({ ...captured, facts: { ...captured.facts } }, copies, part, testContext());
}

/** Schema, every row of every table with the types of its values, and the settings: as text, to be compared. */
export function dump(path: string, mode: "ro" | "immutable" = "ro"): string {
  const database = new DatabaseSync(databaseUri(Buffer.from(path), mode), { readOnly: true });
  try {
    const lines: unknown[] = [];
    const all = (sql: string): unknown[] => {
      const statement = database.prepare(sql);
      statement.setReadBigInts(true);
      return statement.all();
    };
    const schema = all("SELECT * FROM sqlite_schema ORDER BY rowid") as { type: string; name: string }[];
    lines.push(...schema);
    for (const { name } of schema.filter(({ type }) => type === "table")) {
      const columns = all(`SELECT name FROM pragma_table_info('${name.replaceAll("'", "''")}')`) as { name: string }[];
      const quoted = columns.map((column) => `quote("${column.name.replaceAll('"', '""')}")`);
      lines.push(...all(`SELECT ${quoted.join(" || ',' || ")} AS row FROM "${name.replaceAll('"', '""')}"`));
    }
    const pragmas = ["user_version", "application_id", "page_size", "page_count", "encoding", "auto_vacuum"];
    for (const pragma of [...pragmas, "freelist_count", "integrity_check"]) lines.push(all(`PRAGMA ${pragma}`));
    return lines.map((line) => JSON.stringify(line, bigintAsText)).join("\n");
  } finally {
    database.close();
  }
}

function bigintAsText(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? `${value}n` : value;
}

/** A process that moves amounts between two tables in a few hundred transactions a second, and tells each commit. */
export class Writer implements AsyncDisposable {
  /** The last transaction that the process was told is committed. */
  acknowledged = 0;
  readonly #child: ChildProcess;

  private constructor(path: string, perSecond: number) {
    const script = fileURLToPath(new URL("writer-fixture.ts", import.meta.url));
    const flags = ["--disable-warning=ExperimentalWarning"];
    this.#child = spawn(process.execPath, [...flags, script, path, String(perSecond)], {
      stdio: ["pipe", "pipe", "inherit"],
      env: {},
    });
    createInterface({ input: this.#child.stdout! }).on("line", (line) => {
      this.acknowledged = Number(line);
    });
  }

  /** Returns when some transactions are done. */
  static async start(path: string, perSecond = 200): Promise<Writer> {
    const writer = new Writer(path, perSecond);
    await writer.until(20);
    return writer;
  }

  async until(transactions: number): Promise<void> {
    while (this.acknowledged < transactions) {
      if (this.#child.exitCode !== null) throw new Error("the writer has ended");
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin!.end();
    if (this.#child.exitCode === null) await once(this.#child, "exit");
  }
}
