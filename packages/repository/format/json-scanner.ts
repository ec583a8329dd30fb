// Reads JSON (RFC 8259) straight from bytes: trees and index files, where JSON.parse is too slow or loses digits.
//
// Integers above 2^53 stay exact, ids are turned into bytes without a string between, and a value can be
// skipped while its span is kept. Bytes that are not UTF-8 become U+FFFD, as in Go. Everything malformed is
// `damaged`.

import { HoldfastError } from "../errors.ts";

const quote = 0x22;
const backslash = 0x5c;
/** Deeper than any honest file; a limit keeps a hostile one from exhausting the stack. */
export const maximumDepth = 64;
const maximumUint64 = 0xffff_ffff_ffff_ffffn;

const hexValues = new Int8Array(256).fill(-1);
for (const [value, digit] of "0123456789abcdef".split("").entries()) {
  hexValues[digit.charCodeAt(0)] = value;
}

/** A string that was read before, and where its characters lie. */
interface KnownString {
  readonly start: number;
  readonly lengthBytes: number;
  readonly text: string;
}

/** How many strings a scanner remembers, a power of two, and how long the longest may be. */
const rememberedStrings = 256;
const longestRememberedBytes = 40;

/** A cursor over one JSON text. Methods read at the cursor, white space before it allowed, and move behind. */
export class JsonScanner {
  readonly bytes: Buffer;
  /** What the text is ("tree", "index file"), for messages. */
  readonly #kind: string;
  position: number;
  readonly #known: (KnownString | undefined)[] = [];

  constructor(bytes: Buffer, kind: string, position = 0) {
    this.bytes = bytes;
    this.#kind = kind;
    this.position = position;
  }

  /** The error for malformed text at the cursor. */
  damaged(expected: string): HoldfastError {
    return new HoldfastError("damaged", `a ${this.#kind} is malformed at byte ${this.position}: expected ${expected}`, {
      context: { offset: this.position },
    });
  }

