// What a verb gets to work with, and what a verb is.

import type { Command } from "commander";
import type { ExitCode } from "../exit-codes.ts";
import type { GlobalOptions } from "./global-options.ts";
import type { Output } from "./output.ts";
import type { RawArguments } from "./raw-arguments.ts";

export interface Context {
  readonly globals: GlobalOptions;
  readonly output: Output;
  /** Aborts when the person, or the system, asks the process to end. */
  readonly signal: AbortSignal;
  readonly environment: NodeJS.ProcessEnv;
  readonly stdin: NodeJS.ReadStream;
  readonly now: () => Date;
  /** Milliseconds that only ever grow. */
  readonly clock: () => number;
  readonly rawArguments: RawArguments;
  /** `holdfast 0.1.0`, written into snapshots. */
  readonly programVersion: string;
}

export interface Verb<Options extends object = object> {
  /** Adds description, options and examples. */
  describe(command: Command): void;
  /** `words` are what stands beside the options, everything behind `--` included. */
  run(context: Context, words: readonly string[], options: Options): Promise<ExitCode>;
}
