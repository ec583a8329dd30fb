// Index files: which blobs lie where in which packs.
//
// Source: restic's design document, "Indexing". Encoded as in unpacked.ts, the JSON ending with a newline.
// A large repository has millions of entries, so that reading passes ids as 32 bytes and makes no strings or objects.

import { idBytes } from "./id.ts";
import { JsonScanner } from "./json-scanner.ts";
import type { BlobType, PackedBlob } from "./pack.ts";

/** Called for what an index file holds, in its order. */
export interface IndexVisitor {
  /**
   * Where the ids are written before each call, 64 bytes: the blob's, then its pack's. They hold only until
   * the call returns.
   */
  readonly ids: Uint8Array;
  /** A pack begins; its id is in the second half of `ids`. */
  pack(): void;
  /** A blob of that pack; `plainLength` is 0 for one that is stored raw. */
  blob(type: BlobType, offset: number, lengthBytes: number, plainLength: number): void;
  /** The id of an older index file that this one replaces. */
  supersedes?(id: string): void;
}

export const indexIdsBytes = 2 * idBytes;
const maximumUint32 = 0xffff_ffff;

/**
 * Visits everything in the JSON of an index file; the array of packs alone, which early versions of
 * restic wrote, is read as well. Throws `damaged` for malformed JSON and wrong types.
 */
export function parseIndexFile(json: Buffer, visitor: IndexVisitor): void {
  const scanner = new JsonScanner(json, "index file");
  if (scanner.peek() === 0x5b) {
    readPacks(scanner, visitor);
  } else {
    scanner.expect(0x7b);
    let member: string | null;
    for (let isFirst = true; (member = scanner.nextMember(isFirst)) !== null; isFirst = false) {
      if (member === "packs") {
        readPacks(scanner, visitor);
      } else if (member === "supersedes") {
        readSupersedes(scanner, visitor);
      } else {
        scanner.skipValue();
      }
    }
  }
  scanner.expectEnd();
}

function readSupersedes(scanner: JsonScanner, visitor: IndexVisitor): void {
  if (scanner.takeNull()) {
    return;
  }
  scanner.expect(0x5b);
  for (let isFirst = true; scanner.nextElement(isFirst); isFirst = false) {
    const id = scanner.id();
    visitor.supersedes?.(id);
  }
}

function readPacks(scanner: JsonScanner, visitor: IndexVisitor): void {
  if (scanner.takeNull()) {
    return;
  }
  scanner.expect(0x5b);
  for (let isFirst = true; scanner.nextElement(isFirst); isFirst = false) {
    readPack(scanner, visitor);
  }
}

function readPack(scanner: JsonScanner, visitor: IndexVisitor): void {
  let hasId = false;
  let blobsBeforeId = -1;
  scanner.expect(0x7b);
  let member: string | null;
  for (let isFirst = true; (member = scanner.nextMember(isFirst)) !== null; isFirst = false) {
    if (member === "id") {
      scanner.idInto(visitor.ids, idBytes);
      hasId = true;
      visitor.pack();
    } else if (member === "blobs" && hasId) {
      readBlobs(scanner, visitor);
    } else {
      blobsBeforeId = member === "blobs" ? scanner.position : blobsBeforeId;
      scanner.skipValue();
    }
  }
  if (!hasId) {
    throw scanner.damaged("a pack with an id");
  }
  if (blobsBeforeId >= 0) {
    const end = scanner.position;
    scanner.position = blobsBeforeId;
    readBlobs(scanner, visitor);
    scanner.position = end;
  }
}

function readBlobs(scanner: JsonScanner, visitor: IndexVisitor): void {
  if (scanner.takeNull()) {
    return;
  }
  scanner.expect(0x5b);
  for (let isFirst = true; scanner.nextElement(isFirst); isFirst = false) {
    if (!readUsualBlob(scanner, visitor)) readBlob(scanner, visitor);
  }
}

const idStart = Buffer.from('{"id":"');
const dataStart = Buffer.from('","type":"data","offset":');
const treeStart = Buffer.from('","type":"tree","offset":');
const lengthStart = Buffer.from(',"length":');
const plainLengthStart = Buffer.from(',"uncompressed_length":');
/** Nine digits are below 2^32 without looking. */
const mostUsualDigits = 9;

/**
 * Reads a blob in exactly the form that restic and Holdfast write, which takes a third of the time. False, with nothing
 * read and nothing visited, for any other form: that one is for `readBlob`, which also says what is wrong with it. Throws
 * `damaged` for a wrong id.
 */
