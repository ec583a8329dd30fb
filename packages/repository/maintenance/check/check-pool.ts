// The worker threads of a check, as the main thread sees them.
import type { MasterKey } from "../../codec/seal.ts";
import { TaskPool } from "../../threads/task-pool.ts";
import type { CheckAnswer, CheckTask } from "./check-worker.ts";

const workerScript = new URL("./check-worker.ts", import.meta.url);

export class CheckPool implements AsyncDisposable {
  readonly #pool: TaskPool<CheckTask, CheckAnswer>;

  constructor(key: MasterKey, workers: number) {
    this.#pool = new TaskPool(workerScript, workers, key);
  }

  get workers(): number {
    return this.#pool.workers;
  }

  /** Gives the task, and the memory of its bytes, to the thread of its lane, or to the one with the least to do. */
  async run<K extends CheckTask["kind"]>(task: CheckTask & { kind: K }): Promise<CheckAnswer & { kind: K }> {
    const given: CheckTask = task;
    const answer =
      given.kind === "pack"
        ? this.#pool.give(given, [given.bytes.buffer, given.piece.blobs.buffer], given.piece.lane)
        : this.#pool.give(given, [given.bytes.buffer], null);
    return (await answer) as CheckAnswer & { kind: K };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool[Symbol.asyncDispose]();
  }
}
