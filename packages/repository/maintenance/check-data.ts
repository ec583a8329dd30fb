// Reads every pack whole and has worker threads verify all of it, with a bound on the bytes in memory.
import { Worker } from "node:worker_threads";
import { hasCode, HoldfastError } from "../errors.ts";
import type { Repository } from "../store/repository.ts";
import type { DamageLog } from "./check-damage.ts";
import { blobKey, problemOf } from "./check-damage.ts";
import type { CheckedIndex, PackBlob } from "./check-index.ts";
import type { PackAnswer, PackTask } from "./pack-verification-worker.ts";
import { wordsPerBlob, writeBlob } from "./pack-verification.ts";

/** What may be read and not yet verified; one pack always may. */
const bytesInFlight = 40 * 1024 * 1024;
/** A thread's young objects; small, because its bulk lies outside of the heap. */
const heapLimits = { maxYoungGenerationSizeMb: 8 };

export interface DataRead {
  packs: number;
  bytes: number;
}

export async function checkData(
  repository: Repository,
  checked: CheckedIndex,
  sizes: ReadonlyMap<string, number>,
  log: DamageLog,
  options: { workers: number; progress: (bytes: number) => void; throwIfAborted: () => void },
): Promise<DataRead> {
  const read: DataRead = { packs: 0, bytes: 0 };
  await using pool = new VerificationPool(repository, options.workers);
  let inFlight = 0;
  const running = new Set<Promise<void>>();
  for (const { pack, blobs } of checked.contents()) {
    const sizeBytes = sizes.get(pack.name);
    // Found missing before.
    if (sizeBytes === undefined) continue;
    while (running.size > 0 && (inFlight + sizeBytes > bytesInFlight || running.size > 2 * options.workers)) await Promise.race(running);
    options.throwIfAborted();
    inFlight += sizeBytes;
    const work = verifyPack(repository, pool, pack.name, blobs, log).finally(() => {
      running.delete(work);
      inFlight -= sizeBytes;
      read.packs++;
      read.bytes += sizeBytes;
      options.progress(read.bytes);
    });
    // Its failure is met by whoever waits, be it later.
    work.catch(() => undefined);
    running.add(work);
  }
  await Promise.all(running);
  return read;
}

async function verifyPack(repository: Repository, pool: VerificationPool, name: string, blobs: readonly PackBlob[], log: DamageLog): Promise<void> {
  const table = new Uint32Array(blobs.length * wordsPerBlob);
  for (const [at, { id, type, location }] of blobs.entries()) writeBlob(table, at, { ...location, type, id });
  try {
    const bytes = await repository.storage.read("pack", name);
    for (const { problem, blob } of await pool.verify({ name, bytes: ownMemory(bytes), blobs: table })) {
      log.pack(name, "pack-damaged", problem, blob ? [blobKey(blob.type, blob.id)] : []);
    }
  } catch (error) {
    const all = blobs.map(({ type, id }) => blobKey(type, id.toString("hex")));
    log.pack(name, hasCode(error, "not-found") ? "pack-missing" : "pack-damaged", problemOf(error), all);
  }
}

/** The bytes in memory that holds nothing else, so that it can be handed over. */
function ownMemory(bytes: Buffer): Uint8Array<ArrayBuffer> {
  const { buffer } = bytes;
  return buffer instanceof ArrayBuffer && buffer.byteLength === bytes.byteLength ? new Uint8Array(buffer) : new Uint8Array(bytes);
}

interface Thread {
  readonly worker: Worker;
  readonly waiting: { resolve: (answer: PackAnswer) => void; reject: (error: unknown) => void }[];
}

class VerificationPool implements AsyncDisposable {
  readonly #threads: Thread[];
  #isClosing = false;

  constructor(repository: Repository, workers: number) {
    this.#threads = Array.from({ length: workers }, () => this.#start(repository));
  }

  async verify(task: PackTask): Promise<PackAnswer["problems"]> {
    const thread = this.#threads.reduce((least, other) => (other.waiting.length < least.waiting.length ? other : least));
    const answer = await new Promise<PackAnswer>((resolve, reject) => {
      thread.waiting.push({ resolve, reject });
      thread.worker.postMessage(task, [task.bytes.buffer, task.blobs.buffer]);
    });
    return answer.problems;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosing = true;
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()));
  }

  #start(repository: Repository): Thread {
    const url = new URL("./pack-verification-worker.ts", import.meta.url);
    const worker = new Worker(url, { workerData: repository.masterKey, resourceLimits: heapLimits });
    const thread: Thread = { worker, waiting: [] };
    const fail = (message: string, cause?: unknown): void => {
      if (this.#isClosing) return;
      for (const { reject } of thread.waiting.splice(0)) reject(new HoldfastError("internal", message, { cause }));
    };
    worker.on("message", (answer: PackAnswer) => thread.waiting.shift()?.resolve(answer));
    worker.on("error", (error) => fail(`a worker thread failed: ${error.message}`, error));
    worker.on("exit", () => fail("a worker thread ended before its work"));
    return thread;
  }
}
