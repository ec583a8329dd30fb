// A directory whose tree is not finished: its parts in order, and what each of them still waits for.
import type { TimeFormatter } from "../format/go-time.ts";
import type { TreeNode } from "../format/node.ts";
import { encodeNodeHead, encodeNodeTail } from "../format/node.ts";
import type { FoundLargeFile, ScanPart } from "./messages.ts";
import { nodesAt, nodesOfTree, treeOf } from "./tree-fragment.ts";

/** A run of nodes. Large files are put in between when their content is known, or left out. */
interface Part {
  json: Buffer;
  largeFiles: readonly FoundLargeFile[];
  readonly largeNodes: (TreeNode | null)[];
}

/** Where a finished subtree's id, or a large file's node, belongs. */
export interface Place {
  readonly directory: OpenDirectory;
  readonly slot: number;
  /** Offset of an id, or number of a large file. */
  readonly at: number;
}

export class OpenDirectory {
  readonly path: Buffer;
  readonly parentTree: string | null;
  /** Where the id of this tree goes; null for the root. */
  readonly place: Place | null;
  /** Set when the tree is given away to be stored. */
  isSaved = false;
  readonly #order: number[] = [];
  readonly #parts = new Map<number, Part>();
  #waitingFor = 0;

  constructor(path: Buffer, parentTree: string | null, place: Place | null) {
    this.path = path;
    this.parentTree = parentTree;
    this.place = place;
  }

  /** Announces parts, behind the part `after` or at the end. The tree waits for each of them. */
  expectParts(slots: readonly number[], after?: number): void {
    const at = after === undefined ? this.#order.length : this.#order.indexOf(after) + 1;
    this.#order.splice(at, 0, ...slots);
    this.#waitingFor += slots.length;
  }

  /** Takes a part that was announced; its subdirectories and large files are waited for instead. */
  fill(slot: number, part: Pick<ScanPart, "json" | "directories" | "largeFiles">): void {
    const json = Buffer.from(part.json.buffer, part.json.byteOffset, part.json.byteLength);
    this.#parts.set(slot, { json, largeFiles: part.largeFiles, largeNodes: part.largeFiles.map(() => null) });
    this.#waitingFor += part.directories.length + part.largeFiles.length - 1;
  }

  setSubtree(place: Place, id: string): void {
    this.#parts.get(place.slot)!.json.latin1Write(id, nodesAt + place.at);
    this.#waitingFor--;
  }

  /** `node` is null when the file could not be read: then it is not in the tree. */
  setLargeFile(place: Place, node: TreeNode | null): void {
    this.#parts.get(place.slot)!.largeNodes[place.at] = node;
    this.#waitingFor--;
  }

  get isComplete(): boolean {
    return this.#waitingFor === 0;
  }

  /** The JSON of the tree, until `release`. Asked for once, when all is there: the parts go with it. */
  encode(formatTime: TimeFormatter): Buffer {
    const [only] = this.#order;
    const whole = this.#order.length === 1 ? this.#parts.get(only!)! : null;
    // Mostly a directory came in one piece: then that is its tree.
    if (whole?.largeFiles.length === 0) return whole.json;
    const pieces: Buffer[] = [];
    const lastPieces = new Map<number, Part>();
    for (const slot of this.#order) {
      const part = this.#parts.get(slot)!;
      const { largeFiles, largeNodes, json: tree } = part;
      const json = nodesOfTree(tree);
      let from = 0;
      for (const [i, { at }] of largeFiles.entries()) {
        pieces.push(json.subarray(from, at));
        const node = largeNodes[i];
        if (node) pieces.push(Buffer.from(`,${encodeNodeHead(node, formatTime)}${encodeNodeTail(node)}`));
        from = at;
      }
      lastPieces.set(pieces.push(json.subarray(from)) - 1, part);
    }
    // A large directory should not lie here twice: what is copied is given back while the rest is copied.
    const json = treeOf(pieces, (index) => {
      const part = lastPieces.get(index);
      if (part) giveBack(part);
    });
    this.#parts.clear();
    this.#parts.set(0, { json, largeFiles: [], largeNodes: [] });
    return json;
  }

  release(): void {
    for (const part of this.#parts.values()) giveBack(part);
    this.#parts.clear();
  }
}

/** Gives the memory of a part back at once: the collector sees small objects and would wait. */
function giveBack({ json }: Part): void {
  const memory = json.buffer;
  if (memory instanceof ArrayBuffer && memory.byteLength === json.byteLength) memory.transfer(0);
}
