// Sizes of what snapshots hold, counted in restic's four ways.
import { hash } from "node:crypto";
import { sealOverheadBytes } from "../../codec/seal.ts";
import { HoldfastError } from "../../errors.ts";
import type { TreeNode } from "../../format/node.ts";
import type { BlobIndex, BlobType } from "../../index/blob-index.ts";
import type { Repository, StoredSnapshot } from "../../store/repository.ts";
import { BlobMarks } from "../blob-marks.ts";

/**
 * `restore-size`: what restoring each snapshot would take, hard links counted once in each. `files-by-contents`: files
 * of different content. `blobs-per-file`: blobs, each once for every path that has it. `raw-data`: blobs as stored.
 */
export const statsModes = ["restore-size", "files-by-contents", "blobs-per-file", "raw-data"] as const;
export type StatsMode = (typeof statsModes)[number];

/** Null where a mode does not count it. */
export interface StatsReport {
  readonly mode: StatsMode;
  readonly snapshots: number;
  readonly totalBytes: number;
  /** In `restore-size`, directories and links as well, as restic counts. */
  readonly files: number | null;
  readonly blobs: number | null;
  /** `raw-data` of a repository of version 2 only. */
  readonly compression: StatsCompression | null;
}

export interface StatsCompression {
  /** What all blobs would take without compression, sealed. */
  readonly uncompressedBytes: number;
  /** Of the blobs that are compressed: plain to stored; 0 if there are none. */
  readonly ratio: number;
  /** Percent of the data that is in compressed blobs. */
  readonly progress: number;
  /** Percent saved of all data. */
  readonly spaceSaving: number;
}

export interface StatsOptions {
  readonly mode: StatsMode;
  readonly snapshots: readonly StoredSnapshot[];
  readonly signal?: AbortSignal | undefined;
}

export async function stats(repository: Repository, options: StatsOptions): Promise<StatsReport> {
  const { mode, snapshots } = options;
  const index = await repository.loadIndex();
  const walk = { repository, index, snapshots, signal: options.signal };
  return {
    mode,
    snapshots: snapshots.length,
    files: null,
    blobs: null,
    compression: null,
    ...(await counters[mode](walk)),
  };
}

interface Walk {
  readonly repository: Repository;
  readonly index: BlobIndex;
  readonly snapshots: readonly StoredSnapshot[];
  readonly signal: AbortSignal | undefined;
}

type Counts = Partial<StatsReport> & Pick<StatsReport, "totalBytes">;

const counters: Readonly<Record<StatsMode, (walk: Walk) => Promise<Counts>>> = {
  "restore-size": countRestoreSize,
  "files-by-contents": countFilesByContents,
  "blobs-per-file": countBlobsPerFile,
  "raw-data": countRawData,
};

async function load({ repository, signal }: Walk, tree: string): Promise<TreeNode[]> {
  if (signal?.aborted) throw new HoldfastError("interrupted", "counting was interrupted", { cause: signal.reason });
  return repository.loadTree(tree);
}

interface Subtotal {
  readonly bytes: bigint;
  readonly files: number;
}

async function countRestoreSize(walk: Walk): Promise<Counts> {
  // Trees without hard links count the same wherever they are met; the others are walked again in each snapshot.
  const known = new Map<string, Subtotal>();
  let totalBytes = 0n;
  let files = 0;
  for (const { tree } of walk.snapshots) {
    const counted = await countTree(walk, tree, known, new Set());
    totalBytes += counted.bytes;
    files += counted.files;
  }
  return { totalBytes: Number(totalBytes), files };
}

async function countTree(
  walk: Walk,
  tree: string,
  known: Map<string, Subtotal>,
  seenLinks: Set<string>,
): Promise<Subtotal & { hasLinks: boolean }> {
  const before = known.get(tree);
  if (before) return { ...before, hasLinks: false };
  let bytes = 0n;
  let files = 0;
  let hasLinks = false;
  for (const node of await load(walk, tree)) {
    files++;
    if (node.links === 1n || node.type === "dir") {
      bytes += node.size;
    } else {
      hasLinks = true;
      const link = `${node.deviceId} ${node.inode}`;
      if (node.inode === 0n || !seenLinks.has(link)) bytes += node.size;
      seenLinks.add(link);
    }
    if (node.subtree !== null) {
      const below = await countTree(walk, node.subtree, known, seenLinks);
      bytes += below.bytes;
      files += below.files;
      hasLinks ||= below.hasLinks;
    }
  }
  if (!hasLinks) known.set(tree, { bytes, files });
  return { bytes, files, hasLinks };
}

