// The worker threads of a check, as the main thread sees them.
import type { Worker } from "node:worker_threads";
import type { MasterKey } from "../../codec/seal.ts";
import { HoldfastError } from "../../errors.ts";
import type { ReadyMessage } from "../../threads/worker-threads.ts";
import { WorkerThreads } from "../../threads/worker-threads.ts";
import type { CheckAnswer, CheckTask } from "./check-worker.ts";

const workerScript = new URL("./check-worker.ts", import.meta.url);

interface Thread {
  readonly worker: Worker;
  readonly waiting: { resolve: (answer: CheckAnswer) => void; reject: (error: unknown) => void }[];
}

export class CheckPool implements AsyncDisposable {
  readonly #workers: WorkerThreads;
  readonly #threads: Thread[];
  #failure: HoldfastError | null = null;

  constructor(key: MasterKey, workers: number) {
    this.#workers = new WorkerThreads(workerScript, workers, key);
    this.#threads = this.#workers.workers.map((worker) => this.#listen(worker));
  }

  get workers(): number {
    return this.#threads.length;
  }

  /** Gives the task, and the memory of its bytes, to the thread of its lane, or to the one with the least to do. */
  async run<K extends CheckTask["kind"]>(task: CheckTask & { kind: K }): Promise<CheckAnswer & { kind: K }> {
    if (this.#failure) throw this.#failure;
    const given: CheckTask = task;
    const thread =
      given.kind === "pack"
        ? this.#threads[given.piece.lane % this.#threads.length]!
        : this.#threads.reduce((least, other) => (other.waiting.length < least.waiting.length ? other : least));
    return new Promise((resolve, reject) => {
      thread.waiting.push({ resolve: resolve as (answer: CheckAnswer) => void, reject });
      thread.worker.postMessage(
        given,
        given.kind === "pack" ? [given.bytes.buffer, given.piece.blobs.buffer] : [given.bytes.buffer],
      );
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#fail(new HoldfastError("interrupted", "the check ended"));
    await this.#workers[Symbol.asyncDispose]();
  }

  #fail(error: HoldfastError): void {
    this.#failure ??= error;
    for (const { waiting } of this.#threads) for (const { reject } of waiting.splice(0)) reject(error);
  }

  #listen(worker: Worker): Thread {
    const thread: Thread = { worker, waiting: [] };
    worker.on("message", (message: CheckAnswer | ReadyMessage) => {
      if (message.kind !== "ready") thread.waiting.shift()?.resolve(message);
    });
    worker.on("error", (error) =>
      this.#fail(new HoldfastError("internal", `a worker thread failed: ${error.message}`, { cause: error })),
    );
    worker.on("exit", () => this.#fail(new HoldfastError("internal", "a worker thread ended before its work")));
    return thread;
  }
}
