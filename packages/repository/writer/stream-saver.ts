// Stores a stream of bytes: the main thread reads and cuts, the workers do the rest.
import { chunkerFor, type ChunkerHint } from "../chunker/chunker-hint.ts";
import { HoldfastError } from "../errors.ts";
import type { Region } from "../kernel/arena.ts";
import type { WorkerPool } from "./worker-pool.ts";
import { windowBytes } from "./worker-pool.ts";

/** Fills the beginning of `into` with the next bytes; 0 is the end. */
export type ReadStream = (into: Buffer) => Promise<number>;

/** A task has about this much to store: windows divide into few of them, and no worker ends long before the others. */
const taskBytes = 2 * 1024 * 1024;

/**
 * Stores all that `read` gives. Returns the ids of its chunks, 32 bytes each, and its length in bytes. The chunks in a window go to
 * the workers; the piece of a chunk at its end is moved to the front of the next.
 */
export async function saveStream(
  pool: WorkerPool,
  read: ReadStream,
  hint: ChunkerHint,
): Promise<{ ids: Buffer; sizeBytes: number }> {
  const chunker = chunkerFor(hint, pool.kernel, pool.tables);
  const answers: Promise<Buffer>[] = [];
  await using windows = new WindowQueue(pool);
  let sizeBytes = 0;
  let rest = Buffer.alloc(0);
  for (let last = false; !last;) {
    const window = await windows.take();
    const memory = pool.kernel.view(window);
    let filled = rest.copy(memory);
    while (filled < windowBytes && !last) {
      const got = await read(memory.subarray(filled));
      pool.throwIfFailed();
      last = got === 0;
      filled += got;
      sizeBytes += got;
      pool.progress.add("bytes", got);
    }
    const lengths: number[] = [];
    let cutTo = 0;
    for (let cut = 1; cutTo < filled && cut > 0; cutTo += cut) {
      cut = chunker.cut(window.pointer + cutTo, filled - cutTo, last);
      if (cut > 0) lengths.push(cut);
    }
    rest = Buffer.from(memory.subarray(cutTo, filled));
    answers.push(windows.process(lengths));
  }
  return { ids: Buffer.concat(await Promise.all(answers)), sizeBytes };
}

/** Chunks that lie one after another in a window. */
interface ChunkRun {
  readonly pointer: number;
  readonly lengths: number[];
}

interface WaitingRun {
  readonly start: () => Promise<void>;
  readonly reject: (error: unknown) => void;
}

/** Hands out windows, waiting until the workers are done with one. When disposed, the pool has all of them again. */
class WindowQueue implements AsyncDisposable {
  readonly #pool: WorkerPool;
  /** The window that was handed out last, while its chunks are not known. */
  #taken: Region | null = null;
  readonly #underWay = new Set<Promise<void>>();
  /** What no worker has been given yet: whichever is free first takes the next. */
  readonly #waiting: WaitingRun[] = [];

  constructor(pool: WorkerPool) {
    this.#pool = pool;
  }

  async take(): Promise<Region> {
    for (;;) {
      this.#pool.throwIfFailed();
      this.#taken = this.#pool.freeWindows.pop() ?? null;
      if (this.#taken) return this.#taken;
      await Promise.race(this.#underWay);
    }
  }

  /** Stores the chunks at the front of the window that was taken; their ids. Rejects when the pool has failed. */
  process(lengths: readonly number[]): Promise<Buffer> {
    const window = this.#taken!;
    this.#taken = null;
    const runs = divide(window.pointer, lengths).map((run) => this.#save(run));
    const done = this.#giveBack(window, runs);
    this.#underWay.add(done);
    void done.finally(() => this.#underWay.delete(done));
    const ids = Promise.all(runs).then((each) => Buffer.concat(each));
    // The caller looks at it only when the stream has ended.
    ids.catch(() => undefined);
    return ids;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const givenUp = new HoldfastError("interrupted", "the stream was given up");
    for (const { reject } of this.#waiting.splice(0)) reject(givenUp);
    await Promise.all(this.#underWay);
    if (this.#taken) this.#pool.freeWindows.push(this.#taken);
  }

  async #giveBack(window: Region, runs: readonly Promise<unknown>[]): Promise<void> {
    await Promise.allSettled(runs);
    this.#pool.freeWindows.push(window);
  }

  #save(run: ChunkRun): Promise<Uint8Array> {
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    const start = async (): Promise<void> => {
      try {
        const { ids } = await this.#pool.run({ kind: "chunks", ...run });
        resolve(ids);
      } catch (error) {
        reject(error);
      }
      this.#dispatch();
    };
    this.#waiting.push({ start, reject });
    this.#dispatch();
    return promise;
  }

  #dispatch(): void {
    while (this.#waiting.length > 0 && this.#pool.idle > 0) void this.#waiting.shift()!.start();
  }
}

/** Divides the chunks from `pointer` on among tasks. */
function divide(pointer: number, lengths: readonly number[]): ChunkRun[] {
  const runs: ChunkRun[] = [];
  let runBytes = taskBytes;
  let at = pointer;
  for (const length of lengths) {
    if (runBytes >= taskBytes) {
      runs.push({ pointer: at, lengths: [] });
      runBytes = 0;
    }
    runs.at(-1)!.lengths.push(length);
    runBytes += length;
    at += length;
  }
  return runs;
}
