// A growing piece of tree JSON: nodes with a comma before each, and the holes that are filled in later.
import type { TimeFormatter } from "../format/go-time.ts";
import type { TreeNode } from "../format/node.ts";
import { encodeNodeHead, encodeNodeTail } from "../format/node.ts";
import { treeBeginning, treeEnd } from "../format/tree.ts";

const beginning = Buffer.from(treeBeginning);
const end = Buffer.from(treeEnd);
const comma = 0x2c;
/** The nodes start here, so that the beginning of a tree covers the first comma. */
const base = beginning.length - 1;
const zeroId = "0".repeat(64);
const startBytes = 64 * 1024;

/**
 * The JSON of a tree from pieces of nodes, each node with a comma before it. `copied` is called with the number of each
 * piece that is no longer needed.
 */
export function treeOf(pieces: readonly Uint8Array[], copied?: (index: number) => void): Buffer {
  const nodesBytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
  // Not from Buffer's pool: who is done with it may give the memory back.
  const tree = Buffer.allocUnsafeSlow(beginning.length + Math.max(0, nodesBytes - 1) + end.length);
  let at = base;
  for (const [index, piece] of pieces.entries()) {
    tree.set(piece, at);
    at += piece.length;
    copied?.(index);
  }
  // The comma before the first node gives way to the end of the beginning.
  beginning.copy(tree);
  end.copy(tree, tree.length - end.length);
  return tree;
}

/** The nodes of a whole tree, each with a comma before it: a view of the same memory, whose beginning is spoilt. */
export function nodesOfTree(tree: Buffer): Buffer {
  if (tree.length === beginning.length + end.length) return tree.subarray(0, 0);
  tree[base] = comma;
  return tree.subarray(base, tree.length - end.length);
}

/** How far the nodes of a whole tree, commas counted, lie behind its first byte. */
export const nodesAt = base;

/** Collects the nodes of one directory after another; the memory is used again. */
export class TreeFragment {
  #bytes = Buffer.allocUnsafeSlow(startBytes);
  #length = 0;
  readonly #formatTime: TimeFormatter;

  constructor(formatTime: TimeFormatter) {
    this.#formatTime = formatTime;
  }

  get length(): number {
    return this.#length;
  }

  clear(): void {
    this.#length = 0;
  }

  /** Writes the head of a node behind what is there, without keeping it; its bytes are `bytes[from, to)`. */
  tryHead(node: TreeNode): { bytes: Buffer; from: number; to: number } {
    const head = encodeNodeHead(node, this.#formatTime);
    this.#reserve(1 + head.length * 3);
    const from = base + this.#length + 1;
    return { bytes: this.#bytes, from, to: from + this.#bytes.write(head, from) };
  }

  /** Appends a node from the parent's tree as it stands there. Returns the offset at which it starts. */
  copy(json: Buffer, start: number, stop: number): number {
    this.#reserve(1 + stop - start);
    const at = base + this.#length;
    this.#bytes[at] = comma;
    json.copy(this.#bytes, at + 1, start, stop);
    this.#length += 1 + stop - start;
    return this.#length - (stop - start);
  }

  /** Appends a node. For a directory the offset of its subtree's id, to be overwritten when it is known; else -1. */
  add(node: TreeNode): number {
    const tail = encodeNodeTail(node.type === "dir" ? { ...node, subtree: zeroId } : node);
    const text = `,${encodeNodeHead(node, this.#formatTime)}${tail}`;
    this.#reserve(text.length * 3);
    this.#length += this.#bytes.write(text, base + this.#length);
    if (node.type !== "dir") return -1;
    const tailBytes = Buffer.from(tail);
    return this.#length - tailBytes.length + tailBytes.lastIndexOf(zeroId);
  }

  /** The whole tree of these nodes; a view that the next call changes. */
  tree(): Buffer {
    this.#reserve(1 + end.length);
    beginning.copy(this.#bytes);
    const nodesEnd = Math.max(beginning.length, base + this.#length);
    end.copy(this.#bytes, nodesEnd);
    return this.#bytes.subarray(0, nodesEnd + end.length);
  }

  /** A copy of the whole tree in a buffer of its own, which may be given to another thread. */
  copyTree(): Buffer {
    const tree = this.tree();
    const copy = Buffer.allocUnsafeSlow(tree.length);
    tree.copy(copy);
    return copy;
  }

  #reserve(moreBytes: number): void {
    const needed = base + this.#length + moreBytes;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, needed));
    this.#bytes.copy(larger, 0, 0, base + this.#length);
    this.#bytes = larger;
  }
}
