// Walks the trees of all snapshots, each tree once: it parses, its nodes make sense, its blobs are in the index.
import { idBytes } from "../format/id.ts";
import type { BlobIndex } from "../index/blob-index.ts";
import { BlobReader } from "../store/blob-reader.ts";
import type { Repository, StoredSnapshot } from "../store/repository.ts";
import { BlobMarks } from "./blob-marks.ts";
import type { DamageLog } from "./check-damage.ts";
import { blobKey, problemOf } from "./check-damage.ts";
import type { CheckPool } from "./check-pool.ts";
import type { TreeFacts } from "./tree-facts.ts";
import { factsOfTree } from "./tree-facts.ts";

const treesAtOnce = 8;
/** How many trees are read between two looks at the signal and two reports. */
const reportEvery = 64;

export interface TreeWalk {
  readonly marks: BlobMarks;
  readonly trees: number;
  /** False when a tree could not be read: then nothing is known about what lies below it. */
  readonly isComplete: boolean;
}

/** A reader of blobs that knows the index as far as it can be read; nothing comes from the cache. */
export function blobReader(repository: Repository): BlobReader {
  return new BlobReader(repository.storage, repository.sealer, repository.decompressor, new Set());
}

export async function checkTrees(
  repository: Repository,
  index: BlobIndex,
  snapshots: readonly StoredSnapshot[],
  log: DamageLog,
  options: { pool: CheckPool; progress: (done: number) => void; throwIfAborted: () => void },
): Promise<TreeWalk> {
  const walk = new TreeWalker(repository, index, log, options.pool);
  // The last is taken first: begin with the oldest snapshot, whose trees lie together.
  for (const { tree } of snapshots.toReversed()) walk.pending.push(tree);
  const run = async (): Promise<void> => {
    for (let id = walk.pending.pop(); id !== undefined; id = walk.pending.pop()) {
      await walk.visit(id);
      if (walk.trees % reportEvery === 0) {
        options.throwIfAborted();
        options.progress(walk.trees);
      }
    }
  };
  // Those that find nothing to do while others still read begin again.
  while (walk.pending.length > 0) await Promise.all(Array.from({ length: treesAtOnce }, run));
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

  constructor(repository: Repository, index: BlobIndex, log: DamageLog, pool: CheckPool) {
    this.#pool = pool;
    this.#index = index;
    this.#log = log;
    this.#reader = blobReader(repository);
    this.marks = new BlobMarks(index);
  }

  async visit(id: string): Promise<void> {
    const mark = this.marks.mark(Buffer.from(id, "hex"), "tree");
    if (mark === "again") return;
    if (mark === "unknown") {
      this.isComplete = false;
      return this.#log.missingBlob(blobKey("tree", id));
    }
    if (this.#log.isLost(this.#index, "tree", id)) {
      this.isComplete = false;
      return;
    }
    this.trees++;
    const facts = await this.#read(id);
    this.isComplete &&= facts?.isParsed ?? false;
    if (facts) this.#visitNodes(id, facts);
  }

  /** In a worker thread; when the first copy is damaged, here, where all copies are tried. */
  async #read(id: string): Promise<TreeFacts | null> {
    try {
      const { sealed, plainLength } = await this.#reader.loadSealed(this.#index, "tree", id);
      // A copy, because the bytes are a part of a larger window.
      const { facts } = await this.#pool.run<"tree">({ kind: "tree", id, bytes: new Uint8Array(sealed), plainLength });
      return facts ?? factsOfTree(await this.#reader.load(this.#index, "tree", id));
    } catch (error) {
      const problem = problemOf(error);
      for (const { pack } of this.#index.locations(id, "tree"))
        this.#log.pack(pack, "pack-damaged", problem, [blobKey("tree", id)]);
      return null;
    }
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

/** Blobs that no tree that was walked needs, further copies not counted. */
export function countUnused(index: BlobIndex, marks: BlobMarks): { blobs: number; sizeBytes: number } {
  let blobs = 0;
  let sizeBytes = 0;
  for (const { id, type, location } of index.blobs()) {
    if (marks.has(id, type)) continue;
    blobs++;
    sizeBytes += location.lengthBytes;
  }
  return { blobs, sizeBytes };
}
