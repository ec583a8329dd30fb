// A workplace with a stack in it: a small application, its configuration, and the verbs that work on stacks.
import assert from "node:assert/strict";
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Application } from "./application.ts";
import { expectStatus, jsonLines, mainFile, message, run } from "./programs.ts";
import type { Outcome, Running, RunOptions } from "./programs.ts";
import { password, Workplace } from "./workplace.ts";

type Sources = Record<string, object>;

export class StackPlace extends Workplace {
  readonly application: Application;
  readonly configurationFile: string;
  readonly passwordFile: string;
  stateDirectory: string;
  /** Sources of the stack `app`, as in the configuration. */
  readonly sources: Sources;

  constructor(name: string) {
    super(name);
    this.application = new Application(this.at("app"));
    this.configurationFile = this.at("holdfast.yml");
    this.passwordFile = this.write("password", `${password}\n`);
    chmodSync(this.passwordFile, 0o600);
    this.stateDirectory = this.at("state");
    const { database, uploads, settings } = this.application;
    this.sources = {
      database: { sqlite: { path: database, busy_timeout: "5s" } },
      uploads: { files: [uploads] },
      settings: { files: [settings] },
    };
    delete this.environment["RESTIC_PASSWORD"];
  }

  /** Makes the repository, cheap to open, and the configuration. */
  prepare(): void {
    this.environment["RESTIC_PASSWORD"] = password;
    this.init();
    this.configure();
  }

  /** Writes the configuration; `stacks` beside the stack `app`. */
  configure(
    sources: Sources = this.sources,
    more: Record<string, unknown> = {},
    stacks: Record<string, object> = {},
  ): void {
    const configuration = {
      state_directory: this.stateDirectory,
      repositories: { local: { url: this.repository, password_file: this.passwordFile } },
      stacks: { app: { sources, plans }, ...stacks },
      ...more,
    };
    // JSON is YAML.
    writeFileSync(this.configurationFile, JSON.stringify(configuration, null, 2), { mode: 0o600 });
  }

  /** `holdfast VERB …` of stacks to its end. */
  verb(words: readonly string[], options: RunOptions = {}): Outcome {
    const environment = { ...this.environment, ...options.environment };
    return run(process.execPath, this.words(words), { cwd: this.directory, ...options, environment });
  }

  /** The same, and it must end with this exit code. */
  ends(status: number, ...words: string[]): Outcome {
    return expectStatus(this.verb(words), status);
  }

  startVerb(words: readonly string[], environment: NodeJS.ProcessEnv = {}): Running {
    return this.startProgram(process.execPath, this.words(words), environment);
  }

  /** Runs the verb until just before its n-th rename of a file, and kills it there with SIGKILL. */
  killedAtRename(n: number, words: readonly string[]): Outcome {
    const trace = ["-f", "-qq", "-o", "/dev/null", "-e", "trace=rename"];
    const command = [...trace, "-e", `inject=rename:signal=KILL:when=${n}`, process.execPath, ...this.words(words)];
    // strace counts for each thread: with one thread for files there is one count.
    const environment = { ...this.environment, UV_THREADPOOL_SIZE: "1" };
    return run("strace", command, { cwd: this.directory, environment });
  }

  words([verb = "", ...rest]: readonly string[]): string[] {
    return [mainFile, verb, "-c", this.configurationFile, ...rest];
  }

  /** One recovery point that must be good; its id. */
  point(...words: string[]): string {
    const summary = message(this.ends(0, "backup", "app", "--json", ...words), "summary");
    assert.equal(summary["outcome"], "good");
    return String(summary["snapshot_id"]);
  }

  /** What the backup said of each source. */
  sourcesOf(outcome: Outcome): Record<string, Record<string, unknown>> {
    return message(outcome, "summary")["sources"] as Record<string, Record<string, unknown>>;
  }

  /** `holdfast.json` of a snapshot. */
  manifest(snapshot: string): { outcome: string; sources: Record<string, Record<string, unknown>> } {
    return JSON.parse(this.done("dump", snapshot, "/holdfast.json").stdout.toString()) as ReturnType<
      StackPlace["manifest"]
    >;
  }

  /** True while somebody has a lock of the repository; what is only being written is none yet. */
  isLocked(): boolean {
    return readdirSync(path.join(this.repository, "locks")).some((name) => !name.includes("-tmp-"));
  }

  /** Names in the journal. */
  journal(): string[] {
    const directory = path.join(this.stateDirectory, "journal");
    return existsSync(directory) ? readdirSync(directory) : [];
  }

  /** Names in the application's directory that only a restore makes while it runs. */
  restoreRemains(): string[] {
    return readdirSync(this.application.directory).filter((name) => /\.restoring-|^\.holdfast-/.test(name));
  }

  /** Warnings and errors, as with --json. */
  complaints(outcome: Outcome): Record<string, unknown>[] {
    return jsonLines(outcome.stderr);
  }
}

const plans = { daily: { to: { local: {} } } };

/** Ids of the processes that hold a database for this one: those below it that run the SQLite process. */
export function pinProcessesOf(pid: number): number[] {
  return childrenOf(pid).filter((child) => readOrEmpty(`/proc/${child}/cmdline`).includes("sqlite/process-main.ts"));
}

function childrenOf(pid: number): number[] {
  const tasks = ((): string[] => {
    try {
      return readdirSync(`/proc/${pid}/task`);
    } catch {
      return [];
    }
  })();
  return tasks.flatMap((task) =>
    readOrEmpty(`/proc/${pid}/task/${task}/children`)
      .split(" ")
      .filter((text) => text !== "")
      .map(Number),
  );
}

/** True for a process that has not ended; one that only waits to be collected has. */
export function isAlive(pid: number): boolean {
  const text = readOrEmpty(`/proc/${pid}/stat`);
  return text !== "" && !/^[ZX]/.test(text.slice(text.lastIndexOf(")") + 2));
}

function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, "latin1");
  } catch {
    return ""; // it has ended meanwhile
  }
}

/** Waits for what must come to be; fails with `what` when it does not. */
export async function until(what: string, isSo: () => boolean, timeoutMs = 20_000): Promise<void> {
  for (const deadline = performance.now() + timeoutMs; !isSo(); await sleep(2)) {
    assert.ok(performance.now() < deadline, `in vain waited for: ${what}`);
  }
}
