// Carries blobs from one repository to another, pack by pack: read ahead, verified and sealed anew by threads, stored.
import { randomInt } from "node:crypto";
import { hasCode } from "../../errors.ts";
import { idBytes } from "../../format/id.ts";
import type { PackedBlob } from "../../format/pack.ts";
import type { BlobIndex, BlobType } from "../../index/blob-index.ts";
import { BlobSaver } from "../../writer/blob-saver.ts";
import type { PackStore } from "../../writer/pack-store.ts";
import type { CopyPlaces } from "./copy-walk.ts";
import { answerWords, taskWords } from "./copy-tasks.ts";
import { inLanes } from "../in-lanes.ts";
import { groupsOf } from "../pack-blobs.ts";

/** How many pieces of packs, each of some 4 MiB, are on their way at once. */
const piecesAtOnce = 6;
/** What was stored gets an index file after so much, or so long: a copy that dies has not to store it again. */
const indexAfterBytes = 1024 * 1024 * 1024;
const indexAfterMs = 60_000;

export interface CopyCounts {
  blobs: number;
  /** Sealed, in the source. */
  bytes: number;
}

interface Piece {
  readonly pack: string;
  readonly blobs: readonly PackedBlob[];
}

export class BlobCarrier {
  readonly counts: CopyCounts = { blobs: 0, bytes: 0 };
  readonly #places: CopyPlaces;
  readonly #packs: PackStore;
  /** Two packs of data are open at a time, so that how blobs follow each other says less about what they hold. */
  readonly #savers: Readonly<Record<BlobType, readonly BlobSaver[]>>;
  readonly #onProgress: () => void;
  #indexedBytes = 0;
  #indexedAtMs: number;

  constructor(places: CopyPlaces, packs: PackStore, onProgress: () => void) {
    this.#places = places;
    this.#packs = packs;
    this.#onProgress = onProgress;
    const { destination, destinationIndex } = places;
    const saver = (type: BlobType): BlobSaver => new BlobSaver(destination, destinationIndex, packs, type);
    this.#savers = { data: [saver("data"), saver("data")], tree: [saver("tree")] };
    this.#indexedAtMs = destination.now().getTime();
  }

  /** Carries these entries of the source's index; when it resolves they are durable and in the index there. */
  async carry(entries: Uint32Array): Promise<void> {
    const pieces = piecesOf(this.#places.sourceIndex, entries);
    // All lanes take from the same pieces.
    const next = (): Piece | undefined => pieces.next().value ?? undefined;
    await inLanes(piecesAtOnce, next, async (piece) => {
      this.#places.throwIfAborted();
      this.#packs.throwIfFailed();
      await this.#carryPiece(piece);
      await this.#indexInTime();
      this.#onProgress();
    });
    for (const saver of [...this.#savers.data, ...this.#savers.tree]) await saver.flush();
    this.#places.throwIfAborted();
    await this.#index();
  }

  async #carryPiece(piece: Piece): Promise<void> {
    const read = await this.#read(piece);
    if (read === null) {
      for (const blob of piece.blobs) await this.#rescue(blob);
      return;
    }
    const { pool } = this.#places;
    const answer = await pool.run<"blobs">({ kind: "blobs", bytes: read, ...describe(piece.blobs) });
    const saver = this.#saverFor(piece.blobs[0]!.type);
    let used = 0;
    for (const [at, blob] of piece.blobs.entries()) {
      const lengthBytes = answer.places[at * answerWords]!;
      if (lengthBytes === 0) {
        await this.#rescue(blob);
        continue;
      }
      const bytes = answer.bytes.subarray(used, used + lengthBytes);
      used += lengthBytes;
      const entry = this.#places.destinationIndex.claim(Buffer.from(blob.id, "hex"), blob.type);
      if (entry >= 0) await saver.add({ entry, bytes, plainLength: answer.places[at * answerWords + 1]! });
      this.#count(blob);
    }
    // Given back at once: the collector does not know how much memory hangs on so small an object.
    answer.bytes.buffer.transfer(0);
  }

  /** The bytes from the first blob on to the last; null when the pack is missing, or has not so many. */
  async #read({ pack, blobs }: Piece): Promise<Uint8Array<ArrayBuffer> | null> {
    const offset = blobs[0]!.offset;
    const end = Math.max(...blobs.map((blob) => blob.offset + blob.lengthBytes));
    try {
      return ownMemory(await this.#places.source.storage.read("pack", pack, { offset, lengthBytes: end - offset }));
    } catch (error) {
      if (hasCode(error, "damaged") || hasCode(error, "not-found")) return null;
      throw error;
    }
  }

  /** A blob whose copy in this pack is damaged: another copy will do, and is stored from its content. */
  async #rescue(blob: PackedBlob): Promise<void> {
    try {
      await this.#saverFor(blob.type).save(await this.#places.source.loadBlob(blob.type, blob.id));
      this.#count(blob);
    } catch (error) {
      if (!hasCode(error, "damaged")) throw error;
      this.#places.losses.add(blob.type, blob.id, error);
    }
  }

  #saverFor(type: BlobType): BlobSaver {
    const savers = this.#savers[type];
    return savers[randomInt(savers.length)]!;
  }

