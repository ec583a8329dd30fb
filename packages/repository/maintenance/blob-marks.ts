// Marks on the blobs of a table that no longer grows: which of them were met.
import type { BlobIndex, BlobType } from "../index/blob-index.ts";

/** One bit a blob: a blob with several copies has one mark, that of its newest entry. */
export class BlobMarks {
  readonly #index: BlobIndex;
  readonly #marked: Uint8Array;
  /** Entries that are further copies of a blob, and their sealed bytes. */
  readonly duplicates: number;
  readonly duplicateBytes: number;

  constructor(index: BlobIndex) {
    this.#index = index;
    this.#marked = new Uint8Array((index.size >> 3) + 1);
    let duplicates = 0;
    let duplicateBytes = 0;
    index.eachPlace((entry, _type, _pack, _offset, lengthBytes) => {
      if (entry === index.newestOf(entry)) return;
      duplicates++;
      duplicateBytes += lengthBytes;
    });
    this.duplicates = duplicates;
    this.duplicateBytes = duplicateBytes;
  }

  /** Marks a blob (`id` is 32 bytes): `unknown` when it is in no index, `again` when it was marked before. */
  mark(id: Buffer, type: BlobType): "new" | "again" | "unknown" {
    const entry = this.#index.entryOf(id, type);
    if (entry < 0) return "unknown";
    if (this.#isMarked(entry)) return "again";
    this.#marked[entry >> 3]! |= 1 << (entry & 7);
    return "new";
  }

  has(id: Buffer, type: BlobType): boolean {
    const entry = this.#index.entryOf(id, type);
    return entry >= 0 && this.#isMarked(entry);
  }

  /** The same by any entry of the blob. */
  hasEntry(entry: number): boolean {
    return this.#isMarked(entry) || this.#isMarked(this.#index.newestOf(entry));
  }

  #isMarked(entry: number): boolean {
    return (this.#marked[entry >> 3]! & (1 << (entry & 7))) !== 0;
  }
}
