// Walks the trees of all snapshots, each tree once: it parses, its nodes make sense, its blobs are in the index.
import { idBytes } from "../../format/id.ts";
import type { BlobIndex } from "../../index/blob-index.ts";
import { BlobReader } from "../../store/blob-reader.ts";
import type { Repository, StoredSnapshot } from "../../store/repository.ts";
import { BlobMarks } from "../blob-marks.ts";
import type { DamageLog } from "./check-damage.ts";
import { blobKey, problemOf } from "./check-damage.ts";
import type { CheckPool } from "./check-pool.ts";
import type { SealedTree } from "./check-worker.ts";
import type { TreeFacts } from "../tree-facts.ts";
import { factsOfTree } from "../tree-facts.ts";

/** So many batches of trees are under way at once; a batch has so many trees, and no more than some bytes. */
const batchesAtOnce = 8;
const treesInBatch = 16;
const bytesInBatch = 1024 * 1024;

export interface TreeWalk {
  readonly marks: BlobMarks;
  readonly trees: number;
  /** False when a tree could not be read: then nothing is known about what lies below it. */
  readonly isComplete: boolean;
}

/**
 * A reader of blobs that knows the index as far as it can be read. Nothing comes from the cache, except packs that are
 * in `treePacks`; those in which trees are met are added to it.
 */
export function blobReader(repository: Repository, treePacks = new Set<string>()): BlobReader {
  return new BlobReader(repository.storage, repository.sealer, repository.decompressor, treePacks);
}

export async function checkTrees(
  repository: Repository,
  index: BlobIndex,
  snapshots: readonly StoredSnapshot[],
  log: DamageLog,
  options: {
    pool: CheckPool;
    progress: (done: number) => void;
    throwIfAborted: () => void;
    /** Those of the repository, to read trees through its cache. */
    treePacks?: Set<string>;
  },
): Promise<TreeWalk> {
  const walk = new TreeWalker(index, log, options.pool, blobReader(repository, options.treePacks));
  // The last is taken first: begin with the oldest snapshot, whose trees lie together.
  for (const { tree } of snapshots.toReversed()) walk.pending.push(tree);
  const run = async (): Promise<void> => {
    while (walk.pending.length > 0) {
      options.throwIfAborted();
      await walk.visitSome();
      options.progress(walk.trees);
    }
  };
  // Those that find nothing to do while others still read begin again.
  while (walk.pending.length > 0) await Promise.all(Array.from({ length: batchesAtOnce }, run));
  options.progress(walk.trees);
  return walk;
}

class TreeWalker implements TreeWalk {
  readonly marks: BlobMarks;
  readonly pending: string[] = [];
  trees = 0;
  isComplete = true;
  readonly #index: BlobIndex;
  readonly #log: DamageLog;
  readonly #reader: BlobReader;
  readonly #pool: CheckPool;

  constructor(index: BlobIndex, log: DamageLog, pool: CheckPool, reader: BlobReader) {
    this.#pool = pool;
    this.#index = index;
    this.#log = log;
    this.#reader = reader;
    this.marks = new BlobMarks(index);
  }

  /** A batch of those that are pending. */
  async visitSome(): Promise<void> {
    const batch: (SealedTree & { readonly sealed: Buffer })[] = [];
    let bytes = 0;
    while (batch.length < treesInBatch && bytes < bytesInBatch) {
      const id = this.pending.pop();
      if (id === undefined) break;
      if (!this.#isToBeRead(id)) continue;
      this.trees++;
      try {
        const { sealed, plainLength } = await this.#reader.loadSealed(this.#index, "tree", id);
        batch.push({ id, sealed, lengthBytes: sealed.length, plainLength });
        bytes += sealed.length;
      } catch (error) {
        this.#notRead(id, error);
      }
    }
    if (batch.length === 0) return;
    const joined = new Uint8Array(bytes);
    let end = 0;
    for (const { sealed } of batch) {
      joined.set(sealed, end);
      end += sealed.length;
    }
    const trees = batch.map(({ id, lengthBytes, plainLength }) => ({ id, lengthBytes, plainLength }));
    const { facts } = await this.#pool.run<"trees">({ kind: "trees", trees, bytes: joined });
    for (const [at, { id }] of batch.entries()) await this.#visitTree(id, facts[at] ?? null);
  }

  #isToBeRead(id: string): boolean {
    const mark = this.marks.mark(Buffer.from(id, "hex"), "tree");
    if (mark === "again") return false;
    if (mark === "new" && !this.#log.isLost(this.#index, "tree", id)) return true;
    this.isComplete = false;
    if (mark === "unknown") this.#log.missingBlob(blobKey("tree", id));
    return false;
  }

  /** Without facts from a thread the first copy is damaged: then it is read here, where all copies are tried. */
  async #visitTree(id: string, known: TreeFacts | null): Promise<void> {
    try {
      const facts = known ?? factsOfTree(await this.#reader.load(this.#index, "tree", id));
      this.isComplete &&= facts.isParsed;
      this.#visitNodes(id, facts);
    } catch (error) {
      this.#notRead(id, error);
    }
  }

  #notRead(id: string, error: unknown): void {
    this.isComplete = false;
    const problem = problemOf(error);
    for (const { pack } of this.#index.locations(id, "tree"))
      this.#log.pack(pack, "pack-damaged", problem, [blobKey("tree", id)]);
  }

  #visitNodes(id: string, { content, subtrees, problems }: TreeFacts): void {
    for (const problem of problems)
      this.#log.invalidTree(id, this.#index.locations(id, "tree")[0]?.pack ?? null, problem);
    for (const blob of eachId(content)) {
      if (this.marks.mark(blob, "data") === "unknown") this.#log.missingBlob(blobKey("data", blob.toString("hex")));
    }
    for (const tree of eachId(subtrees)) this.pending.push(tree.toString("hex"));
  }
}

function* eachId(ids: Uint8Array<ArrayBuffer>): Generator<Buffer> {
  for (let at = 0; at < ids.length; at += idBytes) yield Buffer.from(ids.buffer, ids.byteOffset + at, idBytes);
}

/** Packs that hold a blob that was met. */
export function usedPacks(index: BlobIndex, marks: BlobMarks): Set<string> {
  const numbers = new Set<number>();
  index.eachPlace((entry, _type, pack) => void (marks.hasEntry(entry) && numbers.add(pack)));
  return new Set([...numbers].map((number) => index.packs[number]!));
}

/** Blobs that no tree that was walked needs; of blobs with several copies all or none are counted. */
export function countUnused(index: BlobIndex, marks: BlobMarks): { blobs: number; sizeBytes: number } {
  let blobs = 0;
  let sizeBytes = 0;
  index.eachPlace((entry, _type, _pack, _offset, lengthBytes) => {
    if (marks.hasEntry(entry)) return;
    blobs++;
    sizeBytes += lengthBytes;
  });
  return { blobs, sizeBytes };
}