/** Every node that has a content met for the first time, in the order of a walk; nodes without content are one of them. */
async function* newContents(walk: Walk): AsyncGenerator<{ path: string; node: TreeNode }> {
  const seenTrees = new Set<string>();
  const seenContents = new Set<string>();
  // The same tree under another path has no new contents.
  async function* below(tree: string, path: string): AsyncGenerator<{ path: string; node: TreeNode }> {
    if (seenTrees.has(tree)) return;
    seenTrees.add(tree);
    for (const node of await load(walk, tree)) {
      const content = hash("sha256", (node.content ?? []).join(""));
      const nodePath = `${path}/${node.name.toString("latin1")}`;
      if (!seenContents.has(content)) {
        seenContents.add(content);
        yield { path: nodePath, node };
      }
      if (node.subtree !== null) yield* below(node.subtree, nodePath);
    }
  }
  for (const { tree } of walk.snapshots) yield* below(tree, "");
}

async function countFilesByContents(walk: Walk): Promise<Counts> {
  let totalBytes = 0n;
  let files = 0;
  for await (const { node } of newContents(walk)) {
    totalBytes += node.size;
    files++;
  }
  return { totalBytes: Number(totalBytes), files };
}

async function countBlobsPerFile(walk: Walk): Promise<Counts> {
  const blobsOfPath = new Map<string, Set<string>>();
  let totalBytes = 0;
  let blobs = 0;
  for await (const { path, node } of newContents(walk)) {
    for (const id of node.content ?? []) {
      let known = blobsOfPath.get(path);
      if (!known) blobsOfPath.set(path, (known = new Set()));
      if (known.has(id)) continue;
      known.add(id);
      blobs++;
      totalBytes += plainBytes(walk.index, "data", id);
    }
  }
  return { totalBytes, files: blobsOfPath.size, blobs };
}

async function countRawData(walk: Walk): Promise<Counts> {
  const marks = new BlobMarks(walk.index);
  const pending = walk.snapshots.map(({ tree }) => tree);
  let totalBytes = 0;
  let uncompressedBytes = 0;
  let compressedBytes = 0;
  let inflatedBytes = 0;
  let blobs = 0;
  /** True when the blob is met for the first time. */
  const count = (type: BlobType, id: string): boolean => {
    const mark = marks.mark(Buffer.from(id, "hex"), type);
    if (mark === "again") return false;
    const { lengthBytes, plainLength } = firstLocation(walk.index, type, id);
    const inflated = plainLength > 0 ? plainLength + sealOverheadBytes : lengthBytes;
    blobs++;
    totalBytes += lengthBytes;
    uncompressedBytes += inflated;
    compressedBytes += plainLength > 0 ? lengthBytes : 0;
    inflatedBytes += plainLength > 0 ? inflated : 0;
    return true;
  };
  for (let tree = pending.pop(); tree !== undefined; tree = pending.pop()) {
    if (!count("tree", tree)) continue;
    for (const node of await load(walk, tree)) {
      for (const id of node.content ?? []) count("data", id);
      if (node.subtree !== null) pending.push(node.subtree);
    }
  }
  if (walk.repository.version === 1 || blobs === 0) return { totalBytes, blobs };
  const compression = {
    uncompressedBytes,
    ratio: compressedBytes > 0 ? inflatedBytes / compressedBytes : 0,
    progress: (inflatedBytes / uncompressedBytes) * 100,
    spaceSaving: (1 - totalBytes / uncompressedBytes) * 100,
  };
  return { totalBytes, blobs, compression };
}

function firstLocation(index: BlobIndex, type: BlobType, id: string) {
  const [location] = index.locations(id, type);
  if (!location) throw new HoldfastError("damaged", `the ${type} blob ${id} is in no index`, { context: { type, id } });
  return location;
}

function plainBytes(index: BlobIndex, type: BlobType, id: string): number {
  const { lengthBytes, plainLength } = firstLocation(index, type, id);
  return plainLength > 0 ? plainLength : lengthBytes - sealOverheadBytes;
}
