// A directory of its own for a test, and the programs run inside it with an environment of their own.
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { makeKeysCheap } from "./cheap-keys.ts";
import { expectStatus, jsonLines, mainFile, message, programPath, run, Running } from "./programs.ts";
import type { Outcome, RunOptions } from "./programs.ts";

export const password = "three words and 7 numbers";

export interface StoreFile {
  /** Path from the repository, as `data/ab/abcd…`. */
  readonly name: string;
  readonly path: string;
  readonly sizeBytes: number;
}

export interface BackupCounts {
  readonly snapshotId: string;
  readonly dataBlobs: number;
  readonly treeBlobs: number;
  readonly bytesAdded: number;
  readonly bytesStored: number;
  readonly bytesProcessed: number;
  readonly filesNew: number;
  readonly filesChanged: number;
  readonly filesUnmodified: number;
}

type Restic = "restic" | "resticOld";

export class Workplace implements Disposable {
  readonly directory: string;
  readonly cacheDirectory: string;
  /** Of every program that is started here. */
  environment: NodeJS.ProcessEnv;
  /** Given to every program with -r. */
  repository: string;
  readonly #running: Running[] = [];

  constructor(name: string) {
    this.directory = mkdtempSync(path.join(tmpdir(), `holdfast-${name}-`));
    chmodSync(this.directory, 0o755);
    this.cacheDirectory = this.at("cache");
    mkdirSync(this.cacheDirectory);
    const inherited = Object.entries(process.env).filter(([key]) => !/^(RESTIC|AWS|XDG)_/.test(key));
    this.environment = {
      ...Object.fromEntries(inherited),
      HOME: this.at("home"),
      XDG_CACHE_HOME: this.cacheDirectory,
      RESTIC_PASSWORD: password,
      RESTIC_PROGRESS_FPS: "0.01",
    };
    this.repository = this.at("repository");
  }

  at(...names: string[]): string {
    return path.join(this.directory, ...names);
  }

  /** `holdfast repo …` to its end. */
  holdfast(words: readonly string[], options: RunOptions = {}): Outcome {
    return run(process.execPath, this.#holdfastWords(words), this.#options(options));
  }

  /** `holdfast repo …` that must succeed. */
  done(...words: string[]): Outcome {
    return expectStatus(this.holdfast(words), 0);
  }

  /** `holdfast repo …` beside the test. */
  start(words: readonly string[], environment: NodeJS.ProcessEnv = {}): Running {
    return this.startProgram(process.execPath, this.#holdfastWords(words), environment);
  }

  /** Any program beside the test; killed with the workplace if a test has failed before its end. */
  startProgram(command: string, words: readonly string[], environment: NodeJS.ProcessEnv = {}): Running {
    const running = new Running(command, words, { cwd: this.directory, env: { ...this.environment, ...environment } });
    this.#running.push(running);
    return running;
  }

  /** restic to its end, without a cache. */
  restic(words: readonly string[], options: RunOptions & { readonly which?: Restic } = {}): Outcome {
    const { which = "restic", ...rest } = options;
    return run(programPath(which), ["-r", this.repository, "--no-cache", ...words], this.#options(rest));
  }

  /** restic that must succeed. */
  resticDone(...words: string[]): Outcome {
    return expectStatus(this.restic(words), 0);
  }

  /** Makes the repository, with a key that is cheap to derive, since tests open it many times. */
  init(by: "holdfast" | Restic = "holdfast", version: 1 | 2 = 2): void {
    const words = ["init", "--repository-version", String(version)];
    expectStatus(by === "holdfast" ? this.holdfast(words) : this.restic(words, { which: by }), 0);
    makeKeysCheap(this.repository, password);
  }

  backup(...words: string[]): BackupCounts {
    return countsOf(this.done("backup", "--json", ...words));
  }

  resticBackup(which: Restic, ...words: string[]): BackupCounts {
    return countsOf(expectStatus(this.restic(["backup", "--json", ...words], { which }), 0));
  }

  /** Fails unless this restic reads everything and finds nothing wrong. */
  resticChecks(which: Restic = "restic", ...words: string[]): void {
    const outcome = expectStatus(this.restic(["check", "--read-data", ...words], { which }), 0);
    assert.match(outcome.stdout.toString(), /no errors were found/);
  }

  /** What `holdfast repo check` found, and its verdict, which the exit code must agree with. */
  check(...words: string[]): { verdict: string; findings: Record<string, unknown>[]; outcome: Outcome } {
    const outcome = this.holdfast(["check", "--json", ...words]);
    const findings = jsonLines(outcome.stdout).filter((line) =>
      ["error", "finding"].includes(String(line["message_type"])),
    );
    const verdict = String(message(outcome, "summary")["verdict"]);
    expectStatus(outcome, verdict === "damaged" ? 1 : 0);
    return { verdict, findings, outcome };
  }

  /** Ids of the snapshots, the oldest first. */
  snapshots(): string[] {
    const list = JSON.parse(this.done("snapshots", "--json").stdout.toString()) as { id: string }[];
    return list.map(({ id }) => id);
  }

  /** A file in this directory; its path. */
  write(name: string, content: string | Buffer): string {
    const file = this.at(name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, content);
    return file;
  }

  /** All files of a local repository; `under` is a folder in it. */
  storeFiles(under = ""): StoreFile[] {
    return readdirSync(path.join(this.repository, under), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .flatMap((entry) => {
        const file = path.join(entry.parentPath, entry.name);
        // A program that runs may have taken it away since it was listed.
        const sizeBytes = statSync(file, { throwIfNoEntry: false })?.size;
        return sizeBytes === undefined ? [] : { name: path.relative(this.repository, file), path: file, sizeBytes };
      })
      .toSorted((left, right) => (left.name < right.name ? -1 : 1));
  }

  storeBytes(): number {
    return this.storeFiles().reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  }

  [Symbol.dispose](): void {
    for (const running of this.#running) running.kill("SIGKILL");
    rmSync(this.directory, { recursive: true, force: true });
  }

  #holdfastWords(words: readonly string[]): string[] {
    return [mainFile, "repo", "-r", this.repository, ...words];
  }

  #options(options: RunOptions): RunOptions {
    return { cwd: this.directory, ...options, environment: { ...this.environment, ...options.environment } };
  }
}

/** The last line of a backup with --json, Holdfast's or restic's. */
export function countsOf(outcome: Outcome): BackupCounts {
  const summary = message(outcome, "summary");
  const count = (name: string): number => Number(summary[name]);
  return {
    snapshotId: String(summary["snapshot_id"]),
    dataBlobs: count("data_blobs"),
    treeBlobs: count("tree_blobs"),
    bytesAdded: count("data_added"),
    bytesStored: count("data_added_packed"),
    bytesProcessed: count("total_bytes_processed"),
    filesNew: count("files_new"),
    filesChanged: count("files_changed"),
    filesUnmodified: count("files_unmodified"),
  };
}
