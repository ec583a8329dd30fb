// Moves the blobs that are needed out of some packs into new ones, each verified, sealed as it is.
import { hasCode } from "../../errors.ts";
import type { PackedBlob } from "../../format/pack.ts";
import { BlobIndex } from "../../index/blob-index.ts";
import type { Repository } from "../../store/repository.ts";
import { BlobSaver } from "../../writer/blob-saver.ts";
import { PackStore } from "../../writer/pack-store.ts";
import type { BlobMarks } from "../blob-marks.ts";
import type { CheckedIndex, PackBlob } from "../check/check-index.ts";
import type { DamagedBlob, VerifiedBlob } from "../pack-blobs.ts";
import { readPackBlobs } from "../pack-blobs.ts";
import { packedBlob } from "../repair/repair-index.ts";

/** While the blobs of one pack are verified, those of others are read. */
const packsAtOnce = 4;
/** While a full pack is on its way to the storage, another one is filled. */
const openDataPacks = 2;

export interface RepackRequest {
  readonly checked: CheckedIndex;
  /** What snapshots need. */
  readonly marks: BlobMarks;
  /** The packs that are to be emptied. */
  readonly packs: ReadonlySet<string>;
  /** True for a pack that stays: what lies in it need not be moved. */
  readonly stays: (pack: string) => boolean;
  /** Compresses data that is not compressed on the way; trees always are, where the repository knows compression. */
  readonly compressData: boolean;
  /** All index files there are. */
  readonly indexFiles: ReadonlySet<string>;
  readonly throwIfAborted: () => void;
  readonly onProgress: (packs: number) => void;
}

export interface Repacked {
  readonly blobs: number;
  readonly packs: number;
  readonly bytes: number;
}

/**
 * When it resolves, every needed blob of `packs` lies in a pack that stays or is new; the new ones are durable and in
 * the index. A blob whose copy is damaged is taken from another copy; `damaged` when there is none. Nothing is removed,
 * except that a lack of space or damage takes back what was stored in vain. Memory: two open packs of data and one of
 * trees, and four reads of some 4 MiB.
 */
export async function repack(repository: Repository, request: RepackRequest): Promise<Repacked> {
  // A table of its own, because the repository's knows all these blobs.
  const moved = BlobIndex.create(0);
  const packs = new PackStore(repository, moved, { dryRun: false, readBack: false, mayWrite: Promise.resolve() });
  try {
    await new BlobMover(repository, request, moved, packs).run();
    await packs.finish();
  } catch (error) {
    if (hasCode(error, "no-space") || hasCode(error, "damaged"))
      await takeBack(repository, moved.packs, request.indexFiles).catch(() => undefined);
    throw error;
  }
  return { blobs: moved.size, packs: moved.packs.length, bytes: packs.storedBytes };
}

/** Removes packs that were stored, unless an index file says already that they are there. */
async function takeBack(
  repository: Repository,
  packs: readonly string[],
  indexFiles: ReadonlySet<string>,
): Promise<void> {
  for await (const { name } of repository.storage.list("index")) if (!indexFiles.has(name)) return;
  for (const pack of packs) await repository.storage.remove("pack", pack);
}

interface Move {
  readonly pack: string;
  readonly blobs: readonly PackedBlob[];
}

class BlobMover {
  readonly #repository: Repository;
  readonly #request: RepackRequest;
  /** What was moved, and where to. */
  readonly #moved: BlobIndex;
  readonly #trees: BlobSaver;
  readonly #data: readonly BlobSaver[];
  #packsDone = 0;

  constructor(repository: Repository, request: RepackRequest, moved: BlobIndex, packs: PackStore) {
    this.#repository = repository;
    this.#request = request;
    this.#moved = moved;
    this.#trees = new BlobSaver(repository, moved, packs, "tree");
    this.#data = Array.from({ length: openDataPacks }, () => new BlobSaver(repository, moved, packs, "data"));
  }

  async run(): Promise<void> {
    const moves = movesOf(this.#request);
    // Whoever fails ends the moves for all: then the others only finish their pack.
    const lane = async (_: unknown, at: number): Promise<void> => {
      for (const move of moves) await this.#move(move, this.#data[at % openDataPacks]!);
    };
    const ends = await Promise.allSettled(Array.from({ length: packsAtOnce }, lane));
    for (const end of ends) if (end.status === "rejected") throw end.reason;
    for (const saver of [this.#trees, ...this.#data]) await saver.flush();
  }

  async #move({ pack, blobs }: Move, data: BlobSaver): Promise<void> {
    for await (const found of readPackBlobs(this.#repository, pack, blobs)) {
      this.#request.throwIfAborted();
      const blob = "error" in found ? await this.#readOther(found, pack) : found;
      await this.#save(blob, blob.blob.type === "tree" ? this.#trees : data);
    }
    this.#request.onProgress(++this.#packsDone);
  }

  /** From the other copies of a blob. */
  async #readOther({ blob, error }: DamagedBlob, pack: string): Promise<VerifiedBlob> {
    for (const location of this.#request.checked.index.locations(blob.id, blob.type)) {
      if (location.pack === pack) continue;
      for await (const found of readPackBlobs(this.#repository, location.pack, [{ ...blob, ...location }]))
        if (!("error" in found)) return found;
    }
    throw error;
  }

  async #save({ blob, sealed, plain }: VerifiedBlob, saver: BlobSaver): Promise<void> {
    const { id, type, plainLength } = blob;
    if (plainLength === 0 && (type === "tree" || this.#request.compressData)) {
      await saver.save(plain);
      return;
    }
    const entry = this.#moved.claim(Buffer.from(id, "hex"), type);
    // Another copy was faster.
    if (entry < 0) return;
    await saver.add({ entry, bytes: sealed, plainLength });
  }
}

function* movesOf(request: RepackRequest): Generator<Move, void, undefined> {
  const { checked, marks, packs } = request;
  const staying = marks.duplicates === 0 ? null : stayingBlobs(request);
  const mustMove = ({ id, type }: PackBlob): boolean =>
    marks.has(id, type) && (staying === null || staying[checked.index.entryOf(id, type)] === 0);
  for (const { pack, blobs } of checked.contents()) {
    if (!packs.has(pack.name)) continue;
    yield { pack: pack.name, blobs: blobs.filter(mustMove).map(packedBlob) };
  }
}

/** By the number of its newest entry: whether a blob has a copy in a pack that stays. */
function stayingBlobs({ checked, stays }: RepackRequest): Uint8Array {
  const staying = new Uint8Array(checked.index.size);
  for (const { pack, blobs } of checked.contents()) {
    if (stays(pack.name)) for (const { id, type } of blobs) staying[checked.index.entryOf(id, type)] = 1;
  }
  return staying;
}
