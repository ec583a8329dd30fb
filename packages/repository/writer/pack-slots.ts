// The pack buffers that worker threads fill together: two open at a time, the others on their way to the storage.
import { randomFillSync } from "node:crypto";
import { HoldfastError } from "../errors.ts";
import type { Region } from "../kernel/arena.ts";
import type { SealedBlob } from "./blob-writer.ts";
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
/** Of 256 blobs so many go to the second pack: unequal shares keep both from being full at the same moment. */
const secondSlotBelow = 80;
const wordsPerBlob = 4;

// Control words: the mutex, a counter that changes whenever a buffer becomes free, an abort flag, the two open
// buffers (-1: none), then four words a buffer.
const mutexWord = 0;
const freedWord = 1;
const abortWord = 2;
const openWord = 3;
const bufferWords = openWord + openSlots;
const stateWord = 0;
const usedWord = 1;
const countWord = 2;
const copyingWord = 3;
const wordsPerBuffer = 4;
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
  readonly #choices = Buffer.alloc(256);
  #choiceAt = this.#choices.length;

  constructor(shared: SharedPackSlots, memory: Buffer) {
    this.shared = shared;
    this.#memory = memory;
    this.#control = new Int32Array(shared.control);
    this.#blobs = new Uint32Array(shared.blobs);
  }

  static share(regions: readonly Region[]): SharedPackSlots {
    const control = new SharedArrayBuffer((bufferWords + regions.length * wordsPerBuffer) * 4);
    new Int32Array(control).fill(-1, openWord, openWord + openSlots);
    return { regions, control, blobs: new SharedArrayBuffer(regions.length * maximumBlobsPerPack * wordsPerBlob * 4) };
  }

  /**
   * Copies a sealed blob into an open pack and lets `check` look at the copy. Packs that are full are given to
   * `finish`, always before waiting for a free buffer: they become free only through it. Throws `interrupted` when
   * the main thread has given up. When `check` throws, the pack is never finished.
   */
  append(blob: SealedBlob, check: (copy: Buffer) => void, finish: (buffer: number) => void): void {
    for (;;) {
      const freed = Atomics.load(this.#control, freedWord);
      const { full, place } = this.#reserve(blob);
      if (place) {
        // Copied outside of the lock; whoever finishes a full pack waits for the copies into it.
        const at = this.shared.regions[place.buffer]!.pointer + place.offset;
        this.#memory.set(blob.bytes, at);
        check(this.#memory.subarray(at, at + blob.bytes.length));
        const copying = this.#at(place.buffer, copyingWord);
        Atomics.sub(this.#control, copying, 1);
        Atomics.notify(this.#control, copying);
      }
      for (const buffer of full) {
        this.#awaitCopies(buffer);
        finish(buffer);
      }
      if (place) return;
      Atomics.wait(this.#control, freedWord, freed);
    }
  }

  /** Finds room in an open pack; no place when all buffers are on their way to the storage. */
  #reserve(blob: SealedBlob): { full: number[]; place: { buffer: number; offset: number } | null } {
    const full: number[] = [];
    lockMutex(this.#control, mutexWord);
    try {
      for (;;) {
        const slot = openWord + (this.#nextChoice() < secondSlotBelow ? 1 : 0);
        const buffer = this.#openBuffer(slot);
        if (buffer < 0) return { full, place: null };
        if (this.#fits(buffer, blob.bytes.length)) {
          const offset = this.#place(buffer, blob);
          if (this.#word(buffer, usedWord) >= packTargetBytes) full.push(this.#close(slot));
          return { full, place: { buffer, offset } };
        }
        full.push(this.#close(slot));
      }
    } finally {
      unlockMutex(this.#control, mutexWord);
    }
  }

  #awaitCopies(buffer: number): void {
    const at = this.#at(buffer, copyingWord);
    for (let left = Atomics.load(this.#control, at); left > 0; left = Atomics.load(this.#control, at)) {
      Atomics.wait(this.#control, at, left);
    }
  }

  /** Random bytes in batches: a call for each blob costs more than the choice is worth. */
  #nextChoice(): number {
    if (this.#choiceAt === this.#choices.length) {
      randomFillSync(this.#choices);
      this.#choiceAt = 0;
    }
    return this.#choices[this.#choiceAt++]!;
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
      const [entry, offset, lengthBytes, plainLength] = this.#blobs.subarray(
        at,
        at + wordsPerBlob,
      ) as unknown as number[];
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

  /** The buffer open in this slot, or a free one put there, or -1. */
  #openBuffer(slot: number): number {
    if (this.aborted) throw new HoldfastError("interrupted", "the backup was stopped");
    const current = this.#control[slot]!;
    if (current >= 0) return current;
    const found = this.shared.regions.findIndex((_, i) => Atomics.load(this.#control, this.#at(i, stateWord)) === free);
    if (found < 0) return -1;
    this.#control[this.#at(found, stateWord)] = open;
    this.#control[this.#at(found, usedWord)] = 0;
    this.#control[this.#at(found, countWord)] = 0;
    this.#control[slot] = found;
    return found;
  }

  #fits(buffer: number, lengthBytes: number): boolean {
    const capacity = packTargetBytes + slackBytes;
    return (
      this.#word(buffer, countWord) < maximumBlobsPerPack && this.#word(buffer, usedWord) + lengthBytes <= capacity
    );
  }

  #place(buffer: number, { bytes, entry, plainLength }: SealedBlob): number {
    const offset = this.#word(buffer, usedWord);
    const count = this.#word(buffer, countWord);
    const at = (buffer * maximumBlobsPerPack + count) * wordsPerBlob;
    this.#blobs[at] = entry;
    this.#blobs[at + 1] = offset;
    this.#blobs[at + 2] = bytes.length;
    this.#blobs[at + 3] = plainLength;
    this.#control[this.#at(buffer, usedWord)] = offset + bytes.length;
    this.#control[this.#at(buffer, countWord)] = count + 1;
    Atomics.add(this.#control, this.#at(buffer, copyingWord), 1);
    return offset;
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
    return bufferWords + buffer * wordsPerBuffer + word;
  }
}
