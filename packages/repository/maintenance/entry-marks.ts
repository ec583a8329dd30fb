// One bit for each entry of a blob table that no longer grows.
import type { BlobIndex } from "../index/blob-index.ts";

export class EntryMarks {
  readonly #marked: Uint8Array;

  constructor(index: BlobIndex) {
    this.#marked = new Uint8Array((index.size >> 3) + 1);
  }

  has(entry: number): boolean {
    return (this.#marked[entry >> 3]! & (1 << (entry & 7))) !== 0;
  }

  /** False when it was marked before. */
  mark(entry: number): boolean {
    if (this.has(entry)) return false;
    this.#marked[entry >> 3]! |= 1 << (entry & 7);
    return true;
  }
}
