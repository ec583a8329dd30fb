// Walks the trees of all snapshots, each tree once: it parses, its nodes make sense, its blobs are in the index.
import { quoteName } from "../format/go-json.ts";
import type { TreeNode } from "../format/node.ts";
import { parseTree } from "../format/tree.ts";
import type { BlobIndex } from "../index/blob-index.ts";
import { BlobReader } from "../store/blob-reader.ts";
import type { Repository, StoredSnapshot } from "../store/repository.ts";
import { BlobMarks } from "./blob-marks.ts";
import type { DamageLog } from "./check-damage.ts";
import { blobKey, problemOf } from "./check-damage.ts";

const treesAtOnce = 4;
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
  options: { progress: (done: number) => void; throwIfAborted: () => void },
): Promise<TreeWalk> {
  const walk = new TreeWalker(repository, index, log);
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

  constructor(repository: Repository, index: BlobIndex, log: DamageLog) {
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
    const bytes = await this.#load(id);
    if (bytes) this.#visitNodes(id, bytes);
  }

  async #load(id: string): Promise<Buffer | null> {
    try {
      return await this.#reader.load(this.#index, "tree", id);
    } catch (error) {
      const problem = problemOf(error);
      this.isComplete = false;
      for (const { pack } of this.#index.locations(id, "tree")) this.#log.pack(pack, "pack-damaged", problem, [blobKey("tree", id)]);
      return null;
    }
  }

  #visitNodes(id: string, bytes: Buffer): void {
    const invalid = (problem: string): void => this.#log.invalidTree(id, this.#index.locations(id, "tree")[0]?.pack ?? null, problem);
    let nodes: readonly TreeNode[] = [];
    try {
      nodes = parseTree(bytes);
    } catch (error) {
      this.isComplete = false;
      invalid(problemOf(error));
    }
    for (const node of nodes) {
      const problem = problemOfNode(node);
      if (problem !== null) invalid(`${quoteName(node.name)} ${problem}`);
      for (const blob of node.content ?? []) {
        if (this.marks.mark(Buffer.from(blob, "hex"), "data") === "unknown") this.#log.missingBlob(blobKey("data", blob));
      }
      if (node.subtree !== null) this.pending.push(node.subtree);
    }
  }
}

/** What restic, too, takes for damage in a node. */
function problemOfNode({ type, content, subtree }: TreeNode): string | null {
  switch (type) {
    case "file":
      return content === null ? "is a file without a list of blobs" : null;
    case "dir":
      return subtree === null ? "is a directory without a tree" : null;
    case "symlink": case "dev": case "chardev": case "fifo": case "socket":
      return null;
    default:
      return `has the type "${type}", which cannot be`;
  }
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
