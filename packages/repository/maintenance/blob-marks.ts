// Marks on the blobs of a table that no longer grows: which of them were met.
import type { BlobIndex, BlobType } from "../index/blob-index.ts";

/**
 * One bit a blob, and some eight bytes to find it: an open-addressing table of entry numbers whose ids stay in the
 * index. A blob with several copies has one mark.
 */
export class BlobMarks {
  readonly #index: BlobIndex;
  readonly #slots: Uint32Array;
  readonly #isTree: Uint8Array;
  readonly #marked: Uint8Array;
  /** Entries that are further copies of a blob. */
  readonly duplicates: number;

  constructor(index: BlobIndex) {
    this.#index = index;
    const count = index.size;
    let slots = 1024;
    while (slots < count * 1.5) slots *= 2;
    this.#slots = new Uint32Array(slots);
    this.#isTree = new Uint8Array((count >> 3) + 1);
    this.#marked = new Uint8Array((count >> 3) + 1);
    let entry = 0;
    let duplicates = 0;
    for (const { id, type } of index.blobs()) {
      if (type === "tree") this.#isTree[entry >> 3]! |= 1 << (entry & 7);
      const slot = this.#slot(id, type);
      if (this.#slots[slot] === 0) this.#slots[slot] = entry + 1;
      else duplicates++;
      entry++;
    }
    this.duplicates = duplicates;
  }

  /** Marks a blob (`id` is 32 bytes): `unknown` when it is in no index, `again` when it was marked before. */
  mark(id: Buffer, type: BlobType): "new" | "again" | "unknown" {
    const link = this.#slots[this.#slot(id, type)]!;
    if (link === 0) return "unknown";
    const entry = link - 1;
    const bit = 1 << (entry & 7);
    if (this.#marked[entry >> 3]! & bit) return "again";
    this.#marked[entry >> 3]! |= bit;
    return "new";
  }

  has(id: Buffer, type: BlobType): boolean {
    const link = this.#slots[this.#slot(id, type)]!;
    return link !== 0 && (this.#marked[(link - 1) >> 3]! & (1 << ((link - 1) & 7))) !== 0;
  }

  /** The slot of a blob, or the empty one where it would be. */
  #slot(id: Buffer, type: BlobType): number {
    const mask = this.#slots.length - 1;
    const isTree = type === "tree" ? 1 : 0;
    // Not the first bytes: the index has its buckets by these.
    for (let slot = id.readUInt32LE(8) & mask; ; slot = (slot + 1) & mask) {
      const link = this.#slots[slot]!;
      if (link === 0) return slot;
      const entry = link - 1;
      if (((this.#isTree[entry >> 3]! >> (entry & 7)) & 1) === isTree && this.#index.idOf(entry).equals(id))
        return slot;
    }
  }
}
