// Zstandard frames (RFC 8878) through the library inside the Node executable, contexts reused.
//
// Node's public calls make and free a context of several hundred kilobytes each time, which costs more
// than compressing a small blob. The library's own functions are exported by the executable and reached
// through koffi; where they are not, the public calls do the same work with the same parameters.

import { createRequire } from "node:module";
import { promisify } from "node:util";
import { constants, zstdCompressSync, zstdDecompress, zstdDecompressSync } from "node:zlib";
import { HoldfastError } from "../errors.ts";

/** How the library is reached: its own functions, or Node's public calls. */
export type ZstdRoute = "native" | "zlib";

// Level 3 with smaller tables: measured 1.3 to 1.9 times as fast at nearly the ratio.
const parameters: readonly (readonly [parameter: number, value: number])[] = [
  [constants.ZSTD_c_compressionLevel, 3],
  [constants.ZSTD_c_hashLog, 15],
  [constants.ZSTD_c_chainLog, 14],
];
const zlibParameters = Object.fromEntries(parameters);

/** ZSTD_error_dstSize_tooSmall in zstd_errors.h; errors are returned as the negated code in a size_t. */
const targetTooSmall = 70n;

type Context = unknown;
/** A size_t: koffi gives a bigint where the value exceeds 2^53, which only errors do. */
type Size = number | bigint;

interface NativeZstd {
  createCCtx(): Context;
  freeCCtx(context: Context): Size;
  setParameter(context: Context, parameter: number, value: number): Size;
  compress2(context: Context, target: Uint8Array, capacity: number, source: Uint8Array, length: number): Size;
  createDCtx(): Context;
  freeDCtx(context: Context): Size;
  decompress(context: Context, target: Uint8Array, capacity: number, source: Uint8Array, length: number): Size;
}

function loadNative(): NativeZstd | null {
  try {
    const koffi = createRequire(import.meta.url)("koffi") as typeof import("koffi");
    const library = koffi.load(null);
    return {
      createCCtx: library.func("ZSTD_createCCtx", "void *", []),
      freeCCtx: library.func("ZSTD_freeCCtx", "size_t", ["void *"]),
      setParameter: library.func("ZSTD_CCtx_setParameter", "size_t", ["void *", "int", "int"]),
      compress2: library.func("ZSTD_compress2", "size_t", ["void *", "void *", "size_t", "void *", "size_t"]),
      createDCtx: library.func("ZSTD_createDCtx", "void *", []),
      freeDCtx: library.func("ZSTD_freeDCtx", "size_t", ["void *"]),
      decompress: library.func("ZSTD_decompressDCtx", "size_t", ["void *", "void *", "size_t", "void *", "size_t"]),
    };
  } catch {
    return null; // koffi is not installed for this platform, or the executable hides its symbols
  }
}

const native = loadNative();

/** The faster of the routes that exist here. */
export const fastestZstdRoute: ZstdRoute = native === null ? "zlib" : "native";

function nativeFor(route: ZstdRoute): NativeZstd | null {
  if (route === "native" && native === null) {
    throw new HoldfastError("unsupported", "the zstd functions of this Node executable cannot be reached");
  }
  return route === "native" ? native : null;
}

/** ZSTD_COMPRESSBOUND of zstd.h: what a frame never exceeds. */
function compressBound(lengthBytes: number): number {
  const smallMargin = lengthBytes < 128 * 1024 ? (128 * 1024 - lengthBytes) >> 11 : 0;
  return lengthBytes + (lengthBytes >>> 8) + smallMargin;
}

/** Makes frames that carry the content's size and no checksum. Belongs to one thread; dispose of it when done. */
export class Compressor implements Disposable {
  readonly #native: NativeZstd | null;
  #context: Context = null;

  constructor(route: ZstdRoute = fastestZstdRoute) {
    this.#native = nativeFor(route);
    if (this.#native !== null) {
      this.#context = this.#native.createCCtx();
      for (const [parameter, value] of parameters) {
        this.#native.setParameter(this.#context, parameter, value);
      }
    }
  }

  /** Writes a frame of `source` to the beginning of `target`; returns its length, or 0 when it does not fit. */
  compressInto(source: Uint8Array, target: Uint8Array): number {
    if (this.#native === null) {
      const frame = compressWithZlib(source);
      if (frame.length > target.length) {
        return 0;
      }
      target.set(frame);
      return frame.length;
    }
    requireContext(this.#context);
    const size = this.#native.compress2(this.#context, target, target.length, source, source.length);
    if (typeof size === "number") {
      return size;
    }
    if (BigInt.asUintN(64, -size) === targetTooSmall) {
      return 0;
    }
    throw new HoldfastError("internal", `zstd could not compress: error ${BigInt.asUintN(64, -size)}`);
  }

  /** A frame of `source`, in a buffer of its own. */
  compress(source: Uint8Array): Buffer {
    if (this.#native === null) {
      return compressWithZlib(source);
    }
    const target = Buffer.allocUnsafe(compressBound(source.length));
    return Buffer.from(target.subarray(0, this.compressInto(source, target)));
  }

  [Symbol.dispose](): void {
    if (this.#native !== null && this.#context !== null) {
      this.#native.freeCCtx(this.#context);
      this.#context = null;
    }
  }
}

function compressWithZlib(source: Uint8Array): Buffer {
  return zstdCompressSync(source, { params: zlibParameters, pledgedSrcSize: source.length });
}

/** Reads frames. Belongs to one thread; dispose of it when done. */
export class Decompressor implements Disposable {
  readonly #native: NativeZstd | null;
  #context: Context = null;

