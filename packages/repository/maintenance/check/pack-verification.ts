// Verifies packs piece by piece against their name, their header and what the index says: all bytes, all blobs.
import { createHash, hash } from "node:crypto";
import type { Hash } from "node:crypto";
import type { Sealer } from "../../codec/seal.ts";
import { nonceBytes } from "../../codec/seal.ts";
import { requireRoomFor, type Decompressor } from "../../codec/zstd.ts";
import { hasCode } from "../../errors.ts";
import type { PackedBlob } from "../../format/pack.ts";
import { packLengthFieldBytes, parsePackHeader, readPackHeaderLength } from "../../format/pack.ts";

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

/** A piece follows on the one before it; the last one holds the header. No blob lies in two pieces. */
export interface PackPiece {
  /** A lane has one pack after another, always in the same thread; packs of several lanes take turns. */
  readonly lane: number;
  readonly name: string;
  readonly packBytes: number;
  /** Where in the pack the piece begins. */
  readonly start: number;
  /** Of the blobs that begin in the piece, in the order of their places. */
  readonly blobs: BlobTable;
}

/** What is known of a pack whose pieces are being verified. */
interface OpenPack {
  readonly hash: Hash;
  readonly blobs: PackedBlob[];
  readonly problems: PackProblem[];
}

/** Belongs to one thread. */
export class PackVerifier {
  readonly #sealer: Sealer;
  readonly #decompressor: Decompressor;
  #inflated = Buffer.alloc(0);
  /** By lane. */
  readonly #packs = new Map<number, OpenPack>();

  constructor(sealer: Sealer, decompressor: Decompressor) {
    this.#sealer = sealer;
    this.#decompressor = decompressor;
  }

  /** With the last piece everything that is wrong with the pack, before that nothing. Decrypts in place: `bytes` are used up. */
  verify({ lane, name, packBytes, start, blobs }: PackPiece, bytes: Buffer): PackProblem[] {
    const pack = this.#pack(lane, start === 0);
    pack.hash.update(bytes);
    const added = Array.from({ length: blobs.length / wordsPerBlob }, (_, at) => readBlob(blobs, at));
    pack.blobs.push(...added);
    const isLast = start + bytes.length === packBytes;
    // Before the blobs are opened, which changes the bytes.
    const header = isLast ? this.#headerProblem(bytes, packBytes, pack.blobs) : null;
    for (const { id, type, offset, lengthBytes, plainLength } of added) {
      const sealed = bytes.subarray(offset - start, offset - start + lengthBytes);
      const problem = this.#blobProblem(id, sealed, lengthBytes, plainLength);
      if (problem !== null) pack.problems.push({ problem: `the ${type} blob ${id} ${problem}`, blob: { type, id } });
    }
    if (!isLast) return [];
    this.#packs.delete(lane);
    const first = pack.hash.digest("hex") === name ? null : "its content does not match its name";
    const ofWhole = [first, header].filter((problem) => problem !== null).map((problem) => ({ problem, blob: null }));
    return [...ofWhole, ...pack.problems];
  }

  #pack(lane: number, isNew: boolean): OpenPack {
    const known = isNew ? undefined : this.#packs.get(lane);
    const pack = known ?? { hash: createHash("sha256"), blobs: [], problems: [] };
    this.#packs.set(lane, pack);
    return pack;
  }

  /** `bytes` end where the pack ends. */
  #headerProblem(bytes: Buffer, packBytes: number, expected: readonly PackedBlob[]): string | null {
    try {
      const sealedBytes = readPackHeaderLength(bytes.subarray(-packLengthFieldBytes), packBytes);
      const end = bytes.length - packLengthFieldBytes;
      if (sealedBytes > end) return "its header cannot be read: by its length it begins within a blob";
      const blobs = parsePackHeader(bytes.subarray(end - sealedBytes, end), packBytes, this.#sealer);
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
        requireRoomFor(plain.length, plainLength);
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
