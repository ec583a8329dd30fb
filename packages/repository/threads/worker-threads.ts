// Worker threads that are started early and ended without harm.
import { Worker } from "node:worker_threads";

/** A thread's young objects; few, because its bulk lies in shared memory. */
const heapLimits = { maxYoungGenerationSizeMb: 4 };

/** What every worker script sends when its imports are done, before anything else. */
export interface ReadyMessage {
  readonly kind: "ready";
}

/**
 * Starting a thread takes as long as opening a repository, so it is worth doing early. Disposing ends the threads
 * wherever they are, but never while they still load: a native addon that is interrupted then takes the whole
 * process down.
 */
export class WorkerThreads implements AsyncDisposable {
  readonly workers: readonly Worker[];
  readonly #loaded: readonly Promise<void>[];

  /** `workerData` is for scripts that need no more than that. */
  constructor(script: URL, count: number, workerData?: unknown) {
    this.workers = Array.from({ length: count }, () => new Worker(script, { resourceLimits: heapLimits, workerData }));
    this.#loaded = this.workers.map(loaded);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#loaded);
    await Promise.all(this.workers.map((worker) => worker.terminate()));
  }
}

/** Resolves with the first message, whatever it is, or when the thread has ended by itself. */
function loaded(worker: Worker): Promise<void> {
  return new Promise((resolve) => {
    worker.once("message", () => resolve());
    worker.once("exit", () => resolve());
  });
}