  constructor(route: ZstdRoute = fastestZstdRoute) {
    this.#native = nativeFor(route);
    if (this.#native !== null) {
      this.#context = this.#native.createDCtx();
    }
  }

  /**
   * Writes the content to the beginning of `target` and returns its length. Throws `damaged` when `source`
   * is not whole frames or the content does not fit.
   */
  decompressInto(source: Uint8Array, target: Uint8Array): number {
    if (this.#native === null) {
      const content = decompressWithZlib(source, target.length);
      target.set(content);
      return content.length;
    }
    requireContext(this.#context);
    const size = this.#native.decompress(this.#context, target, target.length, source, source.length);
    if (typeof size === "number" && source.length > 0) {
      return size;
    }
    throw damagedFrame(typeof size === "bigint" ? `error ${BigInt.asUintN(64, -size)}` : "no data");
  }

  /** The content, of at most `maximumBytes`, in a buffer of its own. Throws `damaged` as above. */
  decompress(source: Uint8Array, maximumBytes: number): Buffer {
    const sizeBytes = frameContentSize(source);
    if (this.#native === null || sizeBytes === null) {
      return decompressWithZlib(source, maximumBytes); // which grows its target as needed
    }
    requireFit(source.length, sizeBytes, maximumBytes);
    const target = Buffer.allocUnsafe(Math.max(1, sizeBytes));
    return target.subarray(0, this.decompressInto(source, target));
  }

  [Symbol.dispose](): void {
    if (this.#native !== null && this.#context !== null) {
      this.#native.freeDCtx(this.#context);
      this.#context = null;
    }
  }
}

/** RFC 8878, 3.1.1.2: a block has a header of three bytes, some content, and holds no more than 128 KiB. */
const smallestBlockBytes = 4;
const largestBlockContentBytes = 128 * 1024;

/**
 * Throws `damaged` when frames of this length cannot hold so much: what a file only announces must not take memory.
 * Whoever makes room for an announced length asks first.
 */
export function requireRoomFor(frameBytes: number, contentBytes: number): void {
  const most = Math.ceil(frameBytes / smallestBlockBytes) * largestBlockContentBytes;
  if (contentBytes > most) throw damagedFrame(`${frameBytes} bytes cannot hold the ${contentBytes} that are announced`);
}

/** The library does not check its context: used after disposal it would take the process down. */
function requireContext(context: Context): void {
  if (context === null) throw new HoldfastError("internal", "zstd was used after it was disposed of");
}

function damagedFrame(why: string, cause?: unknown): HoldfastError {
  return new HoldfastError("damaged", `compressed data cannot be read: ${why}`, { cause });
}

const decompressInPool = promisify(zstdDecompress);

/**
 * The same beside the calling thread, in Node's pool of threads: for large frames, while the caller does other work.
 * The content has a buffer of its own. Throws `damaged`.
 */
export async function decompressAside(source: Uint8Array, maximumBytes: number): Promise<Buffer> {
  if (source.length === 0) throw damagedFrame("no data");
  const sizeBytes = frameContentSize(source);
  if (sizeBytes !== null) requireFit(source.length, sizeBytes, maximumBytes);
  try {
    // In one piece: Node would make it from pieces of 16 KiB.
    const whole = sizeBytes === null ? {} : { chunkSize: Math.max(constants.Z_MIN_CHUNK, sizeBytes) };
    return await decompressInPool(source, { maxOutputLength: Math.max(1, maximumBytes), ...whole });
  } catch (error) {
    throw damagedFrame(error instanceof Error ? error.message : String(error), error);
  }
}

/** Throws `damaged` when a frame announces more than is expected, or than it can hold. */
function requireFit(frameBytes: number, sizeBytes: number, maximumBytes: number): void {
  if (sizeBytes > maximumBytes)
    throw damagedFrame(`it announces ${sizeBytes} bytes where at most ${maximumBytes} are expected`);
  requireRoomFor(frameBytes, sizeBytes);
}

function decompressWithZlib(source: Uint8Array, maximumBytes: number): Buffer {
  if (source.length === 0) {
    throw damagedFrame("no data");
  }
  try {
    return zstdDecompressSync(source, { maxOutputLength: Math.max(1, maximumBytes) });
  } catch (error) {
    throw damagedFrame(error instanceof Error ? error.message : String(error), error);
  }
}

/** The content size in the header of the first frame (RFC 8878, 3.1.1.1), or null where it has none. */
function frameContentSize(frame: Uint8Array): number | null {
  const view = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
  if (view.length < 6 || view.readUInt32LE(0) !== 0xfd2fb528) {
    return null;
  }
  const descriptor = view.readUInt8(4);
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const dictionaryIdBytes = [0, 1, 2, 4][descriptor & 3] ?? 0;
  const offset = 5 + (isSingleSegment ? 0 : 1) + dictionaryIdBytes;
  const sizeFlag = descriptor >> 6;
  const sizeBytes = sizeFlag === 0 ? (isSingleSegment ? 1 : 0) : 1 << sizeFlag;
  if (sizeBytes === 0 || view.length < offset + sizeBytes) {
    return null;
  }
  if (sizeBytes === 8) {
    return Number(view.readBigUInt64LE(offset));
  }
  return view.readUIntLE(offset, sizeBytes) + (sizeBytes === 2 ? 256 : 0);
}
