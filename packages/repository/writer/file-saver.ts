// Reads the content of files in a worker thread, cuts it into chunks and stores them.
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import type { Chunker } from "../chunker/chunker.ts";
import { HoldfastError } from "../errors.ts";
import { bytesOf } from "../filesystem/path.ts";
import { nextData } from "../filesystem/sparse.ts";
import type { SystemCalls } from "../filesystem/system-calls.ts";
import type { Region } from "../kernel/arena.ts";
import type { BlobWriter } from "./blob-writer.ts";
import type { ContentSegment, LargeFileItem } from "./messages.ts";
import { SharedFile } from "./shared-file.ts";

/** O_NONBLOCK: a FIFO put in the file's place must not hold us. O_NOATIME fails for files of others, so it is not used. */
const openFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const idBytes = 32;

export interface FileIdentity {
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly inode: bigint;
}

export interface SavedFile {
  readonly ids: readonly string[];
  readonly sizeBytes: number;
  /** The file did not stand still while it was read: what is stored may mix two states. */
  readonly changed: boolean;
}

/** One for each worker thread; `window` lies in the kernel's memory and holds at least the largest chunk. */
export class FileSaver {
  readonly #system: SystemCalls;
  readonly #memory: Buffer;
  readonly #window: Region;
  readonly #chunker: Chunker;
  readonly #blobs: BlobWriter;
  readonly #bytesRead: (bytes: number) => void;

  constructor(parts: {
    system: SystemCalls;
    memory: Buffer;
    window: Region;
    chunker: Chunker;
    blobs: BlobWriter;
    bytesRead: (bytes: number) => void;
  }) {
    this.#system = parts.system;
    this.#memory = parts.memory;
    this.#window = parts.window;
    this.#chunker = parts.chunker;
    this.#blobs = parts.blobs;
    this.#bytesRead = parts.bytesRead;
  }