  /** The next byte that is no white space, not consumed; 0 at the end of the text. */
  peek(): number {
    const { bytes } = this;
    for (;;) {
      const byte = this.position < bytes.length ? (bytes[this.position] ?? 0) : 0;
      if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) {
        this.position += 1;
      } else {
        return byte;
      }
    }
  }

  /** Consumes `character` if it comes next. */
  take(character: number): boolean {
    if (this.peek() === character) {
      this.position += 1;
      return true;
    }
    return false;
  }

  expect(character: number): void {
    if (!this.take(character)) {
      throw this.damaged(`"${String.fromCharCode(character)}"`);
    }
  }

  /** Throws unless only white space is left. */
  expectEnd(): void {
    this.peek();
    if (this.position < this.bytes.length) {
      throw this.damaged("the end");
    }
  }

  /** Consumes `null` if it comes next. */
  takeNull(): boolean {
    if (this.peek() !== 0x6e) {
      return false;
    }
    this.#literal("null");
    return true;
  }

  #literal(word: string): void {
    if (this.bytes.toString("latin1", this.position, this.position + word.length) !== word) {
      throw this.damaged("a value");
    }
    this.position += word.length;
  }

  /**
   * Inside an object: consumes the comma (unless `isFirst`), the name and the colon of the next member, and
   * returns the name; null, having consumed the brace, when there is none.
   */
  nextMember(isFirst: boolean): string | null {
    if (this.take(0x7d)) {
      return null;
    }
    if (!isFirst) {
      this.expect(0x2c);
    }
    const name = this.string();
    this.expect(0x3a);
    return name;
  }

  /** Inside an array: consumes the comma (unless `isFirst`); false, having consumed the bracket, at its end. */
  nextElement(isFirst: boolean): boolean {
    if (this.take(0x5d)) {
      return false;
    }
    if (!isFirst) {
      this.expect(0x2c);
    }
    return true;
  }

  /**
   * Consumes a string without its meaning; the cursor ends behind the closing quote. True when it is plain:
   * ASCII without escapes, so that its bytes are its characters.
   */
  skipString(): boolean {
    this.expect(quote);
    const { bytes } = this;
    const end = bytes.length;
    let position = this.position;
    let isPlain = true;
    while (position < end) {
      const byte = bytes[position] ?? 0;
      position += 1;
      if (byte === quote) {
        this.position = position;
        return isPlain;
      }
      if (byte === backslash) {
        position += 1; // whatever is escaped; checked where the string is read
        isPlain = false;
      } else if (byte < 0x20) {
        this.position = position - 1;
        throw this.damaged("no control character in a string");
      } else if (byte >= 0x80) {
        isPlain = false;
      }
    }
    this.position = end;
    throw this.damaged("the end of a string");
  }

  string(): string {
    this.peek();
    const start = this.position;
    if (this.skipString()) {
      return this.#plainText(start + 1, this.position - 1);
    }
    try {
      return JSON.parse(this.bytes.toString("utf8", start, this.position)) as string;
    } catch {
      throw this.damaged("a string with valid escapes");
    }
  }

  /** Member names, types, users and times repeat all the time: finding them again is cheaper than making them. */
  #plainText(start: number, end: number): string {
    const { bytes } = this;
    const lengthBytes = end - start;
    if (lengthBytes > longestRememberedBytes) {
      return bytes.toString("latin1", start, end);
    }
    let sum = lengthBytes;
    for (let position = start; position < end; position += 1) {
      sum = (Math.imul(sum, 31) + (bytes[position] ?? 0)) | 0;
    }
    const place = sum & (rememberedStrings - 1);
    const known = this.#known[place];
    if (known !== undefined && known.lengthBytes === lengthBytes && this.#isSame(known.start, start, lengthBytes)) {
      return known.text;
    }
    const text = bytes.toString("latin1", start, end);
    this.#known[place] = { start, lengthBytes, text };
    return text;
  }

  #isSame(first: number, second: number, lengthBytes: number): boolean {
    const { bytes } = this;
    for (let index = 0; index < lengthBytes; index += 1) {
      if (bytes[first + index] !== bytes[second + index]) {
        return false;
      }
    }
    return true;
  }

  /** A string of 64 hexadecimal digits. */
  id(): string {
    this.peek();
    const start = this.position + 1;
    this.idInto(null, 0);
    return this.bytes.toString("latin1", start, start + 64);
  }

  /** The same as 32 bytes, written to `target` at `offset`. */
  idInto(target: Uint8Array | null, offset: number): void {
    this.expect(quote);
    const { bytes, position } = this;
    if (position + 65 > bytes.length || bytes[position + 64] !== quote) {
      throw this.damaged("an id");
    }
    let invalid = 0;
    for (let index = 0; index < 32; index += 1) {
      const high = hexValues[bytes[position + 2 * index] ?? 0] ?? -1;
      const low = hexValues[bytes[position + 2 * index + 1] ?? 0] ?? -1;
      invalid |= high | low;
      if (target !== null) {
        target[offset + index] = (high << 4) | low;
      }
    }
    if (invalid < 0) {
      throw this.damaged("an id");
    }
    this.position = position + 65;
  }

  /** A whole number from 0 to `maximum`, which is at most 2^53 - 1. */
  integer(maximum: number): number {
    this.peek();
    const start = this.position;
    const end = this.#digits();
    const value = end - start <= 15 ? this.#shortNumber(start, end) : Number(this.bytes.toString("latin1", start, end));
    if (value > maximum) {
      this.position = start;
      throw this.damaged(`a number of at most ${maximum}`);
    }
    return value;
  }

  /** A whole number from 0 to 2^64 - 1. */
  uint64(): bigint {
    this.peek();
    const start = this.position;
    const end = this.#digits();
    if (end - start <= 15) {
      return BigInt(this.#shortNumber(start, end));
    }
    const value = end - start <= 20 ? BigInt(this.bytes.toString("latin1", start, end)) : maximumUint64 + 1n;
    if (value > maximumUint64) {
      this.position = start;
      throw this.damaged("a number of 64 bits");
    }
    return value;
  }

  #shortNumber(start: number, end: number): number {
    let value = 0;
    for (let position = start; position < end; position += 1) {
      value = value * 10 + ((this.bytes[position] ?? 0) - 0x30);
    }
    return value;
  }

  /** Consumes digits without a leading zero, nothing that would make them another number; returns the end. */
  #digits(): number {
    const { bytes } = this;
    const start = this.position;
    let position = start;
    let byte = bytes[position] ?? 0;
    while (byte >= 0x30 && byte <= 0x39) {
      position += 1;
      byte = position < bytes.length ? (bytes[position] ?? 0) : 0;
    }
    const isFraction = byte === 0x2e || (byte | 0x20) === 0x65;
    if (position === start || isFraction || (bytes[start] === 0x30 && position > start + 1)) {
      throw this.damaged("a whole number that is not negative");
    }
    this.position = position;
    return position;
  }

  /** Consumes any value, checking its form; the span is from the cursor after `peek` to the cursor afterwards. */
  skipValue(depth = 0): void {
    if (depth > maximumDepth) {
      throw this.damaged("less deeply nested values");
    }
    const byte = this.peek();
    if (byte === 0x7b) {
      this.position += 1;
      for (let isFirst = true; this.nextMember(isFirst) !== null; isFirst = false) {
        this.skipValue(depth + 1);
      }
    } else if (byte === 0x5b) {
      this.position += 1;
      for (let isFirst = true; this.nextElement(isFirst); isFirst = false) {
        this.skipValue(depth + 1);
      }
    } else if (byte === quote) {
      this.string();
    } else {
      this.#skipScalar(byte);
    }
  }

  #skipScalar(byte: number): void {
    if (byte === 0x74 || byte === 0x66 || byte === 0x6e) {
      this.#literal(byte === 0x74 ? "true" : byte === 0x66 ? "false" : "null");
      return;
    }
    const pattern = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/;
    const match = pattern.exec(this.bytes.toString("latin1", this.position, this.position + 400));
    if (match === null) {
      throw this.damaged("a value");
    }
    this.position += match[0].length;
  }
}
