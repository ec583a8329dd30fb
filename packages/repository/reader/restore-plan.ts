// A batch of files to restore: where each of their blobs lies, as compact arrays, and the ranges of packs to read for them.
import { HoldfastError } from "../errors.ts";
import type { BlobIndex, BlobLocation } from "../index/blob-index.ts";
import { plainSizeBytes } from "../index/plain-size.ts";
import { displayPath } from "../filesystem/system-error.ts";
import type { BlobLengths, FileFacts, RestoredFile } from "./restored-file.ts";

/** What a batch holds at most: bounds memory, while a pack is still mostly read once. */
const batchFiles = 2048;
const batchBlobs = 8192;
const batchParts = 64;

/** One range fills this much, unless a single blob is larger, and serves so many places at most. */
const rangeBytes = 768 * 1024;
const rangeTargets = 2048;
const fewBlobs = 8;
/** Reading on over a smaller gap is cheaper than another request. */
const gapBytes = 128 * 1024;

/** Blobs `first` to `first + count` of a file, the first of which stands at `offset`. */
export interface FilePiece {
  readonly file: RestoredFile;
  readonly first: number;
  readonly count: number;
  readonly offset: number;
}

/** A place where a blob goes. */
export interface BlobTarget {
  readonly file: RestoredFile;
  /** Which blob of the file. */
  readonly blob: number;
  readonly offset: number;
}

export interface PlannedBlob {
  readonly offset: number;
  readonly lengthBytes: number;
  readonly plainLength: number;
  readonly targets: BlobTarget[];
}

/** A part of a pack with blobs in the order of their offsets. */
export interface PackRange {
  readonly pack: string;
  readonly offset: number;
  readonly endOffset: number;
  readonly blobs: readonly PlannedBlob[];
}

/** The content of a file: ids, plain lengths and, of few blobs, places. Throws `damaged` when a blob is in no index. */
export function contentOf(
  index: BlobIndex,
  content: readonly string[],
  path: Buffer,
): Pick<FileFacts, "ids" | "lengths" | "places" | "sizeBytes"> {
  // Most files have one blob, and buffers cost more than what they would hold.
  const isFew = content.length <= fewBlobs;
  const ids = isFew ? null : Buffer.allocUnsafe(content.length * 32);
  const lengths: BlobLengths = isFew ? [] : new Uint32Array(content.length);
  const places: BlobLocation[] = [];
  let sizeBytes = 0;
  for (let i = 0; i < content.length; i++) {
    const id = content[i]!;
    const location = index.locations(id, "data")[0];
    if (!location) {
      throw new HoldfastError("damaged", `the data blob ${id} of ${displayPath(path)} is in no index`, {
        context: { type: "data", id },
      });
    }
    ids?.write(id, i * 32, "hex");
    if (isFew) places.push(location);
    const lengthBytes = plainSizeBytes(location);
    lengths[i] = lengthBytes;
    sizeBytes += lengthBytes;
  }
  return { ids: ids ?? content, lengths, places: isFew ? places : null, sizeBytes };
}

export class RestoreBatch {
  readonly pieces: FilePiece[] = [];
  readonly #index: BlobIndex;
  readonly #directories = new Set<unknown>();
  readonly #maximumDirectories: number;
  #blobs = 0;
  #parts = 0;

  /** Each open directory and each file of several blobs holds a descriptor until its batch is through. */
  constructor(index: BlobIndex, maximumDirectories: number) {
    this.#index = index;
    this.#maximumDirectories = maximumDirectories;
  }

  /** How many blobs still fit. */
  get room(): number {
    const isFull =
      this.pieces.length >= batchFiles ||
      this.#directories.size >= this.#maximumDirectories ||
      this.#parts >= batchParts;
    return isFull ? 0 : batchBlobs - this.#blobs;
  }

  add(piece: FilePiece): void {
    this.pieces.push(piece);
    this.#blobs += piece.count;
    this.#directories.add(piece.file.directory);
    if (piece.file.lengths.length > 1) this.#parts++;
  }

