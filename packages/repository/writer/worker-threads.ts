// The bare worker threads of a writer: started early, because that takes as long as reading an index.
import { Worker } from "node:worker_threads";

/** A thread's young objects; few, because its bulk lies in the shared memory. */
const heapLimits = { maxYoungGenerationSizeMb: 8 };

/** Disposing ends the threads wherever they are. */
export class WorkerThreads implements AsyncDisposable {
  readonly workers: readonly Worker[];

  constructor(count: number) {
    const start = (): Worker => new Worker(new URL("./worker.ts", import.meta.url), { resourceLimits: heapLimits });
    this.workers = Array.from({ length: count }, start);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.terminate()));
  }
}
