// Stores blobs one at a time on the main thread, in packs of one type: trees of a backup, and all that maintenance moves.
import { hash } from "node:crypto";
import type { Sealer } from "../codec/seal.ts";
import { sealOverheadBytes } from "../codec/seal.ts";
import { sealPack } from "../format/pack.ts";
import type { BlobIndex, BlobType } from "../index/blob-index.ts";
import type { Repository } from "../store/repository.ts";
import type { BlobTotals, SealedBlob } from "./blob-writer.ts";
import { BlobWriter } from "./blob-writer.ts";
import type { SlotBlob } from "./pack-slots.ts";
import { maximumBlobsPerPack, packTargetBytes } from "./pack-slots.ts";
import type { PackStore } from "./pack-store.ts";

/** Trees compress well and are read often: smaller packs than those of data keep memory and read-ahead low. */
const targetBytes: Readonly<Record<BlobType, number>> = { tree: 4 * 1024 * 1024, data: packTargetBytes };
/** For the blob that fills the pack and the header; memory that is not touched costs nothing. */
const packSlackBytes = 4 * 1024 * 1024;
const scratchBytes = 256 * 1024;

/** Sealed bytes with the number that their blob got in the index when it was claimed. */
export interface ClaimedBlob {
  readonly entry: number;
  readonly bytes: Uint8Array;
  /** 0 if it is not compressed. */
  readonly plainLength: number;
}

export class BlobSaver {
  readonly #type: BlobType;
  readonly #index: BlobIndex;
  readonly #sealer: Sealer;
  readonly #packs: PackStore;
  readonly #blobs: BlobWriter;
  #open: SlotBlob[] = [];
  /** The open pack; used again once it is stored, since `flush` waits for that. */
  #bytes: Buffer;
  #usedBytes = 0;
  #storing: Promise<void> | null = null;

  /** Claims what it stores in `index`, which `packs` has too. Who made it ends with `flush`, then `packs.finish()`. */
  constructor(repository: Repository, index: BlobIndex, packs: PackStore, type: BlobType) {
    this.#type = type;
    this.#index = index;
    this.#sealer = repository.sealer;
    this.#packs = packs;
    this.#bytes = Buffer.allocUnsafeSlow(targetBytes[type] + packSlackBytes);
    const scratch = (): Buffer => Buffer.allocUnsafeSlow(scratchBytes);
    this.#blobs = new BlobWriter({
      index,
      sealer: repository.sealer,
      compressor: repository.compressor,
      decompressor: repository.decompressor,
      scratch: { sealed: scratch(), inflated: scratch() },
      append: (blob, check) => this.#append(blob, check),
    });
  }

  get totals(): BlobTotals {
    return this.#blobs.totals;
  }

  /** Stores plain bytes unless they are known. Returns their id; waits while a full pack is on its way to the storage. */
  async save(plain: Buffer): Promise<string> {
    await this.#untilWritable();
    const id = this.#blobs.save(plain, this.#type).toString("hex");
    await this.#flushIfFull();
    return id;
  }

  /** Stores a sealed blob whose `entry` was claimed in the index. Whoever gives it has verified it. */
  async add({ entry, bytes, plainLength }: ClaimedBlob): Promise<void> {
    await this.#untilWritable();
    const sealed = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#append({ bytes: sealed, entry, plainLength }, () => undefined);
    this.totals.blobs++;
    this.totals.plainBytes += plainLength > 0 ? plainLength : bytes.length - sealOverheadBytes;
    this.totals.sealedBytes += bytes.length;
    await this.#flushIfFull();
  }

  /** Sends the open pack, full or not, to the storage. */
  async flush(): Promise<void> {
    await this.#untilWritable();
    if (this.#open.length === 0) return;
    this.#storing = this.#store();
    try {
      await this.#storing;
    } finally {
      this.#storing = null;
    }
  }

  /** A pack that is being stored must not be written to; while one waited, another may have begun the next. */
  async #untilWritable(): Promise<void> {
    while (this.#storing) await this.#storing;
  }

  async #flushIfFull(): Promise<void> {
    if (this.#usedBytes >= targetBytes[this.#type] || this.#open.length >= maximumBlobsPerPack) await this.flush();
  }

  async #store(): Promise<void> {
    const type = this.#type;
    const entries = this.#open.map(({ entry, ...place }) => ({ ...place, id: this.#index.idOf(entry), type }));
    const header = sealPack(entries, this.#sealer);
    this.#reserve(header.length);
    header.copy(this.#bytes, this.#usedBytes);
    const pack = this.#bytes.subarray(0, this.#usedBytes + header.length);
    await this.#packs.store({ id: hash("sha256", pack), type, pieces: [pack], blobs: this.#open });
    this.#open = [];
    this.#usedBytes = 0;
  }

  #append({ bytes, entry, plainLength }: SealedBlob, check: (copy: Buffer) => void): void {
    this.#reserve(bytes.length);
    bytes.copy(this.#bytes, this.#usedBytes);
    check(this.#bytes.subarray(this.#usedBytes, this.#usedBytes + bytes.length));
    this.#open.push({ entry, offset: this.#usedBytes, lengthBytes: bytes.length, plainLength });
    this.#usedBytes += bytes.length;
  }

  #reserve(moreBytes: number): void {
    if (this.#usedBytes + moreBytes <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, this.#usedBytes + moreBytes));
    this.#bytes.copy(larger, 0, 0, this.#usedBytes);
    this.#bytes = larger;
  }
}
