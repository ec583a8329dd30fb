// The ids of blobs and trees that `holdfast repo find` looks for, whole or by their beginnings.

import type { BlobType, Repository } from "@holdfast/repository";

const idDigits = 64;

class IdSet {
  readonly whole: ReadonlySet<string>;
  /** Whole ids that began with a word. */
  readonly begun = new Set<string>();
  readonly #beginnings: readonly string[];

  constructor(words: readonly string[]) {
    this.whole = new Set(words.filter((word) => word.length === idDigits));
    this.#beginnings = words.filter((word) => word.length < idDigits);
  }

  has(id: string): boolean {
    if (this.whole.has(id)) return true;
    if (!this.#beginnings.some((beginning) => id.startsWith(beginning))) return false;
    this.begun.add(id);
    return true;
  }
}

export class WantedIds {
  readonly #blobs: IdSet;
  readonly #trees: IdSet;

  /** Ids in hex, or their beginnings. */
  constructor({ blobs, trees }: { readonly blobs: readonly string[]; readonly trees: readonly string[] }) {
    this.#blobs = new IdSet(blobs);
    this.#trees = new IdSet(trees);
  }

  isBlob(id: string): boolean {
    return this.#blobs.has(id);
  }

  isTree(id: string): boolean {
    return this.#trees.has(id);
  }

  /** restic's lines about the packs in which they lie: of all whole ids, and of those found by a beginning. */
  async packLines(repository: Repository): Promise<string[]> {
    const index = await repository.loadIndex();
    const linesOf = (set: IdSet, type: BlobType): string[] =>
      [...set.whole, ...set.begun].flatMap((id) => {
        const [first] = index.locations(id, type);
        if (!first) return [`Object ${id.slice(0, 8)} with type ${type} not found in the index`];
        const { pack, offset, lengthBytes, plainLength } = first;
        const place = `offset ${offset}, length ${lengthBytes}, uncompressed length ${plainLength}`;
        return [
          `Object belongs to pack ${pack}`,
          ` ... Pack ${pack.slice(0, 8)}: <Blob (${type}) ${id.slice(0, 8)}, ${place}>`,
        ];
      });
    return [...linesOf(this.#blobs, "data"), ...linesOf(this.#trees, "tree")];
  }
}
