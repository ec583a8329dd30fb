// Reads the tree of the same directory in the parent snapshot beside a sorted list of names, without parsing it all.
import { goUnquote } from "../format/go-json.ts";

const quote = 0x22;
const comma = 0x2c;
const backslash = 0x5c;
const nodesStart = Buffer.from('{"nodes":[');
const nodeStart = '{"name":"';
const contentNull = Buffer.from(',"content":null');
const contentList = Buffer.from(',"content":[');
const subtreeStart = Buffer.from(',"subtree":"');
const idDigits = 64;

/** One node of the parent's tree: the span of its bytes, and of the ids in it when it has the usual form. */
export interface ParentNode {
  readonly start: number;
  readonly end: number;
  /** Offset of the first id of `content`; ids follow each other in steps of 67 bytes. */
  readonly contentAt: number;
  readonly contentCount: number;
  /** Offset of the id of the subtree, or -1. */
  readonly subtreeAt: number;
  /** The node begins with exactly the bytes that the file has now: neither its metadata nor its times changed. */
  readonly sameHead: boolean;
}

/**
 * A cursor over the JSON of a tree. Trees are sorted by the bytes of their names, and so are the names that the
 * scanner asks for, so one pass over the bytes serves a directory. A tree of an unknown form has no nodes for us:
 * then everything counts as new, which is slower and never wrong.
 */
export class ParentTree {
  readonly json: Buffer;
  #at: number;

  constructor(json: Buffer) {
    this.json = json;
    const known =
      json.length > nodesStart.length && json.compare(nodesStart, 0, nodesStart.length, 0, nodesStart.length) === 0;
    this.#at = known ? nodesStart.length : json.length;
  }

  /**
   * The node of this name, or null. Names must be asked for in ascending order. `heads[from, to)` is the encoded
   * head of the node as the file is now (name to links): mostly it stands in the parent's tree unchanged, and then
   * one comparison of bytes answers everything.
   */
  find(name: Buffer, heads: Buffer, from: number, to: number): ParentNode | null {
    const { json } = this;
    for (;;) {
      const start = this.#at;
      const headEnd = start + to - from;
      if (headEnd < json.length && json[headEnd] === comma && json.compare(heads, from, to, start, headEnd) === 0) {
        const node = this.#measure(start, headEnd, true);
        if (!node) return this.#giveUp();
        this.#at = node.end + 1;
        return node;
      }
      if (!this.#startsWith(nodeStart, start)) return null;
      const nameStart = start + nodeStart.length;
      const nameEnd = this.#stringEnd(nameStart);
      if (nameEnd < 0) return this.#giveUp();
      const order = this.#compareName(nameStart, nameEnd, name);
      if (order > 0) return null;
      const node = this.#measure(start, nameEnd + 1, false);
      if (!node) return this.#giveUp();
      this.#at = node.end + 1;
      if (order === 0) return node;
    }
  }

  #giveUp(): null {
    this.#at = this.json.length;
    return null;
  }

  #compareName(start: number, end: number, name: Buffer): number {
    if (!this.json.latin1Slice(start, end).includes("\\")) return this.json.compare(name, 0, name.length, start, end);
    const quoted = JSON.parse(this.json.toString("utf8", start - 1, end + 1)) as string;
    return goUnquote(quoted).compare(name);
  }

  /** The offset of the closing quote of a JSON string that starts at `from`, or -1. */
  #stringEnd(from: number): number {
    for (let at = this.json.indexOf(quote, from); at >= 0; at = this.json.indexOf(quote, at + 1)) {
      let slashes = 0;
      while (this.json[at - 1 - slashes] === backslash) slashes++;
      if (slashes % 2 === 0) return at;
    }
    return -1;
  }

  /** Finds the end of a node from somewhere at its top level: strings are skipped whole, brackets counted. */
  #measure(start: number, from: number, sameHead: boolean): ParentNode | null {
    const { json } = this;
    let depth = 1;
    let contentAt = 0;
    let contentCount = 0;
    let subtreeAt = -1;
    for (let at = from; at < json.length; at++) {
      const byte = json[at]!;
      if (byte === quote) {
        at = this.#stringEnd(at + 1);
        if (at < 0) return null;
      } else if (byte === comma && depth === 1) {
        if (this.#matches(contentNull, at)) {
          at += contentNull.length - 1;
        } else if (this.#matches(contentList, at)) {
          contentAt = at + contentList.length + 1;
          contentCount = this.#countIds(contentAt);
          at = contentAt + contentCount * (idDigits + 3) - 2;
          if (contentCount === 0) at = contentAt - 1;
        } else if (this.#matches(subtreeStart, at)) {
          subtreeAt = at + subtreeStart.length;
          at = subtreeAt + idDigits;
        }
      } else if (byte === 0x7b || byte === 0x5b) {
        depth++;
      } else if (byte === 0x7d || byte === 0x5d) {
        depth--;
        if (depth === 0) return { start, end: at + 1, contentAt, contentCount, subtreeAt, sameHead };
      }
    }
    return null;
  }

  #countIds(first: number): number {
    if (this.json[first - 1] !== quote) return 0;
    let count = 1;
    for (let end = first + idDigits; this.json[end] === quote && this.json[end + 1] === comma; end += idDigits + 3)
      count++;
    return count;
  }

  #matches(text: Buffer, at: number): boolean {
    return at + text.length <= this.json.length && this.json.compare(text, 0, text.length, at, at + text.length) === 0;
  }

  #startsWith(text: string, at: number): boolean {
    return at + text.length <= this.json.length && this.json.latin1Slice(at, at + text.length) === text;
  }
}
