// Files that hold one JSON document: index, snapshot, lock and config; how they are compressed, sealed and named.
//
// Source: restic's design document, "Unpacked Data Format". In version 2 the plaintext is the byte 2 and a
// Zstandard frame; plain JSON, told by its first byte, is still read. `config` is sealed but never
// compressed. Keys are neither; see key-file.ts.

import { HoldfastError } from "../errors.ts";
import type { Sealer } from "../codec/seal.ts";
import { nonceBytes, sealOverheadBytes } from "../codec/seal.ts";
import { decompressAside, type Compressor, type Decompressor } from "../codec/zstd.ts";
import { idOf } from "./id.ts";

/** A file ready to be stored: its bytes and the name they give it. */
export interface EncodedFile {
  readonly name: string;
  readonly bytes: Buffer;
}

const compressedVersion = 2;
/** `{` and `[`: the first bytes of plain JSON. */
const plainJsonVersions: ReadonlySet<number> = new Set([0x7b, 0x5b]);
/** Index files are "kept below 8 MiB"; old ones were not always. The limit is against a frame that lies. */
const maximumDocumentBytes = 1024 * 1024 * 1024;

/** Seals a JSON document; compressed when a compressor is given, as repositories of version 2 want it. */
export function encodeUnpacked(json: Uint8Array, sealer: Sealer, compressor: Compressor | null): EncodedFile {
  const bytes = compressor === null ? sealer.seal(json) : sealCompressed(json, sealer, compressor);
  return { name: idOf(bytes), bytes };
}

/** Compressed and sealed in one piece of memory: an index file may take several megabytes. */
function sealCompressed(json: Uint8Array, sealer: Sealer, compressor: Compressor): Buffer {
  // No frame is longer than this: ZSTD_COMPRESSBOUND of zstd.h adds a 256th, and at most 64 bytes to small input.
  const frameBytes = json.length + (json.length >>> 8) + 64;
  const area = Buffer.allocUnsafe(1 + frameBytes + sealOverheadBytes);
  const frameAt = nonceBytes + 1;
  area[nonceBytes] = compressedVersion;
  const length = compressor.compressInto(json, area.subarray(frameAt, frameAt + frameBytes));
  const sealed = area.subarray(0, 1 + length + sealOverheadBytes);
  sealer.sealInPlace(sealed);
  return sealed;
}

/**
 * The JSON document in a file's bytes; with `name`, after checking that the bytes are those that were
 * stored under it. Throws `damaged`, and `unsupported` for an encoding that is not known.
 */
export function decodeUnpacked(
  bytes: Uint8Array,
  name: string | null,
  sealer: Sealer,
  decompressor: Decompressor,
): Buffer {
  const { content, isCompressed } = openUnpacked(bytes, name, sealer);
  return isCompressed ? decompressor.decompress(content, maximumDocumentBytes) : content;
}

/** The same with the decompression beside this thread, for files of many megabytes. */
export async function decodeUnpackedAside(bytes: Uint8Array, name: string, sealer: Sealer): Promise<Buffer> {
  const { content, isCompressed } = openUnpacked(bytes, name, sealer);
  return isCompressed ? decompressAside(content, maximumDocumentBytes) : content;
}

function openUnpacked(
  bytes: Uint8Array,
  name: string | null,
  sealer: Sealer,
): { content: Buffer; isCompressed: boolean } {
  if (name !== null && idOf(bytes) !== name) {
    throw new HoldfastError("damaged", `the content of the file ${name} does not match its name`, {
      context: { name },
    });
  }
  const plain = sealer.open(bytes);
  const version = plain[0];
  if (version === undefined) {
    throw new HoldfastError("damaged", "a file of the repository holds nothing");
  }
  if (plainJsonVersions.has(version)) {
    return { content: plain, isCompressed: false };
  }
  if (version !== compressedVersion) {
    throw new HoldfastError("unsupported", `a file of the repository has the unknown encoding ${version}`);
  }
  return { content: plain.subarray(1), isCompressed: true };
}
