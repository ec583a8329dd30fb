// Stores tree blobs: hashes, skips the known, compresses, seals, and gathers them in packs of their own.
import { hash } from "node:crypto";
import type { Sealer } from "../codec/seal.ts";
import type { Compressor, Decompressor } from "../codec/zstd.ts";
import { HoldfastError } from "../errors.ts";
import { sealPack } from "../format/pack.ts";
import type { BlobIndex } from "../index/blob-index.ts";
import type { BlobTotals } from "./blob-writer.ts";
import type { SlotBlob } from "./pack-slots.ts";
import { maximumBlobsPerPack } from "./pack-slots.ts";
import type { PackStore } from "./pack-store.ts";

/** Trees compress well and are read often: smaller packs than those of data keep memory and read-ahead low. */
const treePackTargetBytes = 8 * 1024 * 1024;

/** Works on the main thread; one tree at a time. */
export class TreeSaver {
  readonly totals: BlobTotals = { blobs: 0, plainBytes: 0, sealedBytes: 0 };
  readonly #index: BlobIndex;
  readonly #sealer: Sealer;
  readonly #compressor: Compressor | null;
  readonly #decompressor: Decompressor;
  readonly #packs: PackStore;
  #pieces: Buffer[] = [];
  #blobs: SlotBlob[] = [];
  #usedBytes = 0;

  constructor(index: BlobIndex, sealer: Sealer, zstd: { compressor: Compressor | null; decompressor: Decompressor }, packs: PackStore) {
    this.#index = index;
    this.#sealer = sealer;
    this.#compressor = zstd.compressor;
    this.#decompressor = zstd.decompressor;
    this.#packs = packs;
  }

  /** Stores the JSON of one tree. Returns its id; waits while a full pack is on its way to the storage. */
  async save(json: Buffer): Promise<string> {
    const id = hash("sha256", json, "buffer");
    const entry = this.#index.claim(id, "tree");
    if (entry >= 0) {
      this.#add(json, entry);
      if (this.#usedBytes >= treePackTargetBytes || this.#blobs.length >= maximumBlobsPerPack) await this.flush();
    }
    return id.toString("hex");
  }

  /** Sends the open pack, full or not, to the storage. */
  async flush(): Promise<void> {
    if (this.#blobs.length === 0) return;
    const blobs = this.#blobs;
    const pieces = this.#pieces;
    this.#blobs = [];
    this.#pieces = [];
    this.#usedBytes = 0;
    const entries = blobs.map((blob) => ({
      ...blob,
      id: this.#index.idOf(blob.entry),
      type: "tree" as const,
    }));
    const all = Buffer.concat([...pieces, sealPack(entries, this.#sealer)]);
    await this.#packs.store({ id: hash("sha256", all), type: "tree", pieces: [all], blobs });
  }

  #add(json: Buffer, entry: number): void {
    const packed = this.#compressor?.compress(json);
    const sealed = this.#sealer.seal(packed ?? json);
    const opened = this.#sealer.open(sealed);
    const same = packed ? this.#decompressor.decompress(opened, json.length).equals(json) : opened.equals(json);
    if (!same) throw new HoldfastError("internal", "a sealed tree does not open to the bytes it was made from");
    this.#blobs.push({ entry, offset: this.#usedBytes, lengthBytes: sealed.length, plainLength: packed ? json.length : 0 });
    this.#pieces.push(sealed);
    this.#usedBytes += sealed.length;
    this.totals.blobs++;
    this.totals.plainBytes += json.length;
    this.totals.sealedBytes += sealed.length;
  }
}
