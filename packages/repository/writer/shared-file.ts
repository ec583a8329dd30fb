// The state of a large file that several threads read together: who reads next, and from where.
import { lockMutex, unlockMutex } from "./mutex.ts";

const mutexWord = 0;
const doneWord = 1;
const sequenceWord = 2;
const offsetAt = 16;
const sizeBytes = 24;

/**
 * The chunks of a file follow from each other only by the offset at which the next one starts, so that offset is all
 * the state: a thread takes the lock, reads a window, finds the cuts in it, moves the offset to the last cut, gives
 * the lock back, and only then does the costly work on the chunks it has.
 */
export class SharedFile {
  readonly #words: Int32Array;
  readonly #offset: Float64Array;

  constructor(shared: SharedArrayBuffer) {
    this.#words = new Int32Array(shared);
    this.#offset = new Float64Array(shared, offsetAt, 1);
  }

  static share(): SharedArrayBuffer {
    return new SharedArrayBuffer(sizeBytes);
  }

  /**
   * Runs `read` alone among all threads with the offset of the next chunk, unless the end was reached. `read` says
   * how far it came and whether that was the end.
   */
  next<T>(read: (offset: number, sequence: number) => { nextOffset: number; last: boolean; value: T }): T | null {
    lockMutex(this.#words, mutexWord);
    try {
      if (this.#words[doneWord] === 1) return null;
      const { nextOffset, last, value } = read(this.#offset[0]!, this.#words[sequenceWord]!);
      this.#offset[0] = nextOffset;
      this.#words[sequenceWord]! += 1;
      if (last) this.#words[doneWord] = 1;
      return value;
    } catch (error) {
      this.#words[doneWord] = 1;
      throw error;
    } finally {
      unlockMutex(this.#words, mutexWord);
    }
  }

  /** How many bytes have been read, once all threads are through. */
  get offset(): number {
    return this.#offset[0]!;
  }
}
