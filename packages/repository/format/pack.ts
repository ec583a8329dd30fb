// Packs: many sealed blobs in one file, and the sealed header at its end that says which.
//
// Source: restic's design document, "Pack Format": blobs || sealed header || length of the sealed header
// (uint32, little-endian). Blobs lie one behind the other from offset 0 in the order of the header.

import { HoldfastError } from "../errors.ts";
import { nonceBytes, sealOverheadBytes, type Sealer } from "../codec/seal.ts";
import { idBytes } from "./id.ts";

export type BlobType = "data" | "tree";

/** One blob of a pack that is being written; `plainLength` as in `PackedBlob`. */
export interface PackEntry {
  /** 32 bytes. */
  readonly id: Uint8Array;
  readonly type: BlobType;
  readonly lengthBytes: number;
  readonly plainLength: number;
}

/** One blob as a pack's header or an index describes it. */
export interface PackedBlob {
  readonly id: string;
  readonly type: BlobType;
  /** Where its sealed bytes begin in the pack, and how many they are. */
  readonly offset: number;
  readonly lengthBytes: number;
  /** The bytes of its content when that was compressed, else 0. */
  readonly plainLength: number;
}

/** The length field behind the header. */
export const packLengthFieldBytes = 4;
/** restic reads no header that is longer (16 MiB). */
const maximumSealedHeaderBytes = 16 * 1024 * 1024;
const plainEntryBytes = 1 + 4 + idBytes;
const compressedEntryBytes = plainEntryBytes + 4;
/** As many blobs as one pack can describe, whatever their kind. */
export const maximumPackBlobs = Math.floor((maximumSealedHeaderBytes - sealOverheadBytes) / compressedEntryBytes);

const treeBit = 1;
const compressedBit = 2;

/** How many bytes a blob takes in the header. */
export function packEntryBytes(isCompressed: boolean): number {
  return isCompressed ? compressedEntryBytes : plainEntryBytes;
}

/** Writes the header entry of one blob at `offset` and returns the offset behind it. */
function writeEntry(target: Buffer, offset: number, { id, type, lengthBytes, plainLength }: PackEntry): number {
  const isCompressed = plainLength > 0;
  let position = target.writeUInt8((type === "tree" ? treeBit : 0) | (isCompressed ? compressedBit : 0), offset);
  position = target.writeUInt32LE(lengthBytes, position);
  if (isCompressed) {
    position = target.writeUInt32LE(plainLength, position);
  }
  target.set(id, position);
  return position + idBytes;
}

/** What ends a pack whose blobs are `entries`, in the order of their places: the sealed header and its length. */
export function sealPack(entries: readonly PackEntry[], sealer: Sealer): Buffer {
  const headerBytes = entries.reduce((sum, { plainLength }) => sum + packEntryBytes(plainLength > 0), 0);
  const sealedBytes = headerBytes + sealOverheadBytes;
  if (entries.length === 0 || sealedBytes > maximumSealedHeaderBytes) {
    throw new HoldfastError("internal", `a pack header of ${entries.length} blobs cannot be written`);
  }
  const end = Buffer.alloc(sealedBytes + packLengthFieldBytes);
  let offset = nonceBytes;
  for (const entry of entries) {
    offset = writeEntry(end, offset, entry);
  }
  sealer.sealInPlace(end.subarray(0, sealedBytes));
  end.writeUInt32LE(sealedBytes, sealedBytes);
  return end;
}

/**
 * The length of the sealed header, from the last four bytes of a pack of `packBytes` bytes. The header lies
 * directly before these four. Throws `damaged` for a length that cannot be.
 */
export function readPackHeaderLength(lengthField: Buffer, packBytes: number): number {
  if (lengthField.length !== packLengthFieldBytes) {
    throw new HoldfastError("damaged", `a pack of ${packBytes} bytes is too short to have a header`);
  }
  const sealedBytes = lengthField.readUInt32LE(0);
  const smallest = sealOverheadBytes + plainEntryBytes;
  const largest = Math.min(maximumSealedHeaderBytes, packBytes - packLengthFieldBytes);
  if (sealedBytes < smallest || sealedBytes > largest) {
    throw new HoldfastError("damaged", `a pack of ${packBytes} bytes announces a header of ${sealedBytes} bytes`);
  }
  return sealedBytes;
}

function readEntry(header: Buffer, position: number, offset: number): { blob: PackedBlob; end: number } {
  const kind = header.readUInt8(position);
  if (kind > (treeBit | compressedBit)) {
    throw new HoldfastError("damaged", `a pack header holds a blob of the unknown kind ${kind}`);
  }
  const isCompressed = (kind & compressedBit) !== 0;
  const end = position + packEntryBytes(isCompressed);
  if (end > header.length) {
    throw new HoldfastError("damaged", "a pack header ends within an entry");
  }
  const blob: PackedBlob = {
    id: header.toString("hex", end - idBytes, end),
    type: (kind & treeBit) === 0 ? "data" : "tree",
    offset,
    lengthBytes: header.readUInt32LE(position + 1),
    plainLength: isCompressed ? header.readUInt32LE(position + 5) : 0,
  };
  if (blob.lengthBytes < sealOverheadBytes || (isCompressed && blob.plainLength === 0)) {
    throw new HoldfastError("damaged", `a pack header gives the blob ${blob.id} an impossible length`);
  }
  return { blob, end };
}

/**
 * The blobs that a sealed header lists. Throws `damaged` unless they, the header and the length field fill
 * the `packBytes` bytes of the pack exactly.
 */
export function parsePackHeader(sealedHeader: Uint8Array, packBytes: number, sealer: Sealer): PackedBlob[] {
  const header = sealer.open(sealedHeader);
  const blobs: PackedBlob[] = [];
  let offset = 0;
  for (let position = 0; position < header.length;) {
    const { blob, end } = readEntry(header, position, offset);
    blobs.push(blob);
    offset += blob.lengthBytes;
    position = end;
  }
  const expected = offset + sealedHeader.length + packLengthFieldBytes;
  if (expected !== packBytes) {
    throw new HoldfastError("damaged", `a pack has ${packBytes} bytes where its header speaks of ${expected}`);
  }
  return blobs;
}
