// Brings back what no snapshot reaches: the topmost of these trees become the directories of a new snapshot.
import { HoldfastError } from "../../errors.ts";
import { createTimeFormatter } from "../../format/go-time.ts";
import { uniquePrefixDigits } from "../../format/id.ts";
import type { TreeNode } from "../../format/node.ts";
import { encodeSnapshot } from "../../format/snapshot.ts";
import { encodeTree, parseTree } from "../../format/tree.ts";
import { BlobIndex } from "../../index/blob-index.ts";
import type { Repository } from "../../store/repository.ts";
import { BlobSaver } from "../../writer/blob-saver.ts";
import { PackStore } from "../../writer/pack-store.ts";
import { BlobMarks } from "../blob-marks.ts";

const treesAtOnce = 8;
/** The permissions that restic, too, gives the directories of a recovered snapshot. */
const directoryMode = 0o755;

export interface RecoverPlan {
  /** Trees that could be read. */
  readonly trees: number;
  readonly unreadable: readonly { readonly id: string; readonly error: HoldfastError }[];
  /** Ids of the trees that neither a snapshot nor another tree names, in ascending order. */
  readonly roots: readonly string[];
}

export interface RecoverOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((treesDone: number) => void) | undefined;
}

/**
 * Reads all trees of the repository. Changes nothing. The index must be whole (repair it before), and the caller holds
 * an exclusive lock: the trees of a backup that is under way belong to no snapshot yet. Snapshot files that cannot be
 * read count for nothing, so that what they had is found.
 */
export async function planRecover(repository: Repository, options: RecoverOptions = {}): Promise<RecoverPlan> {
  const { signal, onProgress } = options;
  const { snapshots } = await repository.loadSnapshots();
  const index = await repository.loadIndex();
  const visited = new BlobMarks(index);
  const named = new BlobMarks(index);
  for (const { tree } of snapshots) named.mark(Buffer.from(tree, "hex"), "tree");
  const unreadable = new Map<string, HoldfastError>();
  let trees = 0;
  const visit = async (id: string): Promise<void> => {
    try {
      for (const { subtree } of parseTree(await repository.loadBlob("tree", id)))
        if (subtree !== null) named.mark(Buffer.from(subtree, "hex"), "tree");
      trees++;
    } catch (error) {
      if (!(error instanceof HoldfastError) || !["damaged", "hostile", "unsupported"].includes(error.code)) throw error;
      unreadable.set(id, error);
    }
  };
  let batch: string[] = [];
  const flush = async (): Promise<void> => {
    if (signal?.aborted) throw interrupted(signal);
    await Promise.all(batch.map(visit));
    batch = [];
    onProgress?.(trees);
  };
  for (const { id, type } of index.blobs()) {
    if (type !== "tree" || visited.mark(id, "tree") !== "new") continue;
    batch.push(id.toString("hex"));
    if (batch.length === treesAtOnce) await flush();
  }
  await flush();
  return {
    trees,
    unreadable: [...unreadable].map(([id, error]) => ({ id, error })),
    roots: [...rootsAmong(index, named)].filter((id) => !unreadable.has(id)).sort(),
  };
}

/** Trees without a mark, each once. */
function* rootsAmong(index: BlobIndex, named: BlobMarks): Generator<string> {
  for (const { id, type } of index.blobs())
    if (type === "tree" && named.mark(id, "tree") === "new") yield id.toString("hex");
}

export interface RecoverFacts {
  readonly timeNs: bigint;
  readonly hostname: string;
  readonly username: string;
  readonly uid: number;
  readonly gid: number;
  readonly programVersion: string;
}

/**
 * Stores a snapshot of the path `/recover` with the tag `recovered`, in which each root is a directory named by the
 * beginning of its id; its id, or null when there is none. What was gathered once is found no more by the next plan.
 */
export async function applyRecover(
  repository: Repository,
  plan: RecoverPlan,
  facts: RecoverFacts,
  options: { readonly mayWrite: Promise<void>; readonly signal?: AbortSignal | undefined },
): Promise<string | null> {
  if (plan.roots.length === 0) return null;
  const formatTime = createTimeFormatter();
  const index = BlobIndex.create(0);
  const packs = new PackStore(repository, index, { dryRun: false, readBack: false, mayWrite: options.mayWrite });
  const saver = new BlobSaver(repository, index, packs, "tree");
  const digits = uniquePrefixDigits(plan.roots);
  const tree = await saver.save(
    encodeTree(
      plan.roots.map((id) => directory(id.slice(0, digits), id, facts.timeNs)),
      formatTime,
    ),
  );
  await saver.flush();
  await packs.finish();
  // The repository's own table does not know what was stored.
  repository.forgetIndex();
  if (options.signal?.aborted) throw interrupted(options.signal);
  const { timeNs, ...who } = facts;
  const snapshot = { ...who, time: formatTime(timeNs), tree, paths: ["/recover"], tags: ["recovered"] };
  const json = encodeSnapshot({
    ...snapshot,
    parent: null,
    excludes: [],
    original: null,
    summary: null,
    unknownFields: {},
  });
  return repository.saveUnpacked("snapshot", json);
}

function directory(name: string, subtree: string, timeNs: bigint): TreeNode {
  return {
    name: Buffer.from(name),
    type: "dir",
    mode: directoryMode,
    mtime: timeNs,
    atime: timeNs,
    ctime: timeNs,
    uid: 0,
    gid: 0,
    user: "",
    group: "",
    inode: 0n,
    deviceId: 0n,
    size: 0n,
    links: 0n,
    linkTarget: null,
    xattrs: [],
    genericAttributes: null,
    device: 0n,
    content: null,
    subtree,
    error: "",
  };
}

function interrupted(signal: AbortSignal): HoldfastError {
  return new HoldfastError("interrupted", "recovering was interrupted", { cause: signal.reason });
}
