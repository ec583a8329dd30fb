// Opens a sealed blob with the key of one repository, verifies it, and seals it with the key of another.
import { hash } from "node:crypto";
import type { Sealer } from "../../codec/seal.ts";
import { nonceBytes, sealOverheadBytes } from "../../codec/seal.ts";
import type { Compressor, Decompressor } from "../../codec/zstd.ts";
import { hasCode, HoldfastError } from "../../errors.ts";

/** A larger blob gets memory of its own for a moment. Memory that is not touched costs nothing. */
const scratchBytes = 16 * 1024 * 1024;

export interface ResealerParts {
  readonly from: Sealer;
  readonly to: Sealer;
  /** Null when the destination has version 1, which knows no compression. */
  readonly compressor: Compressor | null;
  readonly decompressor: Decompressor;
}

/** What lies at the beginning of the target now; `plainLength` is 0 if it is not compressed. */
export interface Resealed {
  readonly lengthBytes: number;
  readonly plainLength: number;
}

/** Belongs to one thread. */
export class Resealer {
  readonly #parts: ResealerParts;
  readonly #packed = Buffer.allocUnsafeSlow(scratchBytes);
  readonly #plain = Buffer.allocUnsafeSlow(scratchBytes);
  readonly #frame = Buffer.allocUnsafeSlow(scratchBytes);
  readonly #again = Buffer.allocUnsafeSlow(scratchBytes);

  constructor(parts: ResealerParts) {
    this.#parts = parts;
  }

  /** No more than this goes into the target of a blob. */
  targetBytes(lengthBytes: number, plainLength: number): number {
    return this.#parts.compressor === null ? Math.max(lengthBytes, plainLength + sealOverheadBytes) : lengthBytes;
  }

  /**
   * Writes the blob, sealed anew, to the beginning of `target`. What is compressed stays as it is where compression is
   * known; what is not is tried. Null when the blob is damaged: it does not open, or is not what its id says.
   */
  reseal(sealed: Buffer, plainLength: number, id: string, target: Buffer): Resealed | null {
    const opened = this.#verify(sealed, plainLength, id);
    if (!opened) return null;
    const { packed, plain } = opened;
    if (plainLength > 0 && plain.length > 0 && this.#parts.compressor) return this.#seal(packed, plain.length, target);
    const frame = this.#compress(plain);
    return frame ? this.#seal(frame, plain.length, target) : this.#seal(plain, 0, target);
  }

  #verify(sealed: Buffer, plainLength: number, id: string): { packed: Buffer; plain: Buffer } | null {
    try {
      const packed = openWith(this.#parts.from, sealed, this.#packed);
      const plain = plainLength > 0 ? this.#decompress(packed, plainLength) : packed;
      return hash("sha256", plain) === id ? { packed, plain } : null;
    } catch (error) {
      if (!hasCode(error, "damaged")) throw error;
      return null;
    }
  }

  #decompress(packed: Buffer, plainLength: number): Buffer {
    const { decompressor } = this.#parts;
    if (plainLength > this.#plain.length) return decompressor.decompress(packed, plainLength);
    const target = this.#plain.subarray(0, plainLength);
    return target.subarray(0, decompressor.decompressInto(packed, target));
  }

  /** A frame that opens to `plain`; null when compression saves nothing. */
  #compress(plain: Buffer): Buffer | null {
    const { compressor, decompressor } = this.#parts;
    if (!compressor || plain.length < 2) return null;
    const space = plain.length <= this.#frame.length ? this.#frame : Buffer.allocUnsafeSlow(plain.length);
    const length = compressor.compressInto(plain, space.subarray(0, plain.length - 1));
    if (length === 0) return null;
    const frame = space.subarray(0, length);
    const again = plain.length <= this.#again.length ? this.#again : Buffer.allocUnsafeSlow(plain.length);
    requireSame(again.subarray(0, decompressor.decompressInto(frame, again)), plain);
    return frame;
  }

  /** A fault of memory or of this program must not reach the repository: what was sealed is opened again. */
  #seal(content: Buffer, plainLength: number, target: Buffer): Resealed {
    const result = target.subarray(0, content.copy(target, nonceBytes) + sealOverheadBytes);
    this.#parts.to.sealInPlace(result);
    requireSame(openWith(this.#parts.to, result, this.#again), content);
    return { lengthBytes: result.length, plainLength };
  }
}

/** In `scratch` if it is large enough. */
function openWith(sealer: Sealer, sealed: Buffer, scratch: Buffer): Buffer {
  if (sealed.length - sealOverheadBytes > scratch.length) return sealer.open(sealed);
  return scratch.subarray(0, sealer.openInto(sealed, scratch));
}

function requireSame(made: Buffer, from: Buffer): void {
  if (made.equals(from)) return;
  throw new HoldfastError("internal", "a blob that was sealed anew does not open to the bytes it was made from", {
    hint: "run the copy again, and test this machine's memory if it happens twice",
  });
}
