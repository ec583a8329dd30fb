// The blobs that a copy could not get, and which snapshots therefore must not be stored.
import type { HoldfastError } from "../../errors.ts";
import type { BlobIndex, BlobType } from "../../index/blob-index.ts";
import { EntryMarks } from "../entry-marks.ts";

/** The trees and blobs that a tree names. */
export type ReadNames = (
  tree: string,
) => Promise<{ readonly content: Iterable<string>; readonly subtrees: Iterable<string> }>;

export class CopyLosses {
  readonly #index: BlobIndex;
  readonly #lost = new Map<string, HoldfastError>();
  /** Trees below which nothing is lost; made when something is, and again when more is. */
  #whole: EntryMarks | null = null;

  /** `index` is the one of the source. */
  constructor(index: BlobIndex) {
    this.#index = index;
  }

  add(type: BlobType, id: string, error: HoldfastError): void {
    this.#lost.set(type + id, error);
    this.#whole = null;
  }

  has(type: BlobType, id: string): boolean {
    return this.#lost.has(type + id);
  }

  get isEmpty(): boolean {
    return this.#lost.size === 0;
  }

  /** Why a snapshot with this tree cannot be whole at the destination; null when it is. */
  async below(tree: string, read: ReadNames): Promise<HoldfastError | null> {
    if (this.isEmpty) return null;
    const lost = this.#lost.get(`tree${tree}`);
    if (lost) return lost;
    this.#whole ??= new EntryMarks(this.#index);
    const entry = this.#index.entryOf(Buffer.from(tree, "hex"), "tree");
    if (entry >= 0 && this.#whole.has(entry)) return null;
    const { content, subtrees } = await read(tree);
    for (const id of content) {
      const error = this.#lost.get(`data${id}`);
      if (error) return error;
    }
    for (const subtree of subtrees) {
      const error = await this.below(subtree, read);
      if (error) return error;
    }
    if (entry >= 0) this.#whole.mark(entry);
    return null;
  }
}
