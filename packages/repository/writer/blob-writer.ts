// Turns plain bytes into a sealed blob in a shared pack: hash, claim, compress, seal, read back, append.
import { hash } from "node:crypto";
import type { Sealer } from "../codec/seal.ts";
import { sealOverheadBytes } from "../codec/seal.ts";
import type { Compressor, Decompressor } from "../codec/zstd.ts";
import { HoldfastError } from "../errors.ts";
import type { BlobIndex } from "../index/blob-index.ts";

/** What a thread has stored since it was last asked. */
export interface BlobTotals {
  blobs: number;
  plainBytes: number;
  sealedBytes: number;
}

export interface BlobWriterParts {
  readonly index: BlobIndex;
  readonly sealer: Sealer;
  /** Null for repository version 1, which knows no compression. */
  readonly compressor: Compressor | null;
  readonly decompressor: Decompressor;
  /** Private buffer for one sealed blob: the largest chunk and `sealOverheadBytes`. */
  readonly scratch: Buffer;
  /** Private buffers to read a sealed blob back into. */
  readonly opened: Buffer;
  readonly inflated: Buffer;
  /** Stores the sealed blob; returns once it is in a pack. */
  readonly append: (sealed: Buffer, entry: number, plainLength: number) => void;
}

/** Seals one blob at a time; not for use by two callers at once. */
export class BlobWriter {
  readonly totals: BlobTotals = { blobs: 0, plainBytes: 0, sealedBytes: 0 };
  readonly #parts: BlobWriterParts;

  constructor(parts: BlobWriterParts) {
    this.#parts = parts;
  }

  /** Stores `plain` as a data blob unless it is known already. Returns its id (32 bytes). */
  save(plain: Buffer): Buffer {
    const id = hash("sha256", plain, "buffer");
    const entry = this.#parts.index.claim(id, "data");
    if (entry < 0) return id;
    const { scratch } = this.#parts;
    const packed = this.#compress(plain);
    const length = packed > 0 ? packed : plain.copy(scratch, 16);
    const sealed = scratch.subarray(0, length + sealOverheadBytes);
    this.#parts.sealer.sealInPlace(sealed);
    this.#readBack(sealed, plain, packed > 0);
    this.#parts.append(sealed, entry, packed > 0 ? plain.length : 0);
    this.totals.blobs++;
    this.totals.plainBytes += plain.length;
    this.totals.sealedBytes += sealed.length;
    return id;
  }

  /** The compressed length, or 0 when compression saves nothing. */
  #compress(plain: Buffer): number {
    if (!this.#parts.compressor || plain.length < 2) return 0;
    return this.#parts.compressor.compressInto(plain, this.#parts.scratch.subarray(16, 16 + plain.length - 1));
  }

  /** Opens what was just sealed and compares: a fault of memory or of this program must not reach the repository. */
  #readBack(sealed: Buffer, plain: Buffer, compressed: boolean): void {
    const { sealer, decompressor, opened, inflated } = this.#parts;
    const length = sealer.openInto(sealed, opened);
    const packed = opened.subarray(0, length);
    const same = compressed
      ? inflated.subarray(0, decompressor.decompressInto(packed, inflated)).equals(plain)
      : packed.equals(plain);
    if (!same) {
      throw new HoldfastError("internal", "a sealed blob does not open to the bytes it was made from", {
        hint: "run the backup again, and test this machine's memory if it happens twice",
      });
    }
  }
}
