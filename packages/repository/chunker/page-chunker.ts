// Chunks by position, for database files whose pages are rewritten in place.

import { HoldfastError } from "../errors.ts";
import type { Chunker } from "./chunker.ts";

/** As long as restic's chunks are on average: longer ones gain nothing. */
const longestRunBytes = 1 << 20;

/**
 * Cuts runs of pages. Each begins at a multiple of its length, and the length depends on nothing but the position: a
 * file that grows keeps every run but its last. From `doublesAtBytes` on the runs double whenever the position does,
 * so that the number of runs of a large file stays small.
 */
export class PageChunker implements Chunker {
  readonly minBytes: number;
  readonly maxBytes: number;
  #position = 0;
  #runBytes: number;
  #doublesAtBytes: number;

  /**
   * For one file, from its beginning.
   * @param runBytes the length of the first runs, a multiple of the database's page size.
   * @param doublesAtBytes a multiple of two runs.
   */
  constructor(runBytes: number, doublesAtBytes: number) {
    const possible = Number.isSafeInteger(runBytes) && runBytes > 0;
    if (!possible || doublesAtBytes <= 0 || doublesAtBytes % (2 * runBytes) !== 0) {
      throw new HoldfastError("internal", `runs of pages cannot have ${runBytes} bytes up to ${doublesAtBytes}`);
    }
    this.minBytes = runBytes;
    this.maxBytes = Math.max(runBytes, longestRunBytes);
    this.#runBytes = runBytes;
    this.#doublesAtBytes = doublesAtBytes;
  }

  cut(_offset: number, lengthBytes: number, last: boolean): number {
    if (this.#position === this.#doublesAtBytes && 2 * this.#runBytes <= this.maxBytes) {
      this.#runBytes *= 2;
      this.#doublesAtBytes *= 2;
    }
    if (lengthBytes < this.#runBytes && !last) return 0;
    const cut = Math.min(lengthBytes, this.#runBytes);
    this.#position += cut;
    return cut;
  }
}
