// Walks the trees of the snapshots that are copied, each tree once, and gathers the blobs that the destination lacks.
import { hasCode, HoldfastError } from "../../errors.ts";
import { idBytes } from "../../format/id.ts";
import type { BlobIndex, BlobType } from "../../index/blob-index.ts";
import type { Repository } from "../../store/repository.ts";
import type { CopyLosses } from "./copy-losses.ts";
import type { CopyPool } from "./copy-pool.ts";
import { EntryMarks } from "../entry-marks.ts";
import { inLanes } from "../in-lanes.ts";
import type { TreeFacts } from "../tree-facts.ts";
import { factsOfTree } from "../tree-facts.ts";

const treesAtOnce = 8;

export interface CopyPlaces {
  readonly source: Repository;
  readonly sourceIndex: BlobIndex;
  readonly destination: Repository;
  readonly destinationIndex: BlobIndex;
  readonly pool: CopyPool;
  readonly losses: CopyLosses;
  readonly throwIfAborted: () => void;
}

export class CopyWalk {
  readonly #places: CopyPlaces;
  readonly #met: EntryMarks;
  /** Trees that only the destination has. */
  readonly #metElsewhere = new Set<string>();
  #needed = new Uint32Array(1024);
  #neededCount = 0;
  #neededBytes = 0;
  #pending: string[] = [];

  constructor(places: CopyPlaces) {
    this.#places = places;
    this.#met = new EntryMarks(places.sourceIndex);
  }

  /** What the blobs that were gathered take in the source. */
  get neededBytes(): number {
    return this.#neededBytes;
  }

  /** Gathers what a snapshot with this root tree needs and no snapshot before it did. */
  async add(tree: string): Promise<void> {
    this.#pending.push(tree);
    const next = (): string | undefined => this.#pending.pop();
    const visit = (id: string): Promise<void> => {
      this.#places.throwIfAborted();
      return this.#visit(id);
    };
    // Those that find nothing to do while others still read begin again.
    while (this.#pending.length > 0) await inLanes(treesAtOnce, next, visit);
  }

  /** The entries of the source's index that were gathered, in their order: those of one pack are together. */
  take(): Uint32Array {
    const taken = this.#needed.slice(0, this.#neededCount).sort();
    this.#neededCount = 0;
    this.#neededBytes = 0;
    return taken;
  }

  async #visit(id: string): Promise<void> {
    const { sourceIndex, losses } = this.#places;
    const entry = sourceIndex.entryOf(Buffer.from(id, "hex"), "tree");
    if (entry < 0) {
      if (this.#metElsewhere.has(id)) return;
      this.#metElsewhere.add(id);
    } else if (!this.#met.mark(entry)) return;
    let facts: TreeFacts;
    try {
      facts = await readTreeFacts(this.#places, id);
    } catch (error) {
      if (!hasCode(error, "damaged")) throw error;
      losses.add("tree", id, error);
      return;
    }
    if (entry >= 0) this.#need(entry, "tree");
    for (const blob of eachId(facts.content)) this.#meetData(blob);
    for (const subtree of eachId(facts.subtrees)) this.#pending.push(subtree.toString("hex"));
  }

  #meetData(blob: Buffer): void {
    const { sourceIndex, destinationIndex, losses } = this.#places;
    const entry = sourceIndex.entryOf(blob, "data");
    if (entry >= 0) {
      if (this.#met.mark(entry)) this.#need(entry, "data");
    } else if (!destinationIndex.has(blob, "data")) {
      const id = blob.toString("hex");
      losses.add("data", id, new HoldfastError("damaged", `the data blob ${id} is in no index`));
    }
  }

  #need(entry: number, type: BlobType): void {
    const { sourceIndex, destinationIndex } = this.#places;
    const blob = sourceIndex.blobAt(entry);
    if (!blob || destinationIndex.has(blob.id, type)) return;
    if (this.#neededCount === this.#needed.length) {
      const larger = new Uint32Array(this.#needed.length * 2);
      larger.set(this.#needed);
      this.#needed = larger;
    }
    this.#needed[this.#neededCount++] = entry;
    this.#neededBytes += blob.location.lengthBytes;
  }
}

/**
 * What a tree names; from the destination if the source has lost it. A thread reads it; when that copy is damaged,
 * all others are tried here. Throws `damaged` for one that cannot be read, or makes no sense.
 */
export async function readTreeFacts(places: CopyPlaces, id: string): Promise<TreeFacts> {
  const { source, sourceIndex, destination, destinationIndex, pool } = places;
  const bytes = Buffer.from(id, "hex");
  let facts: TreeFacts | null = null;
  if (sourceIndex.entryOf(bytes, "tree") < 0 && destinationIndex.entryOf(bytes, "tree") >= 0) {
    facts = factsOfTree(await destination.loadBlob("tree", id));
  } else {
    const { sealed, plainLength } = await source.loadSealedTree(id);
    // A copy, because the bytes are a part of a larger window.
    const answer = await pool.run<"tree">({ kind: "tree", id, bytes: new Uint8Array(sealed), plainLength });
    facts = answer.facts ?? factsOfTree(await source.loadBlob("tree", id));
  }
  if (facts.isParsed) return facts;
  throw new HoldfastError("damaged", `the tree ${id} cannot be read: ${facts.problems.join("; ")}`);
}

export function* eachId(ids: Uint8Array<ArrayBuffer>): Generator<Buffer> {
  for (let at = 0; at < ids.length; at += idBytes) yield Buffer.from(ids.buffer, ids.byteOffset + at, idBytes);
}
