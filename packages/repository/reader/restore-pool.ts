// The restorer's worker threads as the main thread sees them.
import { availableParallelism } from "node:os";
import type { Worker } from "node:worker_threads";
import type { MasterKey } from "../codec/seal.ts";
import { HoldfastError } from "../errors.ts";
import type { ReadyMessage } from "../threads/worker-threads.ts";
import { WorkerThreads } from "../threads/worker-threads.ts";
import type { WriteOptions } from "./file-writer.ts";
import type {
  FromRestoreWorker,
  PlainError,
  RestoreAnswer,
  RestoreTask,
  RestoreWorkerSetup,
} from "./restore-messages.ts";

const workerScript = new URL("./restore-worker.ts", import.meta.url);

interface Waiting {
  readonly resolve: (answer: RestoreAnswer) => void;
  readonly reject: (error: unknown) => void;
}

interface Thread {
  readonly worker: Worker;
  readonly waiting: Waiting[];
}

/** Threads for a restore. Starting them takes as long as opening the repository, so it is worth doing before. */
export function startRestoreThreads(count: number = availableParallelism()): WorkerThreads {
  return new WorkerThreads(workerScript, count);
}

/** Takes over running threads and ends with them. */
export class RestorePool implements AsyncDisposable {
  readonly #stop: Int32Array;
  readonly #workers: WorkerThreads;
  readonly #threads: readonly Thread[];
  readonly #underWay = new Set<Promise<void>>();
  #failure: unknown = null;

  constructor(threads: WorkerThreads, key: MasterKey, { sparse, verify }: WriteOptions) {
    const stop = new SharedArrayBuffer(4);
    this.#stop = new Int32Array(stop);
    this.#workers = threads;
    this.#threads = threads.workers.map((worker) => this.#listen(worker));
    const setup: RestoreWorkerSetup = { key, options: { sparse, verify }, stop };
    for (const worker of threads.workers) threads.setUp(worker, setup);
  }

  get workers(): number {
    return this.#threads.length;
  }

  throwIfFailed(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  /** Gives a task to the thread with the least to do. */
  run<K extends RestoreTask["kind"]>(
    task: Extract<RestoreTask, { kind: K }>,
    transfer: ArrayBuffer[] = [],
  ): Promise<Extract<RestoreAnswer, { kind: K }>> {
    this.throwIfFailed();
    const { worker, waiting } = this.#threads.reduce((least, other) =>
      other.waiting.length < least.waiting.length ? other : least,
    );
    const answer = new Promise<Extract<RestoreAnswer, { kind: K }>>((resolve, reject) => {
      waiting.push({ resolve: resolve as (answer: RestoreAnswer) => void, reject });
      worker.postMessage(task, transfer);
    });
    const ended = answer
      .then(
        () => undefined,
        () => undefined,
      )
      .finally(() => this.#underWay.delete(ended));
    this.#underWay.add(ended);
    return answer;
  }

  /** Stops everything soon; tasks under way end with `error`, but only once their thread has let go of the files. */
  abort(error: unknown): void {
    this.#failure ??= error;
    Atomics.store(this.#stop, 0, 1);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.abort(new HoldfastError("interrupted", "the restore was stopped"));
    // A thread that is ended in the middle of a file would leave a part of it behind.
    await Promise.all(this.#underWay);
    await this.#workers[Symbol.asyncDispose]();
  }

  #listen(worker: Worker): Thread {
    const thread: Thread = { worker, waiting: [] };
    const fail = (error: HoldfastError): void => {
      this.abort(error);
      for (const { reject } of thread.waiting.splice(0)) reject(this.#failure);
    };
    worker.on("message", (message: FromRestoreWorker | ReadyMessage) => {
      if (message.kind === "ready") return;
      const waiting = thread.waiting.shift();
      if (message.kind === "answer") {
        waiting?.resolve(message.answer);
        return;
      }
      this.abort(fromPlain(message.error));
      waiting?.reject(this.#failure);
    });
    worker.on("error", (error) =>
      fail(new HoldfastError("internal", `a worker thread failed: ${error.message}`, { cause: error })),
    );
    worker.on("exit", () => fail(new HoldfastError("internal", "a worker thread ended before its work")));
    return thread;
  }
}

export function fromPlain({ code, message, hint, context }: PlainError): HoldfastError {
  return new HoldfastError(code, message, { hint, context });
}
