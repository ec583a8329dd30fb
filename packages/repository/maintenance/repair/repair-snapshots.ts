// Repairs snapshots: what is lost is taken out of their trees, and the changed forms are stored beside or instead.
import { HoldfastError } from "../../errors.ts";
import type { TreeNode } from "../../format/node.ts";
import type { BlobLocation } from "../../index/blob-index.ts";
import { BlobIndex } from "../../index/blob-index.ts";
import { plainSizeBytes } from "../../index/plain-size.ts";
import type { Repository, StoredSnapshot } from "../../store/repository.ts";
import { BlobSaver } from "../../writer/blob-saver.ts";
import { PackStore } from "../../writer/pack-store.ts";
import { keepIfThere } from "../keep-if-there.ts";
import { SnapshotReplacer } from "../replace-snapshot.ts";
import type { RewrittenNode } from "../rewrite/rewrite-tree.ts";
import { TreeRewriter } from "../rewrite/rewrite-tree.ts";

export interface RepairSnapshotsRequest {
  /** Those to be looked at. */
  readonly snapshots: readonly StoredSnapshot[];
  /** All of the repository. */
  readonly stored: readonly StoredSnapshot[];
  /** Ids of snapshot files that cannot be read, and are to be removed; empty unless `forget`. */
  readonly unreadable: readonly string[];
  /** Removes what is replaced. Without it the new forms get the tag `repaired`, as with restic. */
  readonly forget: boolean;
  /** The tags that the new form of a snapshot inherits; all of the old one without it. */
  readonly inheritedTags?: ((old: StoredSnapshot) => readonly string[]) | undefined;
  /** Finds out everything, and writes nothing. */
  readonly dryRun: boolean;
  readonly mayWrite: Promise<void>;
  /** Is given the bytes of each snapshot file that is lost or unreadable, before it is removed; resolves when they are safe. */
  readonly keep: (id: string, bytes: Buffer) => Promise<void>;
  readonly signal?: AbortSignal | undefined;
}

export type RepairSnapshotsEvent =
  | { readonly kind: "snapshot"; readonly snapshot: StoredSnapshot; readonly number: number }
  /**
   * What changes, said once for trees that several snapshots share. Files: `shortened` (lost blobs are taken out),
   * `resized` (the recorded size was wrong), `removed` (of a type that cannot be). Directories: `emptied` (the tree
   * cannot be read), `lost` (that of the root: nothing of the snapshot is left). `path`: raw bytes.
   */
  | {
      readonly kind: "change";
      readonly path: Buffer;
      readonly change: "shortened" | "resized" | "removed" | "emptied" | "lost";
    };

export interface RepairedSnapshot {
  readonly snapshot: StoredSnapshot;
  /** `lost`: its root cannot be read, so that there is nothing to make a new form of. */
  readonly outcome: "whole" | "changed" | "lost";
  /** The id of the new form, if there is one; null in a dry run. */
  readonly newId: string | null;
  /** True when the old one was removed, or would be. */
  readonly isRemoved: boolean;
}

const addedTag = "repaired";

/**
 * Walks the trees of all `snapshots`. A file keeps those of its blobs that the index knows in a pack that is there and
 * long enough; a directory whose tree cannot be read becomes empty. What the index knows wrongly, or what a pack holds
 * damaged, must have been repaired before. New trees are durable and indexed before the first snapshot is stored, and
 * each new snapshot before its old one goes; interrupted anywhere, it can be run again, and finishes.
 *
 * The caller holds an exclusive lock, and opened the repository without a cache. Throws `damaged` when an index file
 * cannot be read, or when there are snapshots and not one pack, `hostile` and `unsupported` for trees that are whole and not understood: these are left alone.
 */
