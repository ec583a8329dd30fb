// The writer's worker threads as the main thread sees them: shared memory, tasks, full packs, failures.
import { HoldfastError } from "../errors.ts";
import type { Worker } from "node:worker_threads";
import type { BlobIndex } from "../index/blob-index.ts";
import type { Region } from "../kernel/arena.ts";
import { Arena } from "../kernel/arena.ts";
import { Kernel, kernelScratchBytes, rabinTableBytes } from "../kernel/kernel.ts";
import type { SelectionRules } from "../selection/selection-rules.ts";
import type { Repository } from "../store/repository.ts";
import type { BlobTotals } from "./blob-writer.ts";
import type { Answer, FromWorker, Task, WorkerSetup } from "./messages.ts";
import { packBufferBytes, PackSlots } from "./pack-slots.ts";
import type { PackStore } from "./pack-store.ts";
import { SharedProgress } from "./progress.ts";
import type { WorkerThreads } from "../threads/worker-threads.ts";

/** Holds the largest chunk; a file that is smaller is read in one go. */
export const windowBytes = 8 * 1024 * 1024;
const scratchBytes = windowBytes + 4096;
/** Two packs are open, and one is on its way to the storage; each worker beyond the second adds one. */
const spareBuffers = 1;
/** While one task is worked on, the next one already waits in the thread. */
const tasksAhead = 2;

export interface PoolOptions {
  readonly selections: readonly SelectionRules[];
  readonly oneFileSystem: boolean;
  readonly withAtime: boolean;
}

interface Waiting {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

interface Thread {
  readonly worker: Worker;
  readonly waiting: Waiting[];
}

/** Takes over running threads, gives them memory, and tasks; ends with them. */
export class WorkerPool implements AsyncDisposable {
  readonly kernel: Kernel;
  readonly tables: Region;
  readonly totals: BlobTotals = { blobs: 0, plainBytes: 0, sealedBytes: 0 };
  readonly progress: SharedProgress;
  /** Windows that a stream may fill; each is put back when its chunks are stored. */
  readonly freeWindows: Region[];
  readonly #slots: PackSlots;
  readonly #packs: PackStore;
  readonly #threads: Thread[] = [];
  readonly #packsUnderWay = new Set<Promise<void>>();
  #failure: unknown = null;

  constructor(
    repository: Repository,
    index: BlobIndex,
    packs: PackStore,
    threads: WorkerThreads,
    options: PoolOptions,
  ) {
    const workers = threads.workers.length;
    // A stream fills one window while each worker has another.
    const streamWindows = workers + 1;
    const buffers = workers + spareBuffers;
    const eachBytes = kernelScratchBytes + windowBytes + 2 * scratchBytes + 1024;
    const sharedBytes =
      buffers * (packBufferBytes + 64) + streamWindows * windowBytes + rabinTableBytes + kernelScratchBytes + 65_536;
    const arena = new Arena(workers * eachBytes + sharedBytes);
    this.kernel = new Kernel(arena.memory, arena.allocate(kernelScratchBytes));
    this.tables = arena.allocate(rabinTableBytes);
    this.kernel.rabinTables(repository.config.chunkerPolynomial, this.tables);
    this.freeWindows = Array.from({ length: streamWindows }, () => arena.allocate(windowBytes));
    const slots = PackSlots.share(Array.from({ length: buffers }, () => arena.allocate(packBufferBytes)));
    this.#slots = new PackSlots(slots, this.kernel.bytes);
    this.#packs = packs;
    const progress = SharedProgress.share();
    this.progress = new SharedProgress(progress);
    for (const worker of threads.workers) {
      this.#listen(worker);
      threads.setUp(worker, {
        memory: arena.memory,
        kernelScratch: arena.allocate(kernelScratchBytes),
        sealScratch: arena.allocate(scratchBytes),
        inflatedScratch: arena.allocate(scratchBytes),
        window: arena.allocate(windowBytes),
        rabinTables: this.tables,
        key: repository.masterKey,
        compression: repository.version !== 1,
        index: index.shared,
        slots,
        progress,
        selections: options.selections,
        oneFileSystem: options.oneFileSystem,
        withAtime: options.withAtime,
      } satisfies WorkerSetup);
    }
  }

  /** How many tasks would start soon if given now. */
  get idle(): number {
    if (this.#failure !== null) return 0;
    return this.#threads.reduce((sum, { waiting }) => sum + Math.max(0, tasksAhead - waiting.length), 0);
  }

  get workers(): number {
    return this.#threads.length;
  }

  throwIfFailed(): void {
    if (this.#failure !== null) throw this.#failure;
    this.#packs.throwIfFailed();
  }

  /** Gives a task to the thread with the least to do. */
  run<K extends Task["kind"]>(task: Extract<Task, { kind: K }>): Promise<Extract<Answer, { kind: K }>> {
    this.throwIfFailed();
    const thread = this.#threads.reduce((least, other) =>
      other.waiting.length < least.waiting.length ? other : least,
    );
    return new Promise((resolve, reject) => {
      thread.waiting.push({ resolve: resolve as (answer: Answer) => void, reject });
      thread.worker.postMessage(task);
    });
  }

  /** Stores the packs that are open. No task may run meanwhile. */
  async flush(): Promise<void> {
    await this.run({ kind: "flush" });
    await Promise.all(this.#packsUnderWay);
    this.throwIfFailed();
  }

  /** Stops everything: tasks under way end with `error`. */
  abort(error: unknown): void {
    if (this.#failure !== null) return;
    this.#failure = error;
    this.#slots.abort();
    for (const { waiting } of this.#threads) for (const { reject } of waiting.splice(0)) reject(error);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.abort(new HoldfastError("interrupted", "the writer was closed"));
    await Promise.allSettled(this.#packsUnderWay);
  }

  #listen(worker: Worker): void {
    const thread: Thread = { worker, waiting: [] };
    worker.on("message", (message: FromWorker) => this.#receive(thread, message));
    worker.on("error", (error) =>
      this.abort(new HoldfastError("internal", `a worker thread failed: ${error.message}`, { cause: error })),
    );
    worker.on("exit", () => this.abort(new HoldfastError("internal", "a worker thread ended before its work")));
    this.#threads.push(thread);
  }

  #receive(thread: Thread, message: FromWorker): void {
    switch (message.kind) {
      case "ready":
        return;
      case "answer":
        this.totals.blobs += message.totals.blobs;
        this.totals.plainBytes += message.totals.plainBytes;
        this.totals.sealedBytes += message.totals.sealedBytes;
        thread.waiting.shift()?.resolve(message.answer);
        return;
      case "pack": {
        const work = this.#storePack(message);
        this.#packsUnderWay.add(work);
        void work.finally(() => this.#packsUnderWay.delete(work));
        return;
      }
      case "failure":
        this.abort(new HoldfastError(message.code, message.message, { hint: message.hint }));
    }
  }

  async #storePack(message: Extract<FromWorker, { kind: "pack" }>): Promise<void> {
    const bytes = this.#slots.bytes(message.buffer).subarray(0, message.sizeBytes);
    const blobs = this.#slots.blobs(message.buffer);
    try {
      await this.#packs.store({ id: message.id, type: "data", pieces: [bytes], blobs });
      this.#slots.release(message.buffer);
    } catch (error) {
      this.abort(error);
    }
  }
}
