// Verifies one pack against its name, its header and what the index says of it: all of its bytes, all of its blobs.
import { hash } from "node:crypto";
import type { Sealer } from "../codec/seal.ts";
import { nonceBytes } from "../codec/seal.ts";
import type { Decompressor } from "../codec/zstd.ts";
import { hasCode } from "../errors.ts";
import type { PackedBlob } from "../format/pack.ts";
import { packLengthFieldBytes, parsePackHeader, readPackHeaderLength } from "../format/pack.ts";

/** The blobs of a pack as the index has them, for another thread: 12 words each. */
export type BlobTable = Uint32Array<ArrayBuffer>;
export const wordsPerBlob = 12;
const typeWord = 8;
const offsetWord = 9;
const lengthWord = 10;
const plainLengthWord = 11;
const scratchStepBytes = 1024 * 1024;

export interface PackProblem {
  readonly problem: string;
  /** The blob that cannot be read, if it is about one. */
  readonly blob: { readonly type: "data" | "tree"; readonly id: string } | null;
}

export function writeBlob(table: BlobTable, at: number, blob: Omit<PackedBlob, "id"> & { readonly id: Buffer }): void {
  const word = at * wordsPerBlob;
  for (let i = 0; i < 8; i++) table[word + i] = blob.id.readUInt32LE(i * 4);
  table[word + typeWord] = blob.type === "tree" ? 1 : 0;
  table[word + offsetWord] = blob.offset;
  table[word + lengthWord] = blob.lengthBytes;
  table[word + plainLengthWord] = blob.plainLength;
}

function readBlob(table: BlobTable, at: number): PackedBlob {
  const word = at * wordsPerBlob;
  return {
    id: Buffer.from(table.buffer, table.byteOffset + word * 4, 32).toString("hex"),
    type: table[word + typeWord] === 1 ? "tree" : "data",
    offset: table[word + offsetWord]!,
    lengthBytes: table[word + lengthWord]!,
    plainLength: table[word + plainLengthWord]!,
  };
}

/** Belongs to one thread. */
export class PackVerifier {
  readonly #sealer: Sealer;
  readonly #decompressor: Decompressor;
  #inflated = Buffer.alloc(0);

  constructor(sealer: Sealer, decompressor: Decompressor) {
    this.#sealer = sealer;
    this.#decompressor = decompressor;
  }

  /** Everything that is wrong with the pack; `expected` in the order of places. Decrypts in place: `bytes` are used up. */
  verify(name: string, bytes: Buffer, expected: BlobTable): PackProblem[] {
    const problems: PackProblem[] = [];
    const found = (problem: string, blob: PackProblem["blob"] = null): number => problems.push({ problem, blob });
    if (hash("sha256", bytes) !== name) found("its content does not match its name");
    const count = expected.length / wordsPerBlob;
    const blobs = Array.from({ length: count }, (_, at) => readBlob(expected, at));
    const header = this.#headerProblem(bytes, blobs);
    if (header !== null) found(header);
    for (const { id, type, offset, lengthBytes, plainLength } of blobs) {
      const problem = this.#blobProblem(id, bytes.subarray(offset, offset + lengthBytes), lengthBytes, plainLength);
      if (problem !== null) found(`the ${type} blob ${id} ${problem}`, { type, id });
    }
    return problems;
  }

  #headerProblem(bytes: Buffer, expected: readonly PackedBlob[]): string | null {
    try {
      const sealedBytes = readPackHeaderLength(bytes.subarray(-packLengthFieldBytes), bytes.length);
      const end = bytes.length - packLengthFieldBytes;
      const blobs = parsePackHeader(bytes.subarray(end - sealedBytes, end), bytes.length, this.#sealer);
      return areSameBlobs(blobs, expected) ? null : "its header and the index disagree about its blobs";
    } catch (error) {
      if (!hasCode(error, "damaged")) throw error;
      return `its header cannot be read: ${error.message}`;
    }
  }

  #blobProblem(id: string, sealed: Buffer, lengthBytes: number, plainLength: number): string | null {
    if (sealed.length < lengthBytes) return "lies beyond the end of the pack";
    try {
      // Opened where it lies: name and header were checked before, and nobody else has these bytes.
      const room = sealed.subarray(nonceBytes);
      let plain = room.subarray(0, this.#sealer.openInto(sealed, room));
      if (plainLength > 0) {
        this.#inflated = roomFor(this.#inflated, plainLength);
        plain = this.#inflated.subarray(
          0,
          this.#decompressor.decompressInto(plain, this.#inflated.subarray(0, plainLength)),
        );
        if (plain.length !== plainLength) return `has ${plain.length} bytes where ${plainLength} are announced`;
      }
      return hash("sha256", plain) === id ? null : "has a content that does not match its id";
    } catch (error) {
      if (!hasCode(error, "damaged")) throw error;
      return `cannot be opened: ${error.message}`;
    }
  }
}

function areSameBlobs(header: readonly PackedBlob[], index: readonly PackedBlob[]): boolean {
  return (
    header.length === index.length &&
    header.every((blob, at) => {
      const other = index[at]!;
      return (
        blob.id === other.id &&
        blob.type === other.type &&
        blob.offset === other.offset &&
        blob.lengthBytes === other.lengthBytes &&
        blob.plainLength === other.plainLength
      );
    })
  );
}

function roomFor(scratch: Buffer<ArrayBuffer>, bytes: number): Buffer<ArrayBuffer> {
  if (scratch.length >= bytes) return scratch;
  return Buffer.allocUnsafeSlow(Math.ceil(bytes / scratchStepBytes) * scratchStepBytes);
}
