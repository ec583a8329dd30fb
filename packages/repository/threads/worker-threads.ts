// Worker threads that are started early and ended without harm.
import { Worker } from "node:worker_threads";
import { HoldfastError } from "../errors.ts";

/** A thread's young objects; few, because its bulk lies in shared memory. */
const heapLimits = { maxYoungGenerationSizeMb: 4 };

/** The `threadId` of a worker that has ended. */
const endedThread = -1;

/** What every worker script sends when its imports are done, before anything else, and after each `setUp`. */
export interface ReadyMessage {
  readonly kind: "ready";
}

interface Loading {
  readonly worker: Worker;
  /** How many "ready" are still to come. */
  missing: number;
}

/**
 * Starting a thread takes as long as opening a repository, so it is worth doing early. Disposing ends the threads
 * wherever they are, but never while they still load: a native addon that is interrupted then takes the whole
 * process down, because it cannot even throw.
 */
export class WorkerThreads implements AsyncDisposable {
  readonly workers: readonly Worker[];
  readonly #loading: readonly Loading[];

  /** `workerData` is for scripts that need no more than that. */
  constructor(script: URL, count: number, workerData?: unknown) {
    this.workers = Array.from({ length: count }, () => new Worker(script, { resourceLimits: heapLimits, workerData }));
    this.#loading = this.workers.map(watch);
  }

  /** Posts the first message of a script that loads more when it is told what; it answers "ready" once more. */
  setUp(worker: Worker, message: unknown): void {
    const loading = this.#loading.find((one) => one.worker === worker);
    if (loading === undefined) throw new HoldfastError("internal", "a thread of others cannot be set up");
    loading.missing++;
    worker.postMessage(message);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#loading.map(settle));
    await Promise.all(this.workers.map((worker) => worker.terminate()));
  }
}

function watch(worker: Worker): Loading {
  const loading: Loading = { worker, missing: 1 };
  worker.on("message", (message: { readonly kind?: unknown }) => {
    if (message.kind === "ready") loading.missing--;
  });
  return loading;
}

/** Resolves when the thread loads nothing any more, or has ended by itself. */
function settle(loading: Loading): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (loading.missing <= 0) resolve();
    };
    loading.worker.on("message", look).once("exit", () => resolve());
    if (loading.worker.threadId === endedThread) resolve();
    look();
  });
}
