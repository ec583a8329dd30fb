// The inner loops in WebAssembly (kernel/assembly), called over one shared memory.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { HoldfastError } from "../errors.ts";
import { Arena } from "./arena.ts";
import type { Region } from "./arena.ts";

/** What kernel/assembly/index.ts exports. Pointers are unsigned 32-bit numbers. */
interface KernelExports {
  poly1305Begin(state: number, key: number): void;
  poly1305Update(state: number, message: number, lengthBytes: number): void;
  poly1305Finish(state: number, message: number, lengthBytes: number, tag: number): void;
  rabinTables(tables: number, polynomial: bigint): void;
  rabinCut(tables: number, data: number, length: number, minimum: number, maximum: number, mask: number): number;
}

// The layout of the scratch region.
const keyOffset = 128; // behind the state of Poly1305, which takes 88 bytes
const tagOffset = 160;
const pieceOffset = 192;
const pieceBytes = 65_536;

/** The bytes of scratch that each Kernel needs for itself. */
export const kernelScratchBytes = pieceOffset + pieceBytes;
/** The bytes of the tables of one polynomial, which any number of kernels over one memory may read. */
export const rabinTableBytes = 4096;
/** The bytes that decide a cut; no chunk can be shorter. */
export const rabinWindowBytes = 64;

/** One thread's instance of the WebAssembly module over a memory that threads share. */
export class Kernel {
  /** The whole memory. The memory never grows, so the view stays valid. */
  readonly bytes: Buffer;
  readonly #exports: KernelExports;
  readonly #scratch: number;

  /** @param scratch at least `kernelScratchBytes` that no other instance uses. */
  constructor(memory: WebAssembly.Memory, scratch: Region) {
    this.bytes = Buffer.from(memory.buffer);
    this.#requireInside(scratch.pointer, scratch.lengthBytes);
    if (scratch.lengthBytes < kernelScratchBytes) {
      throw new HoldfastError("internal", `a kernel needs ${kernelScratchBytes} bytes of scratch`);
    }
    this.#scratch = scratch.pointer;
    this.#exports = instantiate(memory);
  }

  /** A kernel with a memory of its own that holds its scratch only. */
  static alone(): Kernel {
    const arena = new Arena(kernelScratchBytes);
    return new Kernel(arena.memory, arena.allocate(kernelScratchBytes));
  }

  view(region: Region): Buffer {
    this.#requireInside(region.pointer, region.lengthBytes);
    return this.bytes.subarray(region.pointer, region.pointer + region.lengthBytes);
  }

  /**
   * The Poly1305 tag (RFC 8439, section 2.5) of `message`, written to the first 16 bytes of `tag`.
   * A message in the kernel's memory is read where it lies; any other is copied through the scratch.
   * @param key 32 bytes: r, clamped here, then s.
   */
  poly1305(key: Uint8Array, message: Uint8Array, tag: Uint8Array): void {
    if (key.length !== 32 || tag.length < 16) {
      throw new HoldfastError("internal", "Poly1305 takes a key of 32 bytes and writes a tag of 16");
    }
    const { bytes } = this;
    const state = this.#scratch;
    const wholeBytes = message.length & ~15;
    const restBytes = message.length & 15;
    bytes.set(key, state + keyOffset);
    this.#exports.poly1305Begin(state, state + keyOffset);
    let rest: number;
    if (message.buffer === bytes.buffer) {
      this.#exports.poly1305Update(state, message.byteOffset, wholeBytes);
      rest = message.byteOffset + wholeBytes;
    } else {
      rest = state + pieceOffset;
      for (let offset = 0; offset < wholeBytes; offset += pieceBytes) {
        const lengthBytes = Math.min(pieceBytes, wholeBytes - offset);
        bytes.set(message.subarray(offset, offset + lengthBytes), rest);
        this.#exports.poly1305Update(state, rest, lengthBytes);
      }
      bytes.set(message.subarray(wholeBytes), rest);
    }
    this.#exports.poly1305Finish(state, rest, restBytes, state + tagOffset);
    tag.set(bytes.subarray(state + tagOffset, state + tagOffset + 16));
  }

  /** Fills `region` (at least `rabinTableBytes`) with the tables of `polynomial`, whose degree must be 53. */
  rabinTables(polynomial: bigint, region: Region): void {
    if (polynomial >> 53n !== 1n) {
      throw new HoldfastError("internal", "a chunker's polynomial has the degree 53");
    }
    this.#requireTables(region);
    this.#exports.rabinTables(region.pointer, polynomial);
  }

  /**
   * The length of the first chunk of the `lengthBytes` bytes at the pointer `offset`: from `minBytes` on up to
   * `maxBytes`, the first whose last 64 bytes have a fingerprint with the lowest `maskBits` bits zero.
   * 0 if there is no cut yet: the chunk goes on behind the buffer, unless the caller knows that nothing follows.
   */
  rabinCut(
    tables: Region,
    offset: number,
    lengthBytes: number,
    minBytes: number,
    maxBytes: number,
    maskBits: number,
  ): number {
    this.#requireTables(tables);
    this.#requireInside(offset, lengthBytes);
    if (!(minBytes >= rabinWindowBytes && maxBytes >= minBytes && maskBits >= 1 && maskBits <= 31)) {
      throw new HoldfastError("internal", `no chunker has the limits ${minBytes}, ${maxBytes} and ${maskBits} bits`);
    }
    const mask = 2 ** maskBits - 1;
    return this.#exports.rabinCut(tables.pointer, offset, lengthBytes, minBytes, maxBytes, mask);
  }

  #requireTables(region: Region): void {
    this.#requireInside(region.pointer, region.lengthBytes);
    if (region.lengthBytes < rabinTableBytes) {
      throw new HoldfastError("internal", `the tables of a polynomial take ${rabinTableBytes} bytes`);
    }
  }

  #requireInside(pointer: number, lengthBytes: number): void {
    if (!(pointer >= 0 && lengthBytes >= 0 && pointer + lengthBytes <= this.bytes.length)) {
      throw new HoldfastError("internal", "a region lies outside the kernel's memory", {
        context: { pointer, lengthBytes, memoryBytes: this.bytes.length },
      });
    }
  }
}

/** The module is small, and V8 shares its machine code among threads that compile the same bytes. */
function instantiate(memory: WebAssembly.Memory): KernelExports {
  const path = fileURLToPath(new URL("build/kernel.wasm", import.meta.url));
  try {
    const instance = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(path)), { env: { memory } });
    return instance.exports as unknown as KernelExports;
  } catch (error) {
    throw new HoldfastError("internal", `the WebAssembly kernel cannot be loaded from ${path}`, {
      hint: "build it with `npm run build:wasm`",
      cause: error,
    });
  }
}