export async function repairSnapshots(
  repository: Repository,
  request: RepairSnapshotsRequest,
  listener: (event: RepairSnapshotsEvent) => void,
): Promise<{ readonly snapshots: readonly RepairedSnapshot[]; readonly removedUnreadable: readonly string[] }> {
  const { snapshots, stored, unreadable, forget, dryRun, mayWrite, signal } = request;
  const available = await AvailableBlobs.of(repository);
  if (stored.length > 0 && available.packs === 0) throw allPacksGone();
  // A table of their own: a tree that the repository's knows may be one of those that cannot be read.
  const written = BlobIndex.create(0);
  const packs = new PackStore(repository, written, { dryRun, readBack: false, mayWrite });
  const saver = new BlobSaver(repository, written, packs, "tree");
  const rewriter = new TreeRewriter(repository, saver, {
    ignoresPaths: true,
    signal,
    rewriteNode: (path, node) => repairedNode(path, node, available, listener),
    replaceUnreadable: (path, _treeId, error) => {
      if (error.code !== "damaged") throw error;
      const isRoot = path.length === 1;
      listener({ kind: "change", path, change: isRoot ? "lost" : "emptied" });
      return isRoot ? "leave-out" : "empty";
    },
  });
  const trees: (string | null)[] = [];
  for (const [number, snapshot] of snapshots.entries()) {
    listener({ kind: "snapshot", snapshot, number });
    trees.push((await rewriter.rewrite(snapshot.tree)).treeId);
  }
  await saver.flush();
  await packs.finish();
  // The repository's own table does not know what was stored.
  repository.forgetIndex();
  const replacer = new SnapshotReplacer(repository, stored, {
    original: "previous",
    removeOld: forget,
    mayWrite,
    signal,
  });
  const remove = async (id: string): Promise<void> => {
    await mayWrite;
    await keepIfThere(repository.storage, "snapshot", id, request.keep);
    await replacer.remove(id);
  };
  const repaired: RepairedSnapshot[] = [];
  for (const [at, snapshot] of snapshots.entries()) {
    const tree = trees[at]!;
    const outcome = tree === null ? "lost" : tree === snapshot.tree ? "whole" : "changed";
    const isRemoved = forget && outcome !== "whole";
    let newId: string | null = null;
    if (!dryRun && tree !== null && outcome === "changed") {
      const inherited = request.inheritedTags?.(snapshot) ?? snapshot.tags;
      newId = await replacer.replace(snapshot, { tree, tags: forget ? inherited : withTag(inherited) });
    }
    if (!dryRun && isRemoved && tree === null) await remove(snapshot.id);
    repaired.push({ snapshot, outcome, newId, isRemoved });
  }
  if (!dryRun) for (const id of unreadable) await remove(id);
  return { snapshots: repaired, removedUnreadable: unreadable };
}

/** An empty directory, too, has its tree in a pack. */
function allPacksGone(): HoldfastError {
  return new HoldfastError("damaged", "there are snapshots, and not one pack is there: nothing was changed", {
    hint: "is the storage mounted whole? If all packs are lost for good, remove the snapshots with `holdfast repo forget`",
  });
}

function withTag(tags: readonly string[]): readonly string[] {
  return tags.includes(addedTag) ? tags : [...tags, addedTag];
}

function repairedNode(
  path: Buffer,
  node: TreeNode,
  available: AvailableBlobs,
  listener: (event: RepairSnapshotsEvent) => void,
): RewrittenNode | null {
  if (node.type === "irregular" || node.type === "") {
    listener({ kind: "change", path, change: "removed" });
    return null;
  }
  if (node.type !== "file") return node;
  const ids = node.content ?? [];
  const places = ids.map((id) => available.find(id));
  const content = ids.filter((_, at) => places[at] !== null);
  const size = places.reduce((sum, place) => sum + (place ? BigInt(plainSizeBytes(place)) : 0n), 0n);
  const isShorter = content.length < ids.length;
  if (!isShorter && node.content !== null && size === node.size) return node;
  listener({ kind: "change", path, change: isShorter ? "shortened" : "resized" });
  return { content: isShorter || node.content === null ? content : node.content, size };
}

/** The data blobs whose pack is there and reaches as far as the index says. */
class AvailableBlobs {
  readonly #index: BlobIndex;
  readonly #packSizes: ReadonlyMap<string, number>;

  private constructor(index: BlobIndex, packSizes: ReadonlyMap<string, number>) {
    this.#index = index;
    this.#packSizes = packSizes;
  }

  static async of(repository: Repository): Promise<AvailableBlobs> {
    const sizes = new Map<string, number>();
    for await (const { name, sizeBytes } of repository.storage.list("pack")) sizes.set(name, sizeBytes);
    try {
      return new AvailableBlobs(await repository.loadIndex(), sizes);
    } catch (error) {
      if (!(error instanceof HoldfastError) || error.code !== "damaged") throw error;
      const hint = "run `holdfast repo repair index` first: without the whole index too much would be taken for lost";
      throw new HoldfastError("damaged", error.message, { hint, context: error.context, cause: error });
    }
  }

  /** How many packs there are. */
  get packs(): number {
    return this.#packSizes.size;
  }

  find(id: string): BlobLocation | null {
    const isThere = ({ pack, offset, lengthBytes }: BlobLocation): boolean =>
      offset + lengthBytes <= (this.#packSizes.get(pack) ?? -1);
    return this.#index.locations(id, "data").find(isThere) ?? null;
  }
}
