// Runs programs for whole-system tests: Holdfast's command line, both versions of restic, and any other.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess, SpawnOptions } from "node:child_process";
import path from "node:path";

export const mainFile = path.resolve(import.meta.dirname, "../../packages/holdfast/main.ts");

/** True for `./test --long`: the versions of tests that take hours. */
export const isLong = process.env["HOLDFAST_LONG"] === "1";

const programVariables = {
  restic: ["HOLDFAST_RESTIC", "restic 0.19 or newer"],
  resticOld: ["HOLDFAST_RESTIC_OLD", "restic 0.14, Debian bookworm's"],
  restServer: ["HOLDFAST_REST_SERVER", "rest-server, Debian's restic-rest-server"],
} as const;

/** The path of a foreign program, from the environment; without it the test fails, for it proves nothing then. */
export function programPath(name: keyof typeof programVariables): string {
  const [variable, what] = programVariables[name];
  const value = process.env[variable];
  assert.ok(value, `set ${variable} to the path of ${what}; ./test does`);
  return value;
}

export interface Outcome {
  readonly command: string;
  /** The exit code; null when a signal ended it. */
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: Buffer;
  readonly stderr: string;
  readonly seconds: number;
}

export interface RunOptions {
  readonly cwd?: string;
  /** Taken as it is. */
  readonly environment?: NodeJS.ProcessEnv;
  readonly input?: Buffer | string;
  /** Fails the test when it takes longer. */
  readonly timeoutMs?: number;
}

const defaultTimeoutMs = 120_000;
const maximumOutputBytes = 512 * 1024 * 1024;

/** Runs a program to its end, whatever that is; the whole test waits. */
export function run(command: string, words: readonly string[], options: RunOptions = {}): Outcome {
  const started = performance.now();
  const result = spawnSync(command, words, {
    cwd: options.cwd,
    env: options.environment ?? process.env,
    input: options.input ?? "",
    maxBuffer: maximumOutputBytes,
    timeout: options.timeoutMs ?? defaultTimeoutMs,
    killSignal: "SIGKILL",
  });
  if (result.error !== undefined) throw result.error;
  return {
    command: [path.basename(command), ...words].join(" "),
    status: result.status,
    signal: result.signal,
    stdout: result.stdout,
    stderr: result.stderr.toString("utf8"),
    seconds: (performance.now() - started) / 1000,
  };
}

/** A program that runs beside the test. */
export class Running {
  readonly child: ChildProcess;
  readonly #command: string;
  readonly #stdout: Buffer[] = [];
  readonly #stderr: Buffer[] = [];
  readonly #ended: Promise<Outcome>;

  constructor(command: string, words: readonly string[], options: SpawnOptions) {
    const started = performance.now();
    this.#command = [path.basename(command), ...words].join(" ");
    this.child = spawn(command, words, { stdio: ["pipe", "pipe", "pipe"], ...options });
    this.child.stdout?.on("data", (bytes: Buffer) => this.#stdout.push(bytes));
    this.child.stderr?.on("data", (bytes: Buffer) => this.#stderr.push(bytes));
    this.child.stdin?.on("error", () => {}); // it may end before it has read everything
    this.#ended = new Promise((resolve, reject) => {
      this.child.once("error", reject);
      this.child.once("close", (status, signal) => {
        const stdout = Buffer.concat(this.#stdout);
        const seconds = (performance.now() - started) / 1000;
        resolve({ command: this.#command, status, signal, stdout, stderr: this.stderrSoFar, seconds });
      });
    });
  }

  get stderrSoFar(): string {
    return Buffer.concat(this.#stderr).toString("utf8");
  }

  get stdoutSoFar(): string {
    return Buffer.concat(this.#stdout).toString("utf8");
  }

  get pid(): number {
    return this.child.pid ?? assert.fail(`${this.#command} did not start`);
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Resolves when it has ended; kills it, and fails, when that takes too long. */
  async ended(timeoutMs = defaultTimeoutMs): Promise<Outcome> {
    const timer = setTimeout(() => this.child.kill("SIGKILL"), timeoutMs);
    try {
      return await this.#ended;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** The outcome, if it ended with this exit code. */
export function expectStatus(outcome: Outcome, status: number): Outcome {
  if (outcome.status === status) return outcome;
  const tail = (text: string): string => text.slice(-3000);
  assert.fail(
    `${outcome.command}\nended with ${outcome.signal ?? outcome.status} instead of ${status} after ${outcome.seconds.toFixed(1)} s\n` +
      `${tail(outcome.stdout.toString("utf8"))}\n${tail(outcome.stderr)}`,
  );
}

/** The JSON objects in an output, one a line; lines that are none are left out. */
export function jsonLines(output: Buffer | string): Record<string, unknown>[] {
  return output
    .toString("utf8")
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** The last object of this type. */
export function message(outcome: Outcome, type: string): Record<string, unknown> {
  const found = jsonLines(outcome.stdout).findLast((object) => object["message_type"] === type);
  return (
    found ?? assert.fail(`${outcome.command} printed no ${type}:\n${outcome.stdout.toString()}\n${outcome.stderr}`)
  );
}
