// Starts the process that holds the locks of a database, asks it, and ends it.
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { HoldfastError } from "@holdfast/repository";
import type { Answers, Failure, Question, Reply } from "./process-messages.ts";

const script = fileURLToPath(new URL("process-main.ts", import.meta.url));
/** Its rows live for a moment only, and what it says on stderr is kept this far. */
const nodeFlags = ["--disable-warning=ExperimentalWarning", "--max-semi-space-size=1", "--v8-pool-size=1"];
const keptErrorText = 2000;

/** A question that SQLite answered with an error, or that the process could not answer. */
export class SqliteFailure extends Error {
  /** The extended result code; 0 when it was not SQLite that failed. */
  readonly resultCode: number;

  constructor({ message, sqlite }: Failure) {
    super(message);
    this.resultCode = sqlite;
  }
}

interface Waiting {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Locks on files belong to processes, and closing any descriptor of a file drops them: so they are held by a process
 * that does nothing else. Disposing kills it, which drops them at once and can write nothing to the database. It ends
 * by itself when this process is gone.
 */
export class SqliteProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  readonly #ended: Promise<void>;
  #errorText = "";
  #end: HoldfastError | null = null;
  #lastId = 0;

  constructor(environment: NodeJS.ProcessEnv, signal: AbortSignal) {
    const { NODE_COMPILE_CACHE: cache } = environment;
    // Nothing else of the environment: it holds secrets, and flags that are meant for others.
    const env = { MALLOC_ARENA_MAX: "1", UV_THREADPOOL_SIZE: "1", ...(cache && { NODE_COMPILE_CACHE: cache }) };
    const child = spawn(process.execPath, [...nodeFlags, script], { stdio: ["pipe", "pipe", "pipe", "pipe"], env });
    this.#child = child;
    child.stderr.on("data", (data: Buffer) => {
      this.#errorText = (this.#errorText + data.toString()).slice(-keptErrorText);
    });
    // A question to a process that has ended fails by its end, below.
    child.stdin.on("error", () => undefined);
    createInterface({ input: child.stdout }).on("line", (line) => this.#settle(JSON.parse(line) as Reply));
    this.#ended = new Promise((resolve) => {
      child.on("error", (error) =>
        this.#fail(new HoldfastError("source", `cannot start ${process.execPath}: ${error.message}`), resolve),
      );
      child.on("close", (code, killedBy) => {
        if (signal.aborted) return this.#fail(new HoldfastError("interrupted", "the capture was interrupted"), resolve);
        const how = killedBy ? `by ${killedBy}` : `with exit code ${code}`;
        const text = `the process that holds the database ended ${how}${this.#errorText && `: ${this.#errorText}`}`;
        this.#fail(new HoldfastError("source", text), resolve);
      });
    });
    const abort = (): void => void child.kill("SIGKILL");
    signal.addEventListener("abort", abort, { once: true });
    void this.#ended.then(() => signal.removeEventListener("abort", abort));
    if (signal.aborted) abort();
  }

  /** Rejects with SqliteFailure, or with `source` when the process is gone. */
  ask<Kind extends Question["kind"]>(question: Question & { readonly kind: Kind }): Promise<Answers[Kind]> {
    if (this.#end !== null) return Promise.reject(this.#end);
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const id = ++this.#lastId;
    this.#waiting.set(id, { resolve, reject });
    this.#child.stdin!.write(`${JSON.stringify({ ...question, id })}\n`);
    return promise as Promise<Answers[Kind]>;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }

  #settle(reply: Reply): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if ("failure" in reply) waiting?.reject(new SqliteFailure(reply.failure));
    else waiting?.resolve(reply.answer);
  }

  #fail(error: HoldfastError, resolve: () => void): void {
    this.#end ??= error;
    for (const { reject } of this.#waiting.values()) reject(this.#end);
    this.#waiting.clear();
    resolve();
  }
}
