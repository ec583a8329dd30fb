// Stores a stream of bytes: the main thread reads and cuts, the workers do the rest.
import type { ChunkerHint } from "../chunker/chunker-hint.ts";
import { chunkerFor } from "../chunker/chunker-hint.ts";
import type { Region } from "../kernel/arena.ts";
import type { WorkerPool } from "./worker-pool.ts";
import { windowBytes } from "./worker-pool.ts";

/** Fills the beginning of `into` with the next bytes; 0 is the end. */
export type ReadStream = (into: Buffer) => Promise<number>;

/**
 * Stores all that `read` gives. Returns the ids of its chunks and its length in bytes. Whole windows go to the
 * workers; the piece of a chunk at the end of one is moved to the front of the next.
 */
export async function saveStream(
  pool: WorkerPool,
  read: ReadStream,
  hint: ChunkerHint,
): Promise<{ ids: string[]; sizeBytes: number }> {
  const chunker = chunkerFor(hint, pool.kernel, pool.tables);
  const answers: Promise<readonly string[]>[] = [];
  const windows = new WindowQueue(pool);
  let sizeBytes = 0;
  let rest = Buffer.alloc(0);
  for (let last = false; !last;) {
    const window = await windows.take();
    const memory = pool.kernel.view(window);
    let filled = rest.copy(memory);
    while (filled < windowBytes && !last) {
      const got = await read(memory.subarray(filled));
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
    answers.push(windows.process(window, lengths));
  }
  const ids = await Promise.all(answers);
  return { ids: ids.flat(), sizeBytes };
}

/** Hands out windows, waiting until a worker has given one back. */
class WindowQueue {
  readonly #pool: WorkerPool;
  readonly #underWay: Promise<unknown>[] = [];

  constructor(pool: WorkerPool) {
    this.#pool = pool;
  }

  async take(): Promise<Region> {
    while (this.#pool.freeWindows.length === 0) await this.#underWay.shift();
    return this.#pool.freeWindows.pop()!;
  }

  process(window: Region, lengths: readonly number[]): Promise<readonly string[]> {
    const work = this.#pool.run({ kind: "chunks", window, lengths }).then((answer) => {
      this.#pool.freeWindows.push(window);
      return answer.ids;
    });
    // A failure reaches the caller through `ids`; here it only ends the waiting.
    this.#underWay.push(work.catch(() => undefined));
    return work;
  }
}