function readUsualBlob(scanner: JsonScanner, visitor: IndexVisitor): boolean {
  const { bytes } = scanner;
  let at = scanner.position;
  if (!isAt(bytes, at, idStart)) return false;
  const idAt = at + idStart.length;
  at = idAt + 2 * idBytes;
  const isTree = isAt(bytes, at, treeStart);
  if (!isTree && !isAt(bytes, at, dataStart)) return false;
  const offset = new UsualNumber(bytes, at + dataStart.length);
  if (!offset.isUsual || !isAt(bytes, offset.end, lengthStart)) return false;
  const length = new UsualNumber(bytes, offset.end + lengthStart.length);
  if (!length.isUsual) return false;
  let end = length.end;
  let plainLength = 0;
  if (isAt(bytes, end, plainLengthStart)) {
    const plain = new UsualNumber(bytes, end + plainLengthStart.length);
    if (!plain.isUsual) return false;
    plainLength = plain.value;
    end = plain.end;
  }
  if (bytes[end] !== 0x7d) return false;
  scanner.position = idAt - 1;
  scanner.idInto(visitor.ids, 0);
  scanner.position = end + 1;
  visitor.blob(isTree ? "tree" : "data", offset.value, length.value, plainLength);
  return true;
}

function isAt(bytes: Buffer, at: number, text: Buffer): boolean {
  for (let index = 0; index < text.length; index += 1) if (bytes[at + index] !== text[index]) return false;
  return true;
}

/** A whole number of few digits, without a leading zero. */
class UsualNumber {
  readonly value: number;
  readonly end: number;
  readonly isUsual: boolean;

  constructor(bytes: Buffer, start: number) {
    let value = 0;
    let end = start;
    for (let digit = bytes[end]! - 0x30; digit >= 0 && digit <= 9; digit = bytes[end]! - 0x30) {
      value = value * 10 + digit;
      end += 1;
    }
    this.value = value;
    this.end = end;
    this.isUsual = end > start && end - start <= mostUsualDigits && (bytes[start] !== 0x30 || end === start + 1);
  }
}

function readBlob(scanner: JsonScanner, visitor: IndexVisitor): void {
  let type = "";
  let offset = -1;
  let lengthBytes = -1;
  let plainLength = 0;
  let hasId = false;
  scanner.expect(0x7b);
  let member: string | null;
  for (let isFirst = true; (member = scanner.nextMember(isFirst)) !== null; isFirst = false) {
    switch (member) {
      case "id":
        scanner.idInto(visitor.ids, 0);
        hasId = true;
        break;
      case "type":
        type = scanner.string();
        break;
      case "offset":
        offset = scanner.integer(maximumUint32);
        break;
      case "length":
        lengthBytes = scanner.integer(maximumUint32);
        break;
      case "uncompressed_length":
        plainLength = scanner.integer(maximumUint32);
        break;
      default:
        scanner.skipValue();
    }
  }
  if (!hasId || offset < 0 || lengthBytes < 0 || (type !== "data" && type !== "tree")) {
    throw scanner.damaged("a blob with its id, type, offset and length before");
  }
  visitor.blob(type, offset, lengthBytes, plainLength);
}

/** One pack with its blobs, as an index file lists it. */
export interface IndexedPack {
  readonly id: string;
  readonly blobs: Iterable<PackedBlob>;
}

/** One blob takes some 150 bytes: enough at once for a file of usual size. */
const firstCapacityBytes = 4 * 1024 * 1024;

function encodeBlob({ id, type, offset, lengthBytes, plainLength }: PackedBlob): string {
  const uncompressed = plainLength === 0 ? "" : `,"uncompressed_length":${plainLength}`;
  return `{"id":"${id}","type":"${type}","offset":${offset},"length":${lengthBytes}${uncompressed}}`;
}

/**
 * Writes the JSON of index files, pack by pack and blob by blob, into one buffer: as strings and objects of all blobs
 * it would take several times its size. Used again after `clear`.
 */
export class IndexEncoder {
  #bytes = Buffer.allocUnsafeSlow(firstCapacityBytes);
  #length = 0;
  /** How many packs and blobs were added. */
  packs = 0;
  blobs = 0;

  constructor() {
    this.clear();
  }

  add({ id, blobs }: IndexedPack): void {
    this.#write(`${this.packs === 0 ? "" : ","}{"id":"${id}","blobs":[`);
    let separator = "";
    for (const blob of blobs) {
      this.#write(separator + encodeBlob(blob));
      separator = ",";
      this.blobs++;
    }
    this.#write("]}");
    this.packs++;
  }

  /** The file so far; the bytes hold until `clear`. */
  finish(): Buffer {
    this.#write("]}\n");
    return this.#bytes.subarray(0, this.#length);
  }

  clear(): void {
    this.#length = 0;
    this.packs = 0;
    this.blobs = 0;
    this.#write('{"packs":[');
  }

  /** All of it is plain ASCII. */
  #write(text: string): void {
    if (this.#length + text.length > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(this.#bytes.length * 2);
      this.#bytes.copy(larger, 0, 0, this.#length);
      this.#bytes = larger;
    }
    this.#length += this.#bytes.latin1Write(text, this.#length);
  }
}

/** The JSON of one index file. restic keeps each below some 50,000 blobs. */
export function encodeIndex(packs: Iterable<IndexedPack>): Buffer {
  const encoder = new IndexEncoder();
  for (const pack of packs) encoder.add(pack);
  return encoder.finish();
}
