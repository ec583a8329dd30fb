// Reads every pack whole and has worker threads verify all of it, with a bound on the bytes in memory.
import { hasCode } from "../errors.ts";
import type { Repository } from "../store/repository.ts";
import type { DamageLog } from "./check-damage.ts";
import { blobKey, problemOf } from "./check-damage.ts";
import type { CheckedIndex, PackBlob } from "./check-index.ts";
import type { CheckPool } from "./check-pool.ts";
import { wordsPerBlob, writeBlob } from "./pack-verification.ts";

/** What may be read and not yet verified; one pack always may. */
const bytesInFlight = 36 * 1024 * 1024;

export interface DataRead {
  packs: number;
  bytes: number;
}

export async function checkData(
  repository: Repository,
  checked: CheckedIndex,
  sizes: ReadonlyMap<string, number>,
  log: DamageLog,
  options: { pool: CheckPool; progress: (bytes: number) => void; throwIfAborted: () => void },
): Promise<DataRead> {
  const read: DataRead = { packs: 0, bytes: 0 };
  const { pool } = options;
  let inFlight = 0;
  const running = new Set<Promise<void>>();
  try {
    for (const { pack, blobs } of checked.contents()) {
      const sizeBytes = sizes.get(pack.name);
      // Found missing before.
      if (sizeBytes === undefined) continue;
      while (running.size > 0 && (inFlight + sizeBytes > bytesInFlight || running.size > 2 * pool.workers))
        await Promise.race(running);
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
  } finally {
    // Nothing goes on reading behind the caller's back.
    await Promise.allSettled(running);
  }
  return read;
}

async function verifyPack(
  repository: Repository,
  pool: CheckPool,
  name: string,
  blobs: readonly PackBlob[],
  log: DamageLog,
): Promise<void> {
  const table = new Uint32Array(blobs.length * wordsPerBlob);
  for (const [at, { id, type, location }] of blobs.entries()) writeBlob(table, at, { ...location, type, id });
  try {
    const bytes = await repository.storage.read("pack", name);
    const { problems } = await pool.run<"pack">({ kind: "pack", name, bytes: ownMemory(bytes), blobs: table });
    for (const { problem, blob } of problems) {
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
  return buffer instanceof ArrayBuffer && buffer.byteLength === bytes.byteLength
    ? new Uint8Array(buffer)
    : new Uint8Array(bytes);
}
