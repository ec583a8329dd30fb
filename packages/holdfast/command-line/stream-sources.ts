// The streams that a backup can read instead of files: standard input, and the output of a command.

import { spawn, type ChildProcess } from "node:child_process";
import { DescriptorReader, HoldfastError, openLibc, openPipe, type SystemCalls } from "@holdfast/repository";

export interface StreamSource {
  /** Fills the beginning of `into`; 0 at the end. */
  read(into: Buffer): Promise<number>;
  /** Throws `source` when what was read is not whole. */
  finish(): Promise<void>;
}

const standardInput = 0;

export function standardInputSource(signal: AbortSignal): StreamSource {
  const reader = new DescriptorReader(standardInput, openLibc());
  return {
    async read(into) {
      try {
        return await reader.read(into, signal);
      } catch (error) {
        throw notRead("standard input", error, signal);
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
  readonly #system: SystemCalls;
  readonly #output: number;
  readonly #reader: DescriptorReader;
  readonly #signal: AbortSignal;

  private constructor(child: ChildProcess, system: SystemCalls, output: number, signal: AbortSignal) {
    const stop = (): void => void child.kill("SIGTERM");
    signal.addEventListener("abort", stop);
    this.ended = new Promise((resolve) => {
      child.on("exit", (code, endedBy) => {
        signal.removeEventListener("abort", stop);
        resolve(code === 0 ? null : endedBy === null ? `ended with exit code ${code}` : `was ended by ${endedBy}`);
      });
    });
    this.#system = system;
    this.#output = output;
    this.#reader = new DescriptorReader(output, system);
    this.#signal = signal;
  }

  static async start(program: string, words: readonly string[], signal: AbortSignal): Promise<RunningCommand> {
    const system = openLibc();
    const { reading, writing } = openPipe(system);
    const child = spawn(program, words, { stdio: ["ignore", writing, "inherit"] });
    // Only the command holds this end from here on: the stream is closed when it has ended.
    system.close(writing);
    const command = new RunningCommand(child, system, reading, signal);
    await new Promise((resolve, reject) => {
      child.once("spawn", resolve).once("error", (error) => reject(notRun(JSON.stringify(program), error)));
    });
    return command;
  }

  async read(into: Buffer): Promise<number> {
    try {
      const got = await this.#reader.read(into, this.#signal);
      if (got === 0) this.#system.close(this.#output);
      return got;
    } catch (error) {
      throw notRead("the output of the command", error, this.#signal);
    }
  }
}

/** What was asked to stop says why; anything else is the system's. */
function notRead(name: string, error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  const { code } = error as NodeJS.ErrnoException;
  return new HoldfastError("source", `${name} cannot be read (${code})`, { cause: error });
}

function notRun(name: string, error: NodeJS.ErrnoException): HoldfastError {
  return new HoldfastError("source", `the command ${name} could not be run (${error.code})`, {
    hint: "check its path and its rights",
    cause: error,
  });
}
