// Content-defined chunks by Rabin fingerprints, with the cuts that restic's chunker makes.

import { rabinWindowBytes } from "../kernel/kernel.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { Region } from "../kernel/arena.ts";
import { HoldfastError } from "../errors.ts";
import type { Chunker } from "./chunker.ts";

export interface RabinLimits {
  readonly minBytes: number;
  readonly maxBytes: number;
  /** A cut is expected every 2^maskBits bytes behind the minimum. */
  readonly maskBits: number;
}

/** What restic uses for every file (its chunker's defaults): a repository shared with it needs these. */
export const fileLimits: RabinLimits = { minBytes: 512 * 1024, maxBytes: 8 * 1024 * 1024, maskBits: 20 };

/** For uncompressed dumps, where small changes are scattered over the whole: 16 KiB where restic has 1 MiB. */
export const smallLimits: RabinLimits = { minBytes: 4 * 1024, maxBytes: 64 * 1024, maskBits: 14 };

export class RabinChunker implements Chunker {
  readonly minBytes: number;
  readonly maxBytes: number;
  readonly #maskBits: number;
  readonly #kernel: Kernel;
  readonly #tables: Region;

  /** @param tables in the kernel's memory, filled by `rabinTables` for the repository's polynomial. */
  constructor(kernel: Kernel, tables: Region, limits: RabinLimits) {
    if (limits.minBytes < rabinWindowBytes || limits.maxBytes < limits.minBytes) {
      throw new HoldfastError("internal", `no chunk has between ${limits.minBytes} and ${limits.maxBytes} bytes`);
    }
    this.minBytes = limits.minBytes;
    this.maxBytes = limits.maxBytes;
    this.#maskBits = limits.maskBits;
    this.#kernel = kernel;
    this.#tables = tables;
  }

  cut(offset: number, lengthBytes: number, last: boolean): number {
    const chunkBytes = this.#kernel.rabinCut(
      this.#tables,
      offset,
      lengthBytes,
      this.minBytes,
      this.maxBytes,
      this.#maskBits,
    );
    return chunkBytes === 0 && last ? lengthBytes : chunkBytes;
  }
}