  #count({ lengthBytes }: PackedBlob): void {
    this.counts.blobs++;
    this.counts.bytes += lengthBytes;
  }

  async #indexInTime(): Promise<void> {
    const waitingBytes = this.#packs.storedBytes - this.#indexedBytes;
    const waitedMs = this.#places.destination.now().getTime() - this.#indexedAtMs;
    if (waitingBytes > indexAfterBytes || (waitingBytes > 0 && waitedMs > indexAfterMs)) await this.#index();
  }

  async #index(): Promise<void> {
    this.#indexedBytes = this.#packs.storedBytes;
    this.#indexedAtMs = this.#places.destination.now().getTime();
    await this.#packs.finish();
  }
}

/** The blobs of these entries as they are best read: the packs in the order of the index, each from its beginning. */
function* piecesOf(index: BlobIndex, entries: Uint32Array): Generator<Piece, void, undefined> {
  let pack = "";
  let blobs: PackedBlob[] = [];
  for (const entry of entries) {
    const found = index.blobAt(entry);
    if (!found) continue;
    if (found.location.pack !== pack) {
      yield* groupsIn(pack, blobs);
      pack = found.location.pack;
      blobs = [];
    }
    blobs.push({ ...found.location, id: found.id.toString("hex"), type: found.type });
  }
  yield* groupsIn(pack, blobs);
}

/** Old repositories have packs of both types: they come apart, since packs here are of one. */
function* groupsIn(pack: string, blobs: readonly PackedBlob[]): Generator<Piece, void, undefined> {
  const sorted = blobs.toSorted((a, b) => a.offset - b.offset);
  for (const type of ["tree", "data"] as const)
    for (const group of groupsOf(sorted.filter((blob) => blob.type === type))) yield { pack, blobs: group };
}

function describe(blobs: readonly PackedBlob[]): { places: Uint32Array<ArrayBuffer>; ids: Uint8Array<ArrayBuffer> } {
  const places = new Uint32Array(blobs.length * taskWords);
  const ids = Buffer.alloc(blobs.length * idBytes);
  const start = blobs[0]!.offset;
  for (const [at, { offset, lengthBytes, plainLength, id }] of blobs.entries()) {
    places.set([offset - start, lengthBytes, plainLength], at * taskWords);
    ids.write(id, at * idBytes, "hex");
  }
  return { places, ids };
}

/** The bytes in memory that holds nothing else, so that it can be handed over. */
function ownMemory(bytes: Buffer): Uint8Array<ArrayBuffer> {
  const { buffer } = bytes;
  return buffer instanceof ArrayBuffer && buffer.byteLength === bytes.byteLength
    ? new Uint8Array(buffer)
    : new Uint8Array(bytes);
}
