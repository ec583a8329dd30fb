// Chunks of one length, for database files whose pages are rewritten in place.

import { HoldfastError } from "../errors.ts";
import type { Chunker } from "./chunker.ts";

/** Cuts runs of pages: as every run has the same length, each begins at a multiple of it in the file. */
export class PageChunker implements Chunker {
  readonly minBytes: number;
  readonly maxBytes: number;

  /** @param runBytes the length of a run, a multiple of the database's page size. */
  constructor(runBytes: number) {
    if (!Number.isSafeInteger(runBytes) || runBytes <= 0) {
      throw new HoldfastError("internal", `a run of pages cannot have ${runBytes} bytes`);
    }
    this.minBytes = runBytes;
    this.maxBytes = runBytes;
  }

  cut(_offset: number, lengthBytes: number, last: boolean): number {
    if (lengthBytes >= this.maxBytes) return this.maxBytes;
    return last ? lengthBytes : 0;
  }
}
