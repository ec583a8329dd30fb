// What the tests of state and swaps share: a scratch directory, a state directory in it, and processes of their own.
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { StateDirectory } from "./state-directory.ts";

export const uid = process.getuid?.() ?? 0;

/** A directory that is removed at the end of its scope; in memory, since thousands of waits for a disk take minutes. */
export class Scratch implements Disposable {
  readonly path = mkdtempSync("/dev/shm/holdfast-state-");

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

export function openState(scratch: Scratch, now = () => new Date()): Promise<StateDirectory> {
  return StateDirectory.open(join(scratch.path, "state"), { now, uid });
}

/** A process that runs `code`, an ES module beside the modules of this folder; ended at the end of the scope. */
export class OtherProcess implements AsyncDisposable {
  readonly child: ChildProcess;
  #output = "";

  constructor(code: string) {
    const directory = fileURLToPath(new URL(".", import.meta.url));
    this.child = spawn(process.execPath, ["--input-type=module-typescript", "--eval", code], {
      cwd: directory,
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.child.stdout?.on("data", (bytes: Buffer) => {
      this.#output += bytes.toString();
    });
  }

  /** Resolves when the process has written `word`. */
  async said(word: string): Promise<void> {
    while (!this.#output.includes(word)) {
      if (this.child.exitCode !== null || this.child.signalCode !== null)
        throw new Error(`the process ended before it said ${word}: ${this.#output}`);
      await Promise.race([once(this.child.stdout!, "data"), once(this.child, "close")]);
    }
  }

  tell(line: string): void {
    this.child.stdin?.write(`${line}\n`);
  }

  /** How it ended: its exit code, or the name of the signal. */
  async ended(): Promise<number | string | null> {
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, "close");
    return this.child.exitCode ?? this.child.signalCode;
  }

  async kill(): Promise<void> {
    this.child.kill("SIGKILL");
    await this.ended();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }
}
