// Worker threads that answer tasks, each its own in the order in which it got them, as the main thread sees them.
import type { TransferListItem, Worker } from "node:worker_threads";
import { HoldfastError } from "../errors.ts";
import type { ReadyMessage } from "./worker-threads.ts";
import { WorkerThreads } from "./worker-threads.ts";

interface Thread<Answer> {
  readonly worker: Worker;
  readonly waiting: { resolve: (answer: Answer) => void; reject: (error: unknown) => void }[];
}

/** A thread that fails or ends too early fails everything that waits, and all that is asked later. */
export class TaskPool<Task, Answer extends { readonly kind: string }> implements AsyncDisposable {
  readonly #workers: WorkerThreads;
  readonly #threads: Thread<Answer>[];
  #failure: HoldfastError | null = null;

  constructor(script: URL, workers: number, workerData: unknown) {
    this.#workers = new WorkerThreads(script, workers, workerData);
    this.#threads = this.#workers.workers.map((worker) => this.#listen(worker));
  }

  get workers(): number {
    return this.#threads.length;
  }

  /**
   * Gives the task, and the memory in `transfer`, to a thread: that of the `lane`, whose tasks all go to the same one,
   * or without a lane the one with the least to do.
   */
  async give(task: Task, transfer: TransferListItem[], lane: number | null): Promise<Answer> {
    if (this.#failure) throw this.#failure;
    const thread =
      lane === null
        ? this.#threads.reduce((least, other) => (other.waiting.length < least.waiting.length ? other : least))
        : this.#threads[lane % this.#threads.length]!;
    return new Promise((resolve, reject) => {
      thread.waiting.push({ resolve, reject });
      thread.worker.postMessage(task, transfer);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#fail(new HoldfastError("interrupted", "the work of the threads was ended"));
    await this.#workers[Symbol.asyncDispose]();
  }

  #fail(error: HoldfastError): void {
    this.#failure ??= error;
    for (const { waiting } of this.#threads) for (const { reject } of waiting.splice(0)) reject(error);
  }

  #listen(worker: Worker): Thread<Answer> {
    const thread: Thread<Answer> = { worker, waiting: [] };
    worker.on("message", (message: Answer | ReadyMessage) => {
      if (message.kind !== "ready") thread.waiting.shift()?.resolve(message as Answer);
    });
    worker.on("error", (error) =>
      this.#fail(new HoldfastError("internal", `a worker thread failed: ${error.message}`, { cause: error })),
    );
    worker.on("exit", () => this.#fail(new HoldfastError("internal", "a worker thread ended before its work")));
    return thread;
  }
}
