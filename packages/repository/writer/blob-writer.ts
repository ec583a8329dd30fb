// Turns plain bytes into a sealed blob in a shared pack: hash, claim, compress, seal, read back, append.
import { hash } from "node:crypto";
import type { Sealer } from "../codec/seal.ts";
import { nonceBytes, sealOverheadBytes } from "../codec/seal.ts";
import type { Compressor, Decompressor } from "../codec/zstd.ts";
import { HoldfastError } from "../errors.ts";
import type { BlobIndex, BlobType } from "../index/blob-index.ts";

/** What a thread has stored since it was last asked. */
export interface BlobTotals {
  blobs: number;
  plainBytes: number;
  sealedBytes: number;
}

/** Memory for one sealed blob, which is then opened there again, and for its content decompressed. */
export interface BlobScratch {
  readonly sealed: Buffer;
  readonly inflated: Buffer;
}

/** A blob ready for a pack; `entry` is its number in the index, `plainLength` 0 if it is not compressed. */
export interface SealedBlob {
  readonly bytes: Buffer;
  readonly entry: number;
  readonly plainLength: number;
}

export interface BlobWriterParts {
  readonly index: BlobIndex;
  readonly sealer: Sealer;
  /** Null for repository version 1, which knows no compression. */
  readonly compressor: Compressor | null;
  readonly decompressor: Decompressor;
  /** Private memory of equal sizes; a blob that does not fit with `sealOverheadBytes` gets its own for a moment. */
  readonly scratch: BlobScratch;
  /** Copies the sealed blob into a pack, and lets `check` look at the copy before the pack can be finished. */
  readonly append: (blob: SealedBlob, check: (copy: Buffer) => void) => void;
}

/** Seals one blob at a time; not for use by two callers at once. */
export class BlobWriter {
  readonly totals: BlobTotals = { blobs: 0, plainBytes: 0, sealedBytes: 0 };
  readonly #parts: BlobWriterParts;
  #scratch: BlobScratch;

  constructor(parts: BlobWriterParts) {
    this.#parts = parts;
    this.#scratch = parts.scratch;
  }

  /** Stores `plain` as a blob unless it is known already. Returns its id (32 bytes). */
  save(plain: Buffer, type: BlobType): Buffer {
    const id = hash("sha256", plain, "buffer");
    const entry = this.#parts.index.claim(id, type);
    if (entry < 0) return id;
    const usual = this.#scratch;
    if (plain.length + sealOverheadBytes > usual.sealed.length) this.#scratch = scratchFor(plain.length);
    try {
      this.#store(plain, entry);
    } finally {
      if (this.#scratch !== usual) free(this.#scratch);
      this.#scratch = usual;
    }
    return id;
  }

  #store(plain: Buffer, entry: number): void {
    const packed = this.#compress(plain);
    const length = packed > 0 ? packed : plain.copy(this.#scratch.sealed, nonceBytes);
    const bytes = this.#scratch.sealed.subarray(0, length + sealOverheadBytes);
    this.#parts.sealer.sealInPlace(bytes);
    const blob = { bytes, entry, plainLength: packed > 0 ? plain.length : 0 };
    this.#parts.append(blob, (copy) => this.#readBack(copy, plain, packed > 0));
    this.totals.blobs++;
    this.totals.plainBytes += plain.length;
    this.totals.sealedBytes += bytes.length;
  }

  /** The compressed length, or 0 when compression saves nothing. */
  #compress(plain: Buffer): number {
    if (!this.#parts.compressor || plain.length < 2) return 0;
    return this.#parts.compressor.compressInto(
      plain,
      this.#scratch.sealed.subarray(nonceBytes, nonceBytes + plain.length - 1),
    );
  }

  /** Opens what lies in the pack and compares: a fault of memory or of this program must not reach the repository. */
  #readBack(copy: Buffer, plain: Buffer, compressed: boolean): void {
    const { sealer, decompressor } = this.#parts;
    const { sealed: opened, inflated } = this.#scratch;
    const packed = opened.subarray(0, sealer.openInto(copy, opened));
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

function scratchFor(plainBytes: number): BlobScratch {
  return {
    sealed: Buffer.allocUnsafeSlow(plainBytes + sealOverheadBytes),
    inflated: Buffer.allocUnsafeSlow(plainBytes),
  };
}

/** At once: the collector sees small objects and would wait. */
function free({ sealed, inflated }: BlobScratch): void {
  for (const { buffer } of [sealed, inflated]) if (buffer instanceof ArrayBuffer) buffer.transfer(0);
}
