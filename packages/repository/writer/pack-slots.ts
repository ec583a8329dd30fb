// The pack buffers that worker threads fill together: two open at a time, the others on their way to the storage.
import { randomInt } from "node:crypto";
import { HoldfastError } from "../errors.ts";
import type { Region } from "../kernel/arena.ts";
import { lockMutex, unlockMutex } from "./mutex.ts";

/** A pack is closed when it holds this much, as restic's default. */
export const packTargetBytes = 16 * 1024 * 1024;
const slackBytes = 2 * 1024 * 1024;
/** More blobs than this in one pack would make its header large. */
export const maximumBlobsPerPack = 16_384;
const headerReserveBytes = maximumBlobsPerPack * 41 + 64;
/** What one pack buffer takes of the shared memory. */
export const packBufferBytes = packTargetBytes + slackBytes + headerReserveBytes;

const openSlots = 2;
const wordsPerBlob = 4;

// Control words: the mutex, a counter that changes whenever a buffer becomes free, an abort flag, the two open
// buffers (-1: none), then three words a buffer.
const mutexWord = 0;
const freedWord = 1;
const abortWord = 2;
const openWord = 3;
const bufferWords = openWord + openSlots;
const stateWord = 0;
const usedWord = 1;
const countWord = 2;
const free = 0;
const open = 1;
const closed = 2;

export interface SharedPackSlots {
  readonly regions: readonly Region[];
  readonly control: SharedArrayBuffer;
  readonly blobs: SharedArrayBuffer;
}

/** One blob of a pack under construction: its number in the blob index, and its place. */
export interface SlotBlob {
  readonly entry: number;
  readonly offset: number;
  readonly lengthBytes: number;
  readonly plainLength: number;
}

/**
 * Blobs go to one of two open packs at random, so that the order of blobs in a pack tells less about the data
 * (restic does this against attacks that recognise files by the lengths of their chunks). A worker that finds no
 * free buffer sleeps until the main thread has stored one: this is the back-pressure of the whole writer.
 */
export class PackSlots {
  readonly shared: SharedPackSlots;
  readonly #memory: Buffer;
  readonly #control: Int32Array;
  readonly #blobs: Uint32Array;

  constructor(shared: SharedPackSlots, memory: Buffer) {
    this.shared = shared;
    this.#memory = memory;
    this.#control = new Int32Array(shared.control);
    this.#blobs = new Uint32Array(shared.blobs);
  }

  static share(regions: readonly Region[]): SharedPackSlots {
    const control = new SharedArrayBuffer((bufferWords + regions.length * 3) * 4);
    new Int32Array(control).fill(-1, openWord, openWord + openSlots);
    return { regions, control, blobs: new SharedArrayBuffer(regions.length * maximumBlobsPerPack * wordsPerBlob * 4) };
  }

  /**
   * Copies a sealed blob into an open pack. Returns the buffers that are full by it; the caller finishes them.
   * Throws `interrupted` when the main thread has given up.
   */
  append(sealed: Uint8Array, entry: number, plainLength: number): number[] {
    const full: number[] = [];
    lockMutex(this.#control, mutexWord);
    try {
      for (;;) {
        const slot = openWord + randomInt(openSlots);
        const buffer = this.#openBuffer(slot);
        if (this.#fits(buffer, sealed.length)) {
          this.#place(buffer, sealed, entry, plainLength);
          if (this.#word(buffer, usedWord) >= packTargetBytes) full.push(this.#close(slot));
          return full;
        }
        full.push(this.#close(slot));
      }
    } finally {
      unlockMutex(this.#control, mutexWord);
    }
  }

  /** Closes the open packs; the buffers that hold anything. */
  closeAll(): number[] {
    lockMutex(this.#control, mutexWord);
    try {
      const slots = [openWord, openWord + 1].filter((slot) => this.#control[slot]! >= 0);
      return slots.map((slot) => this.#close(slot));
    } finally {
      unlockMutex(this.#control, mutexWord);
    }
  }

  /** The whole buffer, room for the header included. */
  bytes(buffer: number): Buffer {
    const region = this.shared.regions[buffer]!;
    return this.#memory.subarray(region.pointer, region.pointer + region.lengthBytes);
  }

  usedBytes(buffer: number): number {
    return this.#word(buffer, usedWord);
  }

  blobs(buffer: number): SlotBlob[] {
    const found: SlotBlob[] = [];
    for (let i = 0; i < this.#word(buffer, countWord); i++) {
      const at = (buffer * maximumBlobsPerPack + i) * wordsPerBlob;
      const [entry, offset, lengthBytes, plainLength] = this.#blobs.subarray(at, at + wordsPerBlob) as unknown as number[];
      found.push({ entry: entry!, offset: offset!, lengthBytes: lengthBytes!, plainLength: plainLength! });
    }
    return found;
  }

  /** Gives a stored buffer back and wakes the workers that wait for one. Called by the main thread. */
  release(buffer: number): void {
    Atomics.store(this.#control, this.#at(buffer, stateWord), free);
    Atomics.add(this.#control, freedWord, 1);
    Atomics.notify(this.#control, freedWord);
  }

  /** Makes every worker that appends, now or later, stop with `interrupted`. */
  abort(): void {
    Atomics.store(this.#control, abortWord, 1);
    Atomics.add(this.#control, freedWord, 1);
    Atomics.notify(this.#control, freedWord);
  }

  get aborted(): boolean {
    return Atomics.load(this.#control, abortWord) === 1;
  }

  #openBuffer(slot: number): number {
    for (;;) {
      if (this.aborted) throw new HoldfastError("interrupted", "the backup was stopped");
      const current = this.#control[slot]!;
      if (current >= 0) return current;
      const freed = Atomics.load(this.#control, freedWord);
      const found = this.shared.regions.findIndex((_, i) => Atomics.load(this.#control, this.#at(i, stateWord)) === free);
      if (found >= 0) {
        this.#control[this.#at(found, stateWord)] = open;
        this.#control[this.#at(found, usedWord)] = 0;
        this.#control[this.#at(found, countWord)] = 0;
        this.#control[slot] = found;
        return found;
      }
      unlockMutex(this.#control, mutexWord);
      Atomics.wait(this.#control, freedWord, freed);
      lockMutex(this.#control, mutexWord);
    }
  }

  #fits(buffer: number, lengthBytes: number): boolean {
    const capacity = packTargetBytes + slackBytes;
    return this.#word(buffer, countWord) < maximumBlobsPerPack && this.#word(buffer, usedWord) + lengthBytes <= capacity;
  }

  #place(buffer: number, sealed: Uint8Array, entry: number, plainLength: number): void {
    const offset = this.#word(buffer, usedWord);
    const count = this.#word(buffer, countWord);
    this.#memory.set(sealed, this.shared.regions[buffer]!.pointer + offset);
    const at = (buffer * maximumBlobsPerPack + count) * wordsPerBlob;
    this.#blobs[at] = entry;
    this.#blobs[at + 1] = offset;
    this.#blobs[at + 2] = sealed.length;
    this.#blobs[at + 3] = plainLength;
    this.#control[this.#at(buffer, usedWord)] = offset + sealed.length;
    this.#control[this.#at(buffer, countWord)] = count + 1;
  }

  #close(slot: number): number {
    const buffer = this.#control[slot]!;
    this.#control[slot] = -1;
    Atomics.store(this.#control, this.#at(buffer, stateWord), closed);
    return buffer;
  }

  #word(buffer: number, word: number): number {
    return Atomics.load(this.#control, this.#at(buffer, word));
  }

  #at(buffer: number, word: number): number {
    return bufferWords + buffer * 3 + word;
  }
}
