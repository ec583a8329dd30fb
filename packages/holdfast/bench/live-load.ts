// A second process that writes to a database, and how long each of its commits took.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { statSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const writer = fileURLToPath(new URL("live-writer.ts", import.meta.url));

export interface Commit {
  /** Row of the table `events`: all before it are committed, too. */
  readonly event: number;
  readonly startedAtMs: number;
  readonly tookMs: number;
  /** Of the checkpoint after it; 0 when there was none. */
  readonly checkpointMs: number;
}

/** What a writer saw in some period. */
export interface Period {
  readonly commits: number;
  readonly medianMs: number;
  readonly p99Ms: number;
  readonly slowestMs: number;
  readonly slowestCheckpointMs: number;
  /** At its end; it never becomes shorter while the writer runs. */
  readonly logBytes: number;
}

export class LiveLoad implements AsyncDisposable {
  readonly #path: string;
  readonly #child: ChildProcess;
  readonly #commits: Commit[] = [];
  readonly #ended: Promise<unknown>;

  private constructor(path: string, perSecond: number) {
    this.#path = path;
    this.#child = spawn(process.execPath, [writer, path, String(perSecond)], { stdio: ["pipe", "pipe", "inherit"] });
    this.#ended = once(this.#child, "close");
    createInterface({ input: this.#child.stdout! }).on("line", (line) => {
      const [event = 0, startedAtMs = 0, tookMs = 0, checkpointMs = 0] = line.split(" ").map(Number);
      this.#commits.push({ event, startedAtMs, tookMs, checkpointMs });
    });
  }

  /** The writer is at work when this returns. */
  static async start(path: string, perSecond: number): Promise<LiveLoad> {
    const load = new LiveLoad(path, perSecond);
    await Promise.race([once(load.#child.stdout!, "data"), load.#ended]);
    if (load.#child.exitCode !== null) throw new Error(`the writer ended with ${load.#child.exitCode}`);
    return load;
  }

  /** The last row that the writer was told is safe. */
  acknowledgedEvent(): number {
    return this.#commits.at(-1)?.event ?? 0;
  }

  /** Of the commits from one moment to another, both as Date.now() tells them. */
  period(fromMs: number, toMs: number): Period {
    const commits = this.#commits.filter(({ startedAtMs }) => startedAtMs >= fromMs && startedAtMs < toMs);
    const times = commits.map(({ tookMs }) => tookMs).toSorted((left, right) => left - right);
    const at = (part: number): number => times[Math.ceil(part * times.length) - 1] ?? Number.NaN;
    const logBytes = statSync(`${this.#path}-wal`).size;
    const slowestCheckpointMs = Math.max(0, ...commits.map(({ checkpointMs }) => checkpointMs));
    return {
      commits: times.length,
      medianMs: at(0.5),
      p99Ms: at(0.99),
      slowestMs: at(1),
      slowestCheckpointMs,
      logBytes,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin?.end();
    await this.#ended;
  }
}
