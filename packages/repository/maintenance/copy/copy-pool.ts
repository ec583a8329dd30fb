// The worker threads of a copy, as the main thread sees them.
import type { Repository } from "../../store/repository.ts";
import { TaskPool } from "../../threads/task-pool.ts";
import type { CopyAnswer, CopyTask, CopyWorkerData } from "./copy-tasks.ts";

const workerScript = new URL("./copy-worker.ts", import.meta.url);

export class CopyPool implements AsyncDisposable {
  readonly #pool: TaskPool<CopyTask, CopyAnswer>;

  constructor(from: Repository, to: Repository, workers: number) {
    const data: CopyWorkerData = { from: from.masterKey, to: to.masterKey, compresses: to.compressor !== null };
    this.#pool = new TaskPool(workerScript, workers, data);
  }

  /** Gives the task, and the memory of its bytes, to the thread with the least to do. */
  async run<K extends CopyTask["kind"]>(task: CopyTask & { kind: K }): Promise<CopyAnswer & { kind: K }> {
    return (await this.#pool.give(task, [task.bytes.buffer], null)) as CopyAnswer & { kind: K };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool[Symbol.asyncDispose]();
  }
}
