// A hash over the rows of a table: every value with its type, in the order of the table.
import { createHash } from "node:crypto";

/** How `setReadBigInts` gives values. */
export type SqlValue = null | bigint | number | string | Uint8Array;

const tags = { null: 0, integer: 1, real: 2, text: 3, blob: 4 } as const;
const flushBytes = 64 * 1024;
const areaBytes = 2 * flushBytes;
/** A text takes at most this many bytes for each of its UTF-16 units. */
const utf8BytesPerUnit = 3;

/**
 * Each value is two little-endian 32-bit numbers, its type (null 0, integer 1, real 2, text 3, blob 4) and its length
 * in bytes, then its bytes (integer: 64 bits, two's complement; real: IEEE 754; text: UTF-8), filled up with zeros to
 * a multiple of eight. A row has as many values as the table has columns, so rows need no mark between them. Text
 * that is not valid in the encoding of the database counts with replacement characters.
 */
export class RowHash {
  readonly #hash = createHash("sha256");
  readonly #area = Buffer.from(new ArrayBuffer(areaBytes));
  readonly #words = new Int32Array(this.#area.buffer);
  readonly #integers = new BigInt64Array(this.#area.buffer);
  readonly #reals = new Float64Array(this.#area.buffer);
  #used = 0;

  add(row: readonly SqlValue[]): void {
    for (const value of row) {
      if (typeof value === "bigint") {
        this.#head(tags.integer, 8);
        this.#integers[this.#used >> 3] = value;
        this.#used += 8;
      } else if (typeof value === "string") this.#text(value);
      else if (value === null) this.#head(tags.null, 0);
      else if (typeof value === "number") {
        this.#head(tags.real, 8);
        this.#reals[this.#used >> 3] = value;
        this.#used += 8;
      } else this.#blob(value, tags.blob);
      if (this.#used >= flushBytes) this.#flush();
    }
  }

  digest(): string {
    this.#flush();
    return this.#hash.digest("hex");
  }

  #head(tag: number, lengthBytes: number): void {
    this.#words[this.#used >> 2] = tag;
    this.#words[(this.#used >> 2) + 1] = lengthBytes;
    this.#used += 8;
  }

  #text(value: string): void {
    if (value.length * utf8BytesPerUnit > flushBytes - 16) return this.#blob(Buffer.from(value), tags.text);
    const lengthBytes = this.#area.write(value, this.#used + 8);
    this.#head(tags.text, lengthBytes);
    this.#fillUp(lengthBytes);
  }

  #blob(value: Uint8Array, tag: number): void {
    this.#head(tag, value.length);
    if (value.length > flushBytes - 16) {
      this.#flush();
      this.#hash.update(value);
      this.#used = 0;
      const rest = -value.length & 7;
      this.#area.fill(0, 0, rest);
      this.#hash.update(this.#area.subarray(0, rest));
      return;
    }
    this.#area.set(value, this.#used);
    this.#fillUp(value.length);
  }

  #fillUp(lengthBytes: number): void {
    const end = this.#used + lengthBytes;
    this.#used = (end + 7) & ~7;
    if (end < this.#used) this.#area.fill(0, end, this.#used);
  }

  #flush(): void {
    this.#hash.update(this.#area.subarray(0, this.#used));
    this.#used = 0;
  }
}
