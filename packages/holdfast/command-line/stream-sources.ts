// The streams that a backup can read instead of files: standard input, and the output of a command.

import { spawn, type ChildProcessByStdio } from "node:child_process";
import { read as readFile } from "node:fs";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { HoldfastError } from "@holdfast/repository";

export interface StreamSource {
  /** Fills the beginning of `into`; 0 at the end. */
  read(into: Buffer): Promise<number>;
  /** Throws `source` when what was read is not whole. */
  finish(): Promise<void>;
}

const standardInput = 0;
/** Another program may have left the pipe in a mode where reading does not wait. */
const retryMs = 10;

export function standardInputSource(signal: AbortSignal): StreamSource {
  const read = promisify(readFile);
  return {
    async read(into) {
      for (;;) {
        signal.throwIfAborted();
        try {
          return (await read(standardInput, into, 0, into.length, null)).bytesRead;
        } catch (error) {
          const { code } = error as NodeJS.ErrnoException;
          if (code === "EOF") return 0;
          if (code !== "EAGAIN")
            throw new HoldfastError("source", `standard input cannot be read (${code})`, { cause: error });
          await sleep(retryMs);
        }
      }
    },
    finish: () => Promise.resolve(),
  };
}

/**
 * Runs a command without a shell, from the first read on; its standard error is the process's own. Counts as
 * whole when the stream is closed and the exit code is 0. `signal` ends the command. Throws `usage` for no words.
 */
export function commandSource(words: readonly string[], signal: AbortSignal): StreamSource {
  const [program, ...rest] = words;
  if (program === undefined)
    throw new HoldfastError("usage", "--stdin-from-command: the command is missing", { hint: "give it behind --" });
  let command: RunningCommand | undefined;
  return {
    async read(into) {
      signal.throwIfAborted();
      command ??= await RunningCommand.start(program, rest, signal);
      return command.read(into);
    },
    async finish() {
      const failure = await command?.ended;
      signal.throwIfAborted();
      if (failure === null || failure === undefined) return;
      throw new HoldfastError(
        "source",
        `the command ${JSON.stringify(program)} ${failure}: its output is not whole, and no snapshot was made`,
        {
          hint: "run the command by hand to see what is wrong",
        },
      );
    },
  };
}

class RunningCommand {
  /** Null when the command has ended well, else what it did instead. */
  readonly ended: Promise<string | null>;
  readonly #chunks: AsyncIterator<Buffer>;
  #left: Buffer = Buffer.alloc(0);

  private constructor(child: ChildProcessByStdio<null, Readable, null>, signal: AbortSignal) {
    const stop = (): void => void child.kill("SIGTERM");
    signal.addEventListener("abort", stop);
    this.ended = new Promise((resolve) => {
      child.on("close", (code, endedBy) => {
        signal.removeEventListener("abort", stop);
        resolve(code === 0 ? null : endedBy === null ? `ended with exit code ${code}` : `was ended by ${endedBy}`);
      });
    });
    this.#chunks = child.stdout[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  }

  static async start(program: string, words: readonly string[], signal: AbortSignal): Promise<RunningCommand> {
    const child = spawn(program, words, { stdio: ["ignore", "pipe", "inherit"] });
    const command = new RunningCommand(child, signal);
    await new Promise((resolve, reject) => {
      child.once("spawn", resolve).once("error", (error) => reject(notRun(JSON.stringify(program), error)));
    });
    return command;
  }

  async read(into: Buffer): Promise<number> {
    if (this.#left.length === 0) {
      const next = await this.#chunks.next();
      if (next.done === true) return 0;
      this.#left = next.value;
    }
    const count = this.#left.copy(into);
    this.#left = this.#left.subarray(count);
    return count;
  }
}

function notRun(name: string, error: NodeJS.ErrnoException): HoldfastError {
  return new HoldfastError("source", `the command ${name} could not be run (${error.code})`, {
    hint: "check its path and its rights",
    cause: error,
  });
}
