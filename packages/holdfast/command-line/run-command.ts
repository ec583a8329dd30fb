// Runs one command line from its words to its exit code, and reports what goes wrong.

import { HoldfastError } from "@holdfast/repository";
import { CommanderError } from "commander";
import { tellingError } from "../access/session.ts";
import { type ExitCode, exitCodeOf, exitCodes } from "../exit-codes.ts";
import { Interruption } from "./interruption.ts";
import { Output } from "./output.ts";
import { parseCommandLine, type Invocation } from "./program.ts";
import { readGlobalOptions } from "./global-options.ts";
import type { RawArguments } from "./raw-arguments.ts";

export interface ProcessParts {
  /** Behind the name of the program. */
  readonly words: readonly string[];
  readonly rawArguments: RawArguments;
  readonly environment: NodeJS.ProcessEnv;
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly version: string;
}

/** The whole of the program but the process: never throws. */
export async function runCommand(parts: ProcessParts): Promise<ExitCode> {
  // Until the options have been understood, errors are printed as the words alone suggest.
  const before = new Output(parts, {
    json: parts.words.includes("--json"),
    verbosity: 1,
    environment: parts.environment,
  });
  let invocation: Invocation | null;
  try {
    invocation = await parseCommandLine(parts);
  } catch (error) {
    return report(before, asHoldfastError(error));
  }
  if (invocation === null) return exitCodes.done;
  return runVerb(parts, invocation, before);
}

async function runVerb(parts: ProcessParts, invocation: Invocation, before: Output): Promise<ExitCode> {
  using interruption = new Interruption(parts.environment["HOLDFAST_NOHUP"] === "1");
  let output = before;
  try {
    const globals = readGlobalOptions(invocation.globals, parts.environment);
    output = before.with({ json: globals.json, verbosity: globals.verbosity });
    output.watch(() => interruption.abort(new HoldfastError("target", "nobody reads the output any more")));
    const code = await invocation.verb.run(
      {
        globals,
        output,
        signal: interruption.signal,
        environment: parts.environment,
        get stdin() {
          return parts.stdin;
        },
        now: () => new Date(),
        clock: () => performance.now(),
        rawArguments: parts.rawArguments,
        programVersion: `holdfast ${parts.version}`,
      },
      invocation.words,
      invocation.options,
    );
    await output.drain();
    return output.closed ? exitCodes.failed : code;
  } catch (error) {
    output.flush();
    // What goes wrong after the order to end is a consequence of it.
    const cause: unknown = interruption.signal.aborted ? interruption.signal.reason : error;
    // Like other programs whose reader has gone: end without a word.
    if (output.closed) return exitCodes.failed;
    return report(output, tellingError(asHoldfastError(cause)));
  }
}

function report(output: Output, error: HoldfastError): ExitCode {
  const code = exitCodeOf(error.code);
  output.failure(error, code);
  return code;
}

/** Errors of commander are usage errors; anything that is no HoldfastError is a defect, and says where. */
export function asHoldfastError(error: unknown): HoldfastError {
  if (error instanceof HoldfastError) return error;
  if (error instanceof CommanderError) {
    const [first = "", ...rest] = error.message.replace(/^error: /, "").split("\n");
    const hint = rest
      .join(" ")
      .trim()
      .replace(/^\((.*)\)$/, "$1");
    return new HoldfastError("usage", first, { hint: hint === "" ? "see --help" : hint });
  }
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  return new HoldfastError("internal", stack ?? message, { cause: error });
}
