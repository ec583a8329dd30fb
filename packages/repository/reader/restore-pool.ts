// The restorer's worker threads as the main thread sees them.
import { Worker } from "node:worker_threads";
import type { MasterKey } from "../codec/seal.ts";
import { HoldfastError } from "../errors.ts";
import type { WriteOptions } from "./file-writer.ts";
import type {
  FromRestoreWorker,
  PlainError,
  RestoreAnswer,
  RestoreTask,
  RestoreWorkerSetup,
} from "./restore-messages.ts";

/** A thread's young objects; its bulk lies outside of the heap. */
const heapLimits = { maxYoungGenerationSizeMb: 3 };

const startedEarly = 2;

interface Waiting {
  readonly resolve: (answer: RestoreAnswer) => void;
  readonly reject: (error: unknown) => void;
}

interface Thread {
  readonly worker: Worker;
  readonly waiting: Waiting[];
}

export class RestorePool implements AsyncDisposable {
  readonly #setup: RestoreWorkerSetup;
  readonly #stop: Int32Array;
  readonly #threads: Thread[] = [];
  readonly #maximum: number;
  readonly #underWay = new Set<Promise<void>>();
  #failure: unknown = null;

  constructor(key: MasterKey, options: WriteOptions, workers: number) {
    const stop = new SharedArrayBuffer(4);
    this.#stop = new Int32Array(stop);
    this.#setup = { key, options, stop };
    this.#maximum = workers;
  }

  get workers(): number {
    return this.#maximum;
  }

  /** Starts a few threads before there is work: that takes as long as reading an index. */
  startEarly(): void {
    while (this.#threads.length < Math.min(startedEarly, this.#maximum)) this.#start();
  }

  throwIfFailed(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  /** Gives a task to the thread with the least to do; a thread is started when the others are busy. */
  run<K extends RestoreTask["kind"]>(
    task: Extract<RestoreTask, { kind: K }>,
    transfer: ArrayBuffer[] = [],
  ): Promise<Extract<RestoreAnswer, { kind: K }>> {
    this.throwIfFailed();
    let thread = this.#threads[0];
    for (const other of this.#threads) if (other.waiting.length < thread!.waiting.length) thread = other;
    if (!thread || (thread.waiting.length > 0 && this.#threads.length < this.#maximum)) thread = this.#start();
    const { worker, waiting } = thread;
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
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()));
  }

  #start(): Thread {
    const worker = new Worker(new URL("./restore-worker.ts", import.meta.url), {
      workerData: this.#setup,
      resourceLimits: heapLimits,
    });
    const thread: Thread = { worker, waiting: [] };
    const fail = (error: HoldfastError): void => {
      this.abort(error);
      for (const { reject } of thread.waiting.splice(0)) reject(this.#failure);
    };
    worker.on("message", (message: FromRestoreWorker) => {
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
    this.#threads.push(thread);
    return thread;
  }
}

export function fromPlain({ code, message, hint, context }: PlainError): HoldfastError {
  return new HoldfastError(code, message, { hint, context });
}