  /** True when a file of this size is read in one go. */
  fits(sizeBytes: bigint): boolean {
    return sizeBytes < BigInt(this.#window.lengthBytes);
  }

  /** Stores a file that fits the window; null when it has grown out of it. Throws system errors as Node does. */
  saveSmall(path: Buffer, identity: FileIdentity): SavedFile | null {
    const read = this.#readWhole(path);
    if (!read) return null;
    this.#bytesRead(read.length);
    const ids = this.saveChunks(this.#cutAll(read.length, true), this.#window.pointer);
    return { ids, sizeBytes: read.length, changed: read.changed || !sameFile(read.identity, identity) };
  }

  /** Takes part in reading a large file until its end. `changed` compares with what the scan saw. */
  saveShared(item: LargeFileItem): { segments: ContentSegment[]; changed: boolean; sizeBytes: number } {
    const fd = openSync(bytesOf(item.path), openFlags);
    try {
      const file = new SharedFile(item.shared);
      const stats = fstatSync(fd);
      const mayHaveHoles = stats.blocks * 512 < stats.size;
      const segments: ContentSegment[] = [];
      for (;;) {
        const found = file.next((offset, sequence) =>
          this.#readRegion(fd, mayHaveHoles ? stats.size : 0, offset, sequence),
        );
        if (!found) break;
        if (found.zeroChunks > 0) {
          segments.push({ sequence: found.sequence, ids: this.#zeroChunk(), repeat: found.zeroChunks });
          this.#bytesRead(found.zeroChunks * this.#chunker.minBytes);
          continue;
        }
        segments.push({
          sequence: found.sequence,
          ids: this.saveChunks(found.lengths, this.#window.pointer),
          repeat: 1,
        });
        this.#bytesRead(found.lengths.reduce((sum, length) => sum + length, 0));
      }
      return { segments, changed: !sameFile(identityOf(fd), item), sizeBytes: file.offset };
    } finally {
      closeSync(fd);
    }
  }

  /** Stores chunks that lie one after another in memory from `pointer` on. */
  saveChunks(lengths: readonly number[], pointer: number): string[] {
    const ids = this.saveChunkIds(lengths, pointer);
    return lengths.map((_, i) => ids.toString("hex", i * idBytes, (i + 1) * idBytes));
  }

  /** The same, the ids one after another, 32 bytes each. */
  saveChunkIds(lengths: readonly number[], pointer: number): Buffer<ArrayBuffer> {
    // Not from Buffer's pool: it goes to another thread.
    const ids = Buffer.alloc(lengths.length * idBytes);
    let at = pointer;
    for (const [i, length] of lengths.entries()) {
      this.#blobs.save(this.#memory.subarray(at, at + length), "data").copy(ids, i * idBytes);
      at += length;
    }
    return ids;
  }

  #readRegion(fd: number, sparseSizeBytes: number, offset: number, sequence: number) {
    const zeroChunks = sparseSizeBytes > 0 ? this.#wholeZeroChunks(fd, sparseSizeBytes, offset) : 0;
    if (zeroChunks > 0) {
      const nextOffset = offset + zeroChunks * this.#chunker.minBytes;
      return { nextOffset, last: false, value: { sequence, zeroChunks, lengths: [] as number[] } };
    }
    const length = this.#fill(fd, offset);
    const last = length < this.#window.lengthBytes;
    const lengths = this.#cutAll(length, last);
    const nextOffset = offset + lengths.reduce((sum, part) => sum + part, 0);
    return { nextOffset, last, value: { sequence, zeroChunks: 0, lengths } };
  }

  /**
   * How many chunks of zeros begin here, told by the file system without reading: a run of zeros is cut at the
   * least length, because the fingerprint of 64 zero bytes is zero.
   */
  #wholeZeroChunks(fd: number, sizeBytes: number, offset: number): number {
    if (offset >= sizeBytes) return 0;
    const data = Number(nextData(this.#system, fd, BigInt(offset)) ?? BigInt(sizeBytes));
    return Math.max(0, Math.floor((data - offset) / this.#chunker.minBytes));
  }

  #zeroChunk(): string[] {
    this.#memory.fill(0, this.#window.pointer, this.#window.pointer + this.#chunker.minBytes);
    return this.saveChunks([this.#chunker.minBytes], this.#window.pointer);
  }

  #readWhole(path: Buffer): { length: number; identity: FileIdentity; changed: boolean } | null {
    const fd = openSync(path, openFlags);
    try {
      const length = this.#fill(fd, 0);
      if (length === this.#window.lengthBytes) return null;
      const stats = fstatSync(fd, { bigint: true });
      if (!stats.isFile()) throw new HoldfastError("source", "is no longer a regular file");
      const identity = { mtimeNs: stats.mtimeNs, ctimeNs: stats.ctimeNs, inode: stats.ino };
      return { length, identity, changed: stats.size !== BigInt(length) };
    } finally {
      closeSync(fd);
    }
  }

  /** Reads from `offset` until the window is full or the file ends. */
  #fill(fd: number, offset: number): number {
    const { pointer, lengthBytes } = this.#window;
    let filled = 0;
    while (filled < lengthBytes) {
      const got = readSync(fd, this.#memory, pointer + filled, lengthBytes - filled, offset + filled);
      if (got === 0) break;
      filled += got;
    }
    return filled;
  }

  /** Lengths of the chunks at the start of the window; without `last` the rest after the last cut is left. */
  #cutAll(length: number, last: boolean): number[] {
    const lengths: number[] = [];
    for (let at = 0; at < length;) {
      const cut = this.#chunker.cut(this.#window.pointer + at, length - at, last);
      if (cut === 0) break;
      lengths.push(cut);
      at += cut;
    }
    return lengths;
  }
}

function identityOf(fd: number): FileIdentity {
  const stats = fstatSync(fd, { bigint: true });
  return { mtimeNs: stats.mtimeNs, ctimeNs: stats.ctimeNs, inode: stats.ino };
}

function sameFile(a: FileIdentity, b: FileIdentity): boolean {
  return a.mtimeNs === b.mtimeNs && a.ctimeNs === b.ctimeNs && a.inode === b.inode;
}
