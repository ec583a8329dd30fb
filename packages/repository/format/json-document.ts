// Reads the fields of small JSON documents (config, key, snapshot, lock) with their types checked.

import { HoldfastError } from "../errors.ts";
import { isId } from "./id.ts";
import { maximumDepth } from "./json-scanner.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

/** Typed access to one JSON object; a wrong or missing type is `damaged`, naming the field. */
export class JsonDocument {
  readonly fields: JsonObject;
  readonly #kind: string;

  /** `kind` says in messages what the document is: "config", "key file". */
  constructor(fields: unknown, kind: string) {
    if (typeof fields !== "object" || fields === null || Array.isArray(fields)) {
      throw new HoldfastError("damaged", `a ${kind} is no JSON object`);
    }
    this.fields = fields as JsonObject;
    this.#kind = kind;
  }

  static parse(json: Uint8Array, kind: string): JsonDocument {
    requireShallowJson(json, kind);
    let fields: unknown;
    try {
      fields = JSON.parse(Buffer.from(json.buffer, json.byteOffset, json.byteLength).toString("utf8"));
    } catch (cause) {
      throw new HoldfastError("damaged", `a ${kind} is malformed JSON`, { cause });
    }
    return new JsonDocument(fields, kind);
  }

  #wrong(name: string): HoldfastError {
    return new HoldfastError("damaged", `a ${this.#kind} has a missing or wrong field "${name}"`, {
      context: { field: name },
    });
  }

  string(name: string): string {
    const value = this.fields[name];
    if (typeof value !== "string") {
      throw this.#wrong(name);
    }
    return value;
  }

  /** A whole number that JavaScript holds exactly. */
  integer(name: string): number {
    const value = this.fields[name];
    if (!Number.isSafeInteger(value)) {
      throw this.#wrong(name);
    }
    return value as number;
  }

  boolean(name: string): boolean {
    const value = this.fields[name];
    if (typeof value !== "boolean") {
      throw this.#wrong(name);
    }
    return value;
  }

  id(name: string): string {
    const value = this.string(name);
    if (!isId(value)) {
      throw this.#wrong(name);
    }
    return value;
  }

  strings(name: string): string[] {
    const value = this.fields[name];
    if (!Array.isArray(value) || !value.every((item) => typeof item === "string")) {
      throw this.#wrong(name);
    }
    return value;
  }

  /** True when the field is there and not null: what Go's `omitempty` leaves out may be missing. */
  has(name: string): boolean {
    return this.fields[name] !== undefined && this.fields[name] !== null;
  }

  object(name: string): JsonDocument {
    return new JsonDocument(this.fields[name], `${this.#kind}'s ${name}`);
  }
}

/**
 * Throws `damaged` for values nested deeper than any honest ones. JSON.parse reads them, but whoever compares or writes
 * such a value, level by level, would run out of stack.
 */
export function requireShallowJson(json: Uint8Array, kind: string): void {
  let depth = 0;
  let isString = false;
  for (let at = 0; at < json.length; at++) {
    const byte = json[at];
    if (isString) {
      if (byte === backslash) at++;
      else if (byte === quote) isString = false;
    } else if (byte === quote) isString = true;
    else if (byte === openBrace || byte === openBracket) depth++;
    else if (byte === closeBrace || byte === closeBracket) depth--;
    if (depth > maximumDepth) throw new HoldfastError("damaged", `a ${kind} has too deeply nested values`);
  }
}

const quote = 0x22;
const backslash = 0x5c;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;
