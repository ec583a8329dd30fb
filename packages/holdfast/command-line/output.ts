// Everything that is printed goes through here: results, notes, errors, JSON lines, and the live area.

import { hasCode, HoldfastError } from "@holdfast/repository";
import { toJsonLine } from "./display/json-line.ts";
import { LiveArea } from "./display/live-area.ts";
import { printableText } from "./display/printable.ts";
import type { LogFile } from "./log-file.ts";

export interface OutputStreams {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

export interface OutputOptions {
  readonly json: boolean;
  /** 0 quiet, 1 as a rule, 2 and 3 more. */
  readonly verbosity: number;
  readonly environment: NodeJS.ProcessEnv;
}

/** What is written at once, at most; listings are gathered up to it. */
const gatherCharacters = 64 * 1024;

export class Output {
  readonly json: boolean;
  readonly verbosity: number;
  /** Null where a live area makes no sense: no terminal, --quiet, --json. */
  readonly live: LiveArea | null;
  readonly #streams: OutputStreams;
  readonly #options: OutputOptions;
  readonly #stdout: NodeJS.WriteStream;
  readonly #stderr: NodeJS.WriteStream;
  readonly #color: boolean;
  #gathered: string[] = [];
  #gatheredCharacters = 0;
  #closed = false;
  #log: LogFile | null = null;

  constructor(streams: OutputStreams, options: OutputOptions) {
    this.#streams = streams;
    this.#options = options;
    this.json = options.json;
    this.verbosity = options.verbosity;
    this.#stdout = streams.stdout;
    this.#stderr = streams.stderr;
    const smart = streams.stderr.isTTY && options.environment["TERM"] !== "dumb";
    this.#color = smart && (options.environment["NO_COLOR"] ?? "") === "";
    this.live = smart && !options.json && options.verbosity > 0 ? new LiveArea(streams.stderr) : null;
  }

  /** The same streams under other options. */
  with(options: Omit<OutputOptions, "environment">): Output {
    return new Output(this.#streams, { ...this.#options, ...options });
  }

  /** From now on what people are told goes to the log file too, whatever is printed. Results of listings do not. */
  logTo(log: LogFile): void {
    this.#log = log;
  }

  /** Watches the streams; `listener` hears when nobody reads standard output any more. Call it once. */
  watch(listener: () => void): void {
    this.#streams.stdout.on("error", (error: NodeJS.ErrnoException) => {
      this.#closed = true;
      if (error.code !== "EPIPE") this.failure(this.#asHoldfastError(error), 1);
      listener();
    });
    this.#streams.stderr.on("error", () => {});
  }

  get stdoutIsTerminal(): boolean {
    return this.#stdout.isTTY;
  }

  /** True once nobody reads standard output any more (`holdfast … | head`). */
  get closed(): boolean {
    return this.#closed;
  }

  /** A line of the result. Control characters must have been escaped already. */
  line(text: string): void {
    this.#gathered.push(text, "\n");
    this.#gatheredCharacters += text.length + 1;
    if (this.#gatheredCharacters >= gatherCharacters) this.flush();
    else if (this.#gathered.length === 2) setImmediate(() => this.flush());
  }

  /** A result as one JSON line. */
  jsonLine(value: unknown): void {
    this.line(toJsonLine(value));
  }

  /** A line that says how a job ended: of the result for people, and for the log with --json too. */
  outcome(text: string): void {
    this.#log?.write("info", text);
    if (!this.json) this.line(text);
  }

  /** A remark that is no result: not with --quiet, not with --json. */
  note(text: string): void {
    this.#log?.write("info", text);
    if (!this.json && this.verbosity >= 1) this.line(text);
  }

  /** A remark for --verbose. */
  detail(text: string): void {
    if (!this.json && this.verbosity >= 2) this.line(text);
  }

  /** Bytes to standard output; resolves when they are handed over, rejects when nobody reads. */
  write(bytes: Uint8Array): Promise<void> {
    this.flush();
    return new Promise((resolve, reject) => {
      this.#stdout.write(bytes, (error) => {
        if (error) reject(this.#asHoldfastError(error));
        else resolve();
      });
    });
  }

  /** Something a person should know, on standard error. */
  warn(message: string): void {
    this.#log?.write("warning", message);
    if (this.json) this.#toStderr(toJsonLine({ message_type: "warning", message }));
    else this.#toStderr(`${this.#bold("warning:")} ${printableText(message)}`);
  }

  /** What could not be done with one item, while the work goes on. `item` is printable already. */
  itemError(item: string, during: string, error: HoldfastError): void {
    this.#log?.write("error", `${item === "" ? "" : `${item}: `}${error.message}`);
    if (this.json) {
      const { message, code, hint } = error;
      this.#toStderr(toJsonLine({ message_type: "error", error: { message }, during, item, code, hint }));
    } else {
      this.#toStderr(`${this.#bold("error:")} ${item === "" ? "" : `${item}: `}${printableText(error.message)}`);
    }
  }

  /** Why the process ends: the one shape of errors. */
  failure(error: HoldfastError, exitCode: number): void {
    const { message, hint, code, context } = error;
    this.#log?.write("error", `${message} (exit code ${exitCode})${hint === "" ? "" : `; ${hint}`}`);
    if (this.json) {
      this.#toStderr(
        toJsonLine({ message_type: "exit_error", code: exitCode, message, error_code: code, hint, context }),
      );
      return;
    }
    this.#toStderr(`${this.#bold("holdfast:")} ${printableText(message)}`);
    if (hint !== "") this.#toStderr(`  → ${printableText(hint)}`);
  }

  /** Writes what `line` gathered. */
  flush(): void {
    if (this.#gathered.length === 0) return;
    const text = this.#gathered.join("");
    this.#gathered = [];
    this.#gatheredCharacters = 0;
    if (this.#closed) return;
    this.live?.clear();
    this.#stdout.write(text);
  }

  /** Writes what was gathered, and waits until it is known whether anybody has read it: see `closed`. */
  drain(): Promise<void> {
    this.flush();
    return new Promise((resolve) => {
      this.#stdout.write("", (error) => {
        if (error) this.#closed = true;
        resolve();
      });
    });
  }

  #toStderr(line: string): void {
    this.flush();
    this.live?.clear();
    this.#stderr.write(`${line}\n`);
  }

  #bold(text: string): string {
    return this.#color ? `\u001b[1;31m${text}\u001b[0m` : text;
  }

  #asHoldfastError(error: NodeJS.ErrnoException): HoldfastError {
    if (hasCode(error, "target")) return error;
    const hint = error.code === "ENOSPC" ? "free space, or write to another place" : "check what reads the output";
    return new HoldfastError("target", `standard output cannot be written (${error.code})`, { hint, cause: error });
  }
}
