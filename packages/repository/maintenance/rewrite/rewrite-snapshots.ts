// Makes new snapshots of old ones: without certain files, or with another host or time.
import type { HoldfastError } from "../../errors.ts";
import { hasCode } from "../../errors.ts";
import type { Snapshot, SnapshotSummary } from "../../format/snapshot.ts";
import type { PathRules } from "../../selection/path-rules.ts";
import { PathSelection } from "../../selection/path-rules.ts";
import type { Repository, StoredSnapshot } from "../../store/repository.ts";
import { BlobSaver } from "../../writer/blob-saver.ts";
import { PackStore } from "../../writer/pack-store.ts";
import { SnapshotReplacer } from "../replace-snapshot.ts";
import type { RewrittenTree } from "./rewrite-tree.ts";
import { TreeRewriter } from "./rewrite-tree.ts";

export interface RewriteRequest {
  /** Those to rewrite, in the order of the work. */
  readonly snapshots: readonly StoredSnapshot[];
  /** All that are in the repository. */
  readonly stored: readonly StoredSnapshot[];
  /** Which files stay: all that includes name, or all that excludes do not. */
  readonly rules: PathRules;
  /** Counts files and bytes anew even where no file is left out. */
  readonly countsAnew: boolean;
  /** Null: as before. */
  readonly hostname: string | null;
  /** RFC 3339; null: as before. */
  readonly time: string | null;
  /** The tags of the new form. */
  readonly tagsOf: (snapshot: StoredSnapshot) => readonly string[];
  /** Removes each old snapshot once the new one is durable; needs an exclusive lock. */
  readonly removeOld: boolean;
  /** Only tells what would change. */
  readonly dryRun: boolean;
  readonly mayWrite: Promise<void>;
  readonly signal?: AbortSignal | undefined;
}

export type RewriteEvent =
  /** Left out, with what is below it; once for all snapshots that have the same there. */
  | { readonly kind: "left-out"; readonly path: Buffer }
  | { readonly kind: "unchanged"; readonly snapshot: StoredSnapshot }
  /** `newId` is null in a dry run. */
  | { readonly kind: "changed"; readonly snapshot: StoredSnapshot; readonly newId: string | null }
  /** It could not be read; it stays as it is. */
  | { readonly kind: "failed"; readonly snapshot: StoredSnapshot; readonly error: HoldfastError };

interface Rewrite {
  readonly snapshot: StoredSnapshot;
  readonly change: Partial<Snapshot> | null;
}

/** Go's zero time: in a summary that no backup has made. */
const noTime = "0001-01-01T00:00:00Z";

/**
 * First all new trees are stored, durable with their index; then one snapshot after another is replaced. A crash
 * anywhere leaves each snapshot in its old form or in both, never in none, and the next run finishes. Where nothing is
 * left of a snapshot by includes, it stays as it is. Throws what storing throws; what cannot be read is an event.
 */
export async function rewriteSnapshots(
  repository: Repository,
  request: RewriteRequest,
  listener: (event: RewriteEvent) => void,
): Promise<void> {
  const rewrites = await repository.claiming(!request.dryRun, () => rewriteTrees(repository, request, listener));
  const replacer = new SnapshotReplacer(repository, request.stored, { original: "previous", ...request });
  for (const { snapshot, change } of rewrites) {
    if (change === null) {
      listener({ kind: "unchanged", snapshot });
      continue;
    }
    const newId = request.dryRun ? null : await replacer.replace(snapshot, change);
    listener({ kind: "changed", snapshot, newId });
  }
}

async function rewriteTrees(
  repository: Repository,
  request: RewriteRequest,
  listener: (event: RewriteEvent) => void,
): Promise<Rewrite[]> {
  const { rules, countsAnew, snapshots } = request;
  const hasRules = Object.values(rules).some((patterns: readonly string[]) => patterns.length > 0);
  if (!hasRules && !countsAnew)
    return snapshots.map((snapshot) => ({ snapshot, change: changeOf(request, snapshot, null) }));
  const index = await repository.loadIndex();
  const packs = new PackStore(repository, index, { ...request, readBack: false });
  const trees = new BlobSaver(repository, index, packs, "tree");
  const rewriter = new TreeRewriter(repository, trees, rewriteOptions(request, listener));
  const rewrites: Rewrite[] = [];
  for (const snapshot of snapshots) {
    try {
      rewrites.push({ snapshot, change: changeOf(request, snapshot, await rewriter.rewrite(snapshot.tree)) });
    } catch (error) {
      if (!hasCode(error, "damaged") && !hasCode(error, "hostile") && !hasCode(error, "unsupported")) throw error;
      listener({ kind: "failed", snapshot, error });
    }
  }
  await trees.flush();
  await packs.finish();
  return rewrites;
}

function rewriteOptions(request: RewriteRequest, listener: (event: RewriteEvent) => void) {
  const { rules, signal } = request;
  const selection = new PathSelection(rules);
  const onlyWhatMatches = rules.include.length + rules.iinclude.length > 0;
  return {
    signal,
    ignoresPaths: false,
    rewriteNode: (path, node) => {
      const isDirectory = node.type === "dir";
      const { selected, enter } = selection.choose(path, isDirectory);
      if (selected || (isDirectory && enter)) return node;
      listener({ kind: "left-out", path });
      return null;
    },
    // With includes a directory stays for its own sake only where a pattern matches it.
    keepsEmptyDirectory: (path) => !onlyWhatMatches || selection.choose(path, true).selected,
  } satisfies ConstructorParameters<typeof TreeRewriter>[2];
}

/** Null when the snapshot stays as it is. `tree` is null where trees are not looked at. */
function changeOf(
  { hostname, time, tagsOf }: RewriteRequest,
  snapshot: StoredSnapshot,
  tree: RewrittenTree | null,
): Partial<Snapshot> | null {
  if (tree?.treeId === null) return null;
  const summary = tree ? summaryOf(snapshot.summary, tree) : snapshot.summary;
  const isSameTree = tree === null || tree.treeId === snapshot.tree;
  const isSameSummary =
    summary?.totalFilesProcessed === snapshot.summary?.totalFilesProcessed &&
    summary?.totalBytesProcessed === snapshot.summary?.totalBytesProcessed;
  if (isSameTree && isSameSummary && hostname === null && time === null) return null;
  return {
    tree: tree?.treeId ?? snapshot.tree,
    summary,
    tags: tagsOf(snapshot),
    ...(hostname === null ? {} : { hostname }),
    ...(time === null ? {} : { time }),
  };
}

function summaryOf(summary: SnapshotSummary | null, { fileCount, fileBytes }: RewrittenTree): SnapshotSummary {
  return {
    ...(summary ?? emptySummary),
    totalFilesProcessed: fileCount,
    totalBytesProcessed: Number(fileBytes),
  };
}

const emptySummary: SnapshotSummary = {
  backupStart: noTime,
  backupEnd: noTime,
  filesNew: 0,
  filesChanged: 0,
  filesUnmodified: 0,
  dirsNew: 0,
  dirsChanged: 0,
  dirsUnmodified: 0,
  dataBlobs: 0,
  treeBlobs: 0,
  dataAdded: 0,
  dataAddedPacked: 0,
  totalFilesProcessed: 0,
  totalBytesProcessed: 0,
  unknownFields: {},
};
