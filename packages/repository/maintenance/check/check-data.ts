// Reads all bytes of packs in pieces and has worker threads verify them, with a bound on the bytes in memory.
import { hasCode } from "../../errors.ts";
import type { Repository } from "../../store/repository.ts";
import type { DamageLog } from "./check-damage.ts";
import { blobKey, problemOf } from "./check-damage.ts";
import type { CheckedIndex, PackBlob } from "./check-index.ts";
import type { CheckPool } from "./check-pool.ts";
import { packPieces } from "../pack-pieces.ts";
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
  options: {
    pool: CheckPool;
    isChosen: (pack: string) => boolean;
    progress: (bytes: number) => void;
    throwIfAborted: () => void;
  },
): Promise<DataRead> {
  const read: DataRead = { packs: 0, bytes: 0 };
  const { pool } = options;
  const contents = checked.contents();
  let passedBytes = 0;
  const run = async (lane: number): Promise<void> => {
    // All lanes take from the same contents.
    for (let next = contents.next(); !next.done; next = contents.next()) {
      const { pack, blobs } = next.value;
      const sizeBytes = sizes.get(pack.name);
      // Found missing before.
      if (sizeBytes === undefined || !options.isChosen(pack.name)) continue;
      options.throwIfAborted();
      const isRead = await verifyPack(repository, pool, lane, { name: pack.name, sizeBytes, blobs }, log);
      passedBytes += sizeBytes;
      options.progress(passedBytes);
      if (!isRead) continue;
      read.packs++;
      read.bytes += sizeBytes;
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

/** False when the storage does not give it; what is wrong with it is in the log then, too. */
async function verifyPack(
  repository: Repository,
  pool: CheckPool,
  lane: number,
  pack: ExpectedPack,
  log: DamageLog,
): Promise<boolean> {
  const { name } = pack;
  try {
    const problems = await problemsOf(repository, pool, lane, pack);
    for (const { problem, blob } of problems)
      log.pack(name, "pack-damaged", problem, blob ? [blobKey(blob.type, blob.id)] : []);
    const lost = problems.filter(({ blob }) => blob !== null).length;
    if (lost > 0 && lost === pack.blobs.length) log.losesAll(name);
    return true;
  } catch (error) {
    const isMissing = hasCode(error, "not-found");
    const problem =
      hasCode(error, "damaged") || isMissing ? problemOf(error) : `it cannot be read: ${problemOf(error)}`;
    log.pack(name, isMissing ? "pack-missing" : "pack-damaged", problem, "all");
    return false;
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