  /** The ranges for these pieces, pack by pack, each pack from its beginning to its end. */
  *ranges(pieces: readonly FilePiece[]): Generator<PackRange, void, undefined> {
    const table = new PlaceTable(this.#index, pieces);
    let blobs: PlannedBlob[] = [];
    let range = { pack: "", offset: 0, endOffset: 0, targets: 0 };
    for (const place of table.places()) {
      const { pack, offset, lengthBytes, plainLength, target } = place;
      const last = blobs.at(-1);
      const isSame =
        last !== undefined && pack === range.pack && offset === last.offset && range.targets < rangeTargets;
      if (isSame) {
        last.targets.push(target);
        range.targets++;
        continue;
      }
      const end = offset + lengthBytes;
      const fits =
        pack === range.pack &&
        offset - range.endOffset <= gapBytes &&
        end - range.offset <= rangeBytes &&
        range.targets < rangeTargets;
      if (!fits) {
        if (blobs.length > 0) yield { ...range, blobs };
        blobs = [];
        range = { pack, offset, endOffset: end, targets: 0 };
      }
      blobs.push({ offset, lengthBytes, plainLength, targets: [target] });
      range.endOffset = Math.max(range.endOffset, end);
      range.targets++;
    }
    if (blobs.length > 0) yield { ...range, blobs };
  }
}

/** The places of all blobs of some pieces, sorted by pack and offset: equal blobs become neighbours. */
class PlaceTable {
  readonly #pieces: readonly FilePiece[];
  readonly #packs: string[] = [];
  /** Number of the pack times 2^32 plus the offset. */
  readonly #keys: Float64Array;
  readonly #lengths: Uint32Array;
  readonly #plainLengths: Uint32Array;
  readonly #pieceNumbers: Uint32Array;
  readonly #blobNumbers: Uint32Array;
  readonly #offsets: Float64Array;

  constructor(index: BlobIndex, pieces: readonly FilePiece[]) {
    this.#pieces = pieces;
    const count = pieces.reduce((sum, piece) => sum + piece.count, 0);
    this.#keys = new Float64Array(count);
    this.#lengths = new Uint32Array(count);
    this.#plainLengths = new Uint32Array(count);
    this.#pieceNumbers = new Uint32Array(count);
    this.#blobNumbers = new Uint32Array(count);
    this.#offsets = new Float64Array(count);
    this.#fill(index);
  }

  *places(): Generator<{ pack: string; offset: number; lengthBytes: number; plainLength: number; target: BlobTarget }> {
    const order = new Uint32Array(this.#keys.length).map((_, i) => i);
    order.sort((a, b) => this.#keys[a]! - this.#keys[b]!);
    for (const at of order) {
      const key = this.#keys[at]!;
      const packNumber = Math.floor(key / 2 ** 32);
      const { file } = this.#pieces[this.#pieceNumbers[at]!]!;
      yield {
        pack: this.#packs[packNumber]!,
        offset: key - packNumber * 2 ** 32,
        lengthBytes: this.#lengths[at]!,
        plainLength: this.#plainLengths[at]!,
        target: { file, blob: this.#blobNumbers[at]!, offset: this.#offsets[at]! },
      };
    }
  }

  #fill(index: BlobIndex): void {
    const numbers = new Map<string, number>();
    let at = 0;
    for (const [pieceNumber, piece] of this.#pieces.entries()) {
      let { offset } = piece;
      for (let blob = piece.first; blob < piece.first + piece.count; blob++, at++) {
        const { file } = piece;
        const location = file.places?.[blob] ?? index.locations(file.blobId(blob), "data")[0]!;
        let number = numbers.get(location.pack);
        if (number === undefined) {
          number = this.#packs.push(location.pack) - 1;
          numbers.set(location.pack, number);
        }
        this.#keys[at] = number * 2 ** 32 + location.offset;
        this.#lengths[at] = location.lengthBytes;
        this.#plainLengths[at] = location.plainLength;
        this.#pieceNumbers[at] = pieceNumber;
        this.#blobNumbers[at] = blob;
        this.#offsets[at] = offset;
        offset += piece.file.lengths[blob]!;
      }
    }
  }
}
