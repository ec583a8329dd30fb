// Reads all bytes of all packs in pieces and has worker threads verify them, with a bound on the bytes in memory.
import { hasCode } from "../errors.ts";
import type { Repository } from "../store/repository.ts";
import type { DamageLog } from "./check-damage.ts";
import { blobKey, problemOf } from "./check-damage.ts";
import type { CheckedIndex, PackBlob } from "./check-index.ts";
import type { CheckPool } from "./check-pool.ts";
import { packPieces } from "./pack-pieces.ts";
import { wordsPerBlob, writeBlob } from "./pack-verification.ts";
import type { PackProblem } from "./pack-verification.ts";

/** While a thread verifies a piece of one pack, a piece of another is read for it. */
const lanesPerThread = 2;

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
  const contents = checked.contents();
  const run = async (lane: number): Promise<void> => {
    // All lanes take from the same contents.
    for (let next = contents.next(); !next.done; next = contents.next()) {
      const { pack, blobs } = next.value;
      const sizeBytes = sizes.get(pack.name);
      // Found missing before.
      if (sizeBytes === undefined) continue;
      options.throwIfAborted();
      await verifyPack(repository, pool, lane, { name: pack.name, sizeBytes, blobs }, log);
      read.packs++;
      read.bytes += sizeBytes;
      options.progress(read.bytes);
    }
  };
  const lanes = Array.from({ length: pool.workers * lanesPerThread }, (_, lane) => run(lane));
  try {
    await Promise.all(lanes);
  } finally {
    // Nothing goes on reading behind the caller's back.
    await Promise.allSettled(lanes);
  }
  return read;
}

interface ExpectedPack {
  readonly name: string;
  readonly sizeBytes: number;
  readonly blobs: readonly PackBlob[];
}

async function verifyPack(
  repository: Repository,
  pool: CheckPool,
  lane: number,
  pack: ExpectedPack,
  log: DamageLog,
): Promise<void> {
  const { name } = pack;
  try {
    for (const { problem, blob } of await problemsOf(repository, pool, lane, pack)) {
      log.pack(name, "pack-damaged", problem, blob ? [blobKey(blob.type, blob.id)] : []);
    }
  } catch (error) {
    const all = pack.blobs.map(({ type, id }) => blobKey(type, id.toString("hex")));
    log.pack(name, hasCode(error, "not-found") ? "pack-missing" : "pack-damaged", problemOf(error), all);
  }
}

async function problemsOf(
  repository: Repository,
  pool: CheckPool,
  lane: number,
  { name, sizeBytes, blobs }: ExpectedPack,
): Promise<readonly PackProblem[]> {
  let found: readonly PackProblem[] = [];
  const places = blobs.map(({ location }) => location);
  for (const { start, end, firstBlob, endBlob } of packPieces(sizeBytes, places)) {
    const range = { offset: start, lengthBytes: end - start };
    const bytes = await repository.storage.read("pack", name, range);
    const table = new Uint32Array((endBlob - firstBlob) * wordsPerBlob);
    for (const [at, { id, type, location }] of blobs.slice(firstBlob, endBlob).entries())
      writeBlob(table, at, { ...location, type, id });
    const piece = { lane, name, packBytes: sizeBytes, start, blobs: table };
    const answer = await pool.run<"pack">({ kind: "pack", piece, bytes: ownMemory(bytes) });
    found = answer.problems;
  }
  return found;
}

/** The bytes in memory that holds nothing else, so that it can be handed over. */
function ownMemory(bytes: Buffer): Uint8Array<ArrayBuffer> {
  const { buffer } = bytes;
  return buffer instanceof ArrayBuffer && buffer.byteLength === bytes.byteLength
    ? new Uint8Array(buffer)
    : new Uint8Array(bytes);
}
