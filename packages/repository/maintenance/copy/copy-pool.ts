// The worker threads of a copy, as the main thread sees them.
import type { Worker } from "node:worker_threads";
import { HoldfastError } from "../../errors.ts";
import type { Repository } from "../../store/repository.ts";
import type { ReadyMessage } from "../../threads/worker-threads.ts";
import { WorkerThreads } from "../../threads/worker-threads.ts";
import type { CopyAnswer, CopyTask, CopyWorkerData } from "./copy-tasks.ts";

const workerScript = new URL("./copy-worker.ts", import.meta.url);

interface Thread {
  readonly worker: Worker;
  readonly waiting: { resolve: (answer: CopyAnswer) => void; reject: (error: unknown) => void }[];
}

export class CopyPool implements AsyncDisposable {
  readonly #workers: WorkerThreads;
  readonly #threads: Thread[];
  #failure: HoldfastError | null = null;

  constructor(from: Repository, to: Repository, workers: number) {
    const data: CopyWorkerData = { from: from.masterKey, to: to.masterKey, compresses: to.compressor !== null };
    this.#workers = new WorkerThreads(workerScript, workers, data);
    this.#threads = this.#workers.workers.map((worker) => this.#listen(worker));
  }

  /** Gives the task, and the memory of its bytes, to the thread with the least to do. */
  async run<K extends CopyTask["kind"]>(task: CopyTask & { kind: K }): Promise<CopyAnswer & { kind: K }> {
    if (this.#failure) throw this.#failure;
    const thread = this.#threads.reduce((least, one) => (one.waiting.length < least.waiting.length ? one : least));
    return new Promise((resolve, reject) => {
      thread.waiting.push({ resolve: resolve as (answer: CopyAnswer) => void, reject });
      thread.worker.postMessage(task, [task.bytes.buffer]);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#fail(new HoldfastError("interrupted", "the copy ended"));
    await this.#workers[Symbol.asyncDispose]();
  }

  #fail(error: HoldfastError): void {
    this.#failure ??= error;
    for (const { waiting } of this.#threads) for (const { reject } of waiting.splice(0)) reject(error);
  }

  #listen(worker: Worker): Thread {
    const thread: Thread = { worker, waiting: [] };
    worker.on("message", (message: CopyAnswer | ReadyMessage) => {
      if (message.kind !== "ready") thread.waiting.shift()?.resolve(message);
    });
    worker.on("error", (error) =>
      this.#fail(new HoldfastError("internal", `a worker thread failed: ${error.message}`, { cause: error })),
    );
    worker.on("exit", () => this.#fail(new HoldfastError("internal", "a worker thread ended before its work")));
    return thread;
  }
}
