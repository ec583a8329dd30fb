// Puts finished packs into the storage and keeps the index files in step: packs first, then the index that names them.
import { hash } from "node:crypto";
import { HoldfastError } from "../errors.ts";
import { encodeIndex } from "../format/index-file.ts";
import type { PackedBlob } from "../format/pack.ts";
import type { BlobIndex, BlobType } from "../index/blob-index.ts";
import type { Repository } from "../store/repository.ts";
import type { SlotBlob } from "./pack-slots.ts";

/** An index file is written when this many blobs wait for one, also while the backup runs; restic: at most 50,000. */
const blobsPerIndexFile = 25_000;

export interface FinishedPack {
  readonly id: string;
  readonly type: BlobType;
  readonly pieces: readonly Uint8Array[];
  readonly blobs: readonly SlotBlob[];
}

interface WaitingPack {
  readonly id: string;
  readonly type: BlobType;
  readonly blobs: Uint32Array;
}

export interface PackStoreOptions {
  /** Counts and claims as usual, but nothing reaches the storage. */
  readonly dryRun: boolean;
  /** Reads each pack back from the storage and compares its hash. */
  readonly readBack: boolean;
  /** Resolves when the lock on the repository is certain: nothing is written before. */
  readonly mayWrite: Promise<void>;
}

/** Not durable until `finish` has resolved; a failure of any put makes every later call fail with it. */
export class PackStore {
  readonly #repository: Repository;
  readonly #index: BlobIndex;
  readonly #options: PackStoreOptions;
  readonly #underWay = new Set<Promise<void>>();
  /** Packs that no index file names yet, with their blobs as four numbers each: there may be many. */
  #waiting: WaitingPack[] = [];
  #waitingBlobs = 0;
  #failure: unknown = null;
  storedBytes = 0;

  constructor(repository: Repository, index: BlobIndex, options: PackStoreOptions) {
    this.#repository = repository;
    this.#index = index;
    this.#options = options;
  }

  /** Stores one pack; resolves when it is durable and its bytes may be overwritten. */
  async store(pack: FinishedPack): Promise<void> {
    this.throwIfFailed();
    const work = this.#store(pack);
    this.#underWay.add(work);
    try {
      await work;
    } catch (error) {
      this.#failure ??= error;
      throw error;
    } finally {
      this.#underWay.delete(work);
    }
  }

  throwIfFailed(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  /** Waits for all packs and writes the last index file. After this a snapshot may name the blobs. */
  async finish(): Promise<void> {
    await Promise.allSettled(this.#underWay);
    this.throwIfFailed();
    await this.#options.mayWrite;
    await this.#flushIndex();
  }

  async #store(pack: FinishedPack): Promise<void> {
    const sizeBytes = pack.pieces.reduce((sum, piece) => sum + piece.length, 0);
    this.storedBytes += sizeBytes;
    if (this.#options.dryRun) return;
    await this.#options.mayWrite;
    if (pack.type === "tree") this.#repository.treePacks.add(pack.id);
    await this.#repository.storage.put("pack", pack.id, pack.pieces);
    if (this.#options.readBack) await this.#readBack(pack.id);
    this.#register(pack);
    if (this.#waitingBlobs >= blobsPerIndexFile) await this.#flushIndex();
  }

  async #readBack(id: string): Promise<void> {
    const bytes = await this.#repository.storage.read("pack", id);
    if (hash("sha256", bytes) === id) return;
    throw new HoldfastError("damaged", `pack ${id} came back from ${this.#repository.storage.location} changed`, {
      hint: "check the disk or the server: what it was given is not what it stored",
      context: { pack: id },
    });
  }

  #register(pack: FinishedPack): void {
    const number = this.#index.packNumber(pack.id);
    const blobs = new Uint32Array(pack.blobs.length * 4);
    for (const [i, { entry, offset, lengthBytes, plainLength }] of pack.blobs.entries()) {
      this.#index.place(entry, number, offset, lengthBytes, plainLength);
      blobs.set([entry, offset, lengthBytes, plainLength], i * 4);
    }
    this.#waiting.push({ id: pack.id, type: pack.type, blobs });
    this.#waitingBlobs += pack.blobs.length;
  }

  async #flushIndex(): Promise<void> {
    if (this.#waiting.length === 0) return;
    const packs = this.#waiting;
    this.#waiting = [];
    this.#waitingBlobs = 0;
    await this.#repository.saveUnpacked(
      "index",
      encodeIndex(packs.map((pack) => ({ id: pack.id, blobs: this.#described(pack) }))),
    );
  }

  *#described({ type, blobs }: WaitingPack): Generator<PackedBlob, void, undefined> {
    for (let at = 0; at < blobs.length; at += 4) {
      const id = this.#index.idOf(blobs[at]!).toString("hex");
      yield { id, type, offset: blobs[at + 1]!, lengthBytes: blobs[at + 2]!, plainLength: blobs[at + 3]! };
    }
  }
}
