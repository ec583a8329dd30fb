// Strings as Go writes them: encoding/json with HTML escaping, and strconv.Quote over raw bytes.
//
// Sources: the documentation of Go's encoding/json and strconv, and restic's design document ("the name is
// quoted using strconv.Quote before being saved"). Go 1.22 and later (restic 0.17 and later) write backspace
// and form feed as \b and \f; older versions wrote \u0008 and \u000c. We write the newer form and read both.

import { isUtf8 } from "node:buffer";
import { HoldfastError } from "../errors.ts";
import { isGoPrintable } from "./go-printable.ts";

// Characters that Go's JSON escapes. With the flag u a surrogate matches only where it stands alone.
const jsonEscaped = /["\\<>&\u0000-\u001f\u2028\u2029\ud800-\udfff]/u;
const jsonEscapedAll = new RegExp(jsonEscaped.source, "gu");

const shortJsonEscapes: Readonly<Record<string, string>> = {
  '"': '\\"',
  "\\": "\\\\",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
};

function escapeForJson(character: string): string {
  const code = character.charCodeAt(0);
  if (code >= 0xd800 && code <= 0xdfff) {
    return "\\ufffd"; // a lone surrogate is to JavaScript what an invalid byte is to Go
  }
  return shortJsonEscapes[character] ?? `\\u${code.toString(16).padStart(4, "0")}`;
}

/** `text` as a JSON string with its quotes, as Go's json.Marshal writes it. */
export function goJsonString(text: string): string {
  return jsonEscaped.test(text) ? `"${text.replace(jsonEscapedAll, escapeForJson)}"` : `"${text}"`;
}

/** The same for raw bytes: each byte that is not part of valid UTF-8 becomes the six characters \ufffd. */
export function goJsonBytes(bytes: Uint8Array): string {
  if (isUtf8(bytes)) {
    return goJsonString(utf8Text(bytes));
  }
  let text = "";
  for (let offset = 0; offset < bytes.length;) {
    const codePoint = decodeRune(bytes, offset);
    text += codePoint < 0 ? "\ud800" : String.fromCodePoint(codePoint);
    offset += codePoint < 0 ? 1 : runeBytes(codePoint);
  }
  return goJsonString(text);
}

/** Values whose strings are escaped as Go does, fields in the order given; undefined ones are left out. */
export function goJsonValue(value: unknown): string {
  if (typeof value === "string") {
    return goJsonString(value);
  }
  if (Array.isArray(value)) {
    return `[${value.map(goJsonValue).join(",")}]`;
  }
  if (typeof value === "object" && value !== null) {
    const fields = Object.entries(value).filter(([, field]) => field !== undefined);
    return `{${fields.map(([name, field]) => `${goJsonString(name)}:${goJsonValue(field)}`).join(",")}}`;
  }
  return typeof value === "bigint" ? value.toString() : JSON.stringify(value);
}

function utf8Text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
}

function runeBytes(codePoint: number): number {
  return codePoint < 0x80 ? 1 : codePoint < 0x800 ? 2 : codePoint < 0x10000 ? 3 : 4;
}

/** The code point that begins at `offset`, or -1 when valid UTF-8 (no surrogates, no overlong forms) does not. */
function decodeRune(bytes: Uint8Array, offset: number): number {
  const first = bytes[offset] ?? 0;
  if (first < 0x80) {
    return first;
  }
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || offset + length > bytes.length) {
    return -1;
  }
  let codePoint = first & (0xff >> (length + 1));
  for (let index = offset + 1; index < offset + length; index += 1) {
    const next = bytes[index] ?? 0;
    if ((next & 0xc0) !== 0x80) {
      return -1;
    }
    codePoint = (codePoint << 6) | (next & 0x3f);
  }
  const isSurrogate = codePoint >= 0xd800 && codePoint <= 0xdfff;
  return isSurrogate || codePoint > 0x10ffff || runeBytes(codePoint) !== length ? -1 : codePoint;
}

const shortQuoteEscapes: Readonly<Record<number, string>> = {
  0x07: "\\a",
  0x08: "\\b",
  0x09: "\\t",
  0x0a: "\\n",
  0x0b: "\\v",
  0x0c: "\\f",
  0x0d: "\\r",
  0x22: '\\"',
  0x5c: "\\\\",
};

function hexDigits(value: number, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}

function quoteRune(codePoint: number): string {
  const short = shortQuoteEscapes[codePoint];
  if (short !== undefined) {
    return short;
  }
  if (isGoPrintable(codePoint)) {
    return String.fromCodePoint(codePoint);
  }
  if (codePoint < 0x20 || codePoint === 0x7f) {
    return `\\x${hexDigits(codePoint, 2)}`;
  }
  return codePoint < 0x10000 ? `\\u${hexDigits(codePoint, 4)}` : `\\U${hexDigits(codePoint, 8)}`;
}

/** Raw bytes as Go's strconv.Quote writes them, without the quotes around. */
export function goQuote(bytes: Uint8Array): string {
  let text = "";
  for (let offset = 0; offset < bytes.length;) {
    const codePoint = decodeRune(bytes, offset);
    if (codePoint < 0) {
      text += `\\x${hexDigits(bytes[offset] ?? 0, 2)}`;
      offset += 1;
    } else {
      text += quoteRune(codePoint);
      offset += runeBytes(codePoint);
    }
  }
  return text;
}

// Printable ASCII that neither strconv.Quote nor JSON touches.
const plainName = /^[ !#-%'-;=?-[\]-~]*$/;

/** A file name as it stands in a tree: quoted as a Go string, then as JSON, with the JSON quotes. */
export function quoteName(name: Buffer): string {
  const text = name.toString("latin1");
  return plainName.test(text) ? `"${text}"` : goJsonString(goQuote(name));
}

const shortUnquotes: Readonly<Record<string, number>> = {
  a: 0x07,
  b: 0x08,
  f: 0x0c,
  n: 0x0a,
  r: 0x0d,
  t: 0x09,
  v: 0x0b,
  "\\": 0x5c,
  '"': 0x22,
};
const quoteEscape = /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|([abfnrtv\\"]))/y;

function badQuoting(text: string): HoldfastError {
  return new HoldfastError("damaged", `a name is not quoted as Go does it: ${goJsonString(text)}`);
}

/** The bytes that one escape stands for; `match` is a match of `quoteEscape`. */
function unquoteEscape(match: RegExpExecArray, whole: string): Buffer {
  const [, byte, shortRune, longRune, octal, letter] = match;
  if (letter !== undefined) {
    return Buffer.of(shortUnquotes[letter] ?? 0);
  }
  const single = byte !== undefined ? parseInt(byte, 16) : octal !== undefined ? parseInt(octal, 8) : null;
  if (single !== null) {
    if (single > 0xff) {
      throw badQuoting(whole);
    }
    return Buffer.of(single);
  }
  const codePoint = parseInt(shortRune ?? longRune ?? "", 16);
  if (codePoint > 0x10ffff || (codePoint >= 0xd800 && codePoint <= 0xdfff)) {
    throw badQuoting(whole);
  }
  return Buffer.from(String.fromCodePoint(codePoint), "utf8");
}

/** The raw bytes of a name quoted by `goQuote`. Throws `damaged` where Go's strconv.Unquote fails. */
export function goUnquote(text: string): Buffer {
  if (/["\n]/.test(text.replace(/\\[^]/g, ""))) {
    throw badQuoting(text);
  }
  const parts: Buffer[] = [];
  let offset = 0;
  while (offset < text.length) {
    const backslash = text.indexOf("\\", offset);
    const plainEnd = backslash < 0 ? text.length : backslash;
    parts.push(Buffer.from(text.slice(offset, plainEnd), "utf8"));
    offset = plainEnd;
    if (backslash >= 0) {
      quoteEscape.lastIndex = backslash;
      const match = quoteEscape.exec(text);
      if (match === null) {
        throw badQuoting(text);
      }
      parts.push(unquoteEscape(match, text));
      offset = quoteEscape.lastIndex;
    }
  }
  return Buffer.concat(parts);
}

/** Decodes Go's base64 (the standard alphabet, padded). Throws `damaged` for anything else. */
export function decodeBase64(text: string): Buffer {
  const bytes = Buffer.from(text, "base64");
  if (bytes.toString("base64") !== text) {
    throw new HoldfastError("damaged", "base64 text is malformed");
  }
  return bytes;
}
