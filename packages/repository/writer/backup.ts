// Makes a snapshot: files and streams go through the workers into packs, then the index, and last the snapshot.
import { availableParallelism } from "node:os";
import type { ChunkerHint } from "../chunker/chunker-hint.ts";
import { HoldfastError } from "../errors.ts";
import { createTimeFormatter } from "../format/go-time.ts";
import type { SnapshotSummary } from "../format/snapshot.ts";
import { encodeSnapshot } from "../format/snapshot.ts";
import type { SelectionRules } from "../selection/selection-rules.ts";
import type { Repository, StoredSnapshot } from "../store/repository.ts";
import { BackupRoot } from "./backup-root.ts";
import type { PathProblem } from "./messages.ts";
import { PackStore } from "./pack-store.ts";
import type { ReadStream } from "./stream-saver.ts";
import { TreeArchiver } from "./tree-archiver.ts";
import { TreeSaver } from "./tree-saver.ts";
import { WorkerPool } from "./worker-pool.ts";
import { WorkerThreads } from "./worker-threads.ts";

/** What goes into the snapshot. `at` is the absolute path there, raw bytes. */
export type BackupEntry =
  | {
      readonly kind: "files";
      /** Absolute path on disk; its last name is the last name of `at`. */
      readonly from: Buffer;
      readonly at: Buffer;
    }
  | {
      readonly kind: "stream";
      readonly at: Buffer;
      readonly read: ReadStream;
      /** Permission bits. */
      readonly mode: number;
      readonly mtimeNs: bigint;
      readonly hint: ChunkerHint;
      /** Called at the end of the stream; throws when the producer failed: then there is no snapshot. */
      readonly finish?: () => Promise<void>;
    };

export interface BackupRequest {
  readonly entries: readonly BackupEntry[];
  /** Recorded in the snapshot, with the other facts of it below. */
  readonly paths: readonly string[];
  readonly hostname: string;
  readonly username: string;
  readonly uid: number;
  readonly gid: number;
  readonly tags: readonly string[];
  readonly excludes: readonly string[];
  readonly timeNs: bigint;
  readonly programVersion: string;
  /** The snapshot to find unchanged files in; null reads everything. */
  readonly parent: StoredSnapshot | null;
  readonly selection: SelectionRules;
  readonly oneFileSystem: boolean;
  readonly withAtime: boolean;
  /** Does everything but storing. */
  readonly dryRun: boolean;
  /** Makes no snapshot when its tree is the parent's. */
  readonly skipIfUnchanged: boolean;
  /** Reads every new pack back from the storage and compares it. */
  readonly readBack: boolean;
  /** Resolves when the lock on the repository is settled; nothing is written before. */
  readonly mayWrite: Promise<void>;
  readonly workers?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export type BackupEvent =
  | {
      readonly kind: "progress";
      readonly filesDone: number;
      readonly bytesDone: number;
      /** What the parent snapshot held, as an estimate; null without one. */
      readonly filesTotal: number | null;
      readonly bytesTotal: number | null;
      readonly errors: number;
      readonly currentFiles: readonly string[];
    }
  | {
      readonly kind: "error";
      readonly path: Buffer;
      readonly during: PathProblem["during"];
      readonly error: HoldfastError;
    }
  | { readonly kind: "skipped"; readonly path: Buffer; readonly reason: "socket" };

export interface BackupSummary {
  /** Null when none was made: dry run, or unchanged. */
  readonly snapshotId: string | null;
  readonly treeId: string;
  readonly parentId: string | null;
  readonly files: { readonly new: number; readonly changed: number; readonly unmodified: number };
  readonly dirs: { readonly new: number; readonly changed: number; readonly unmodified: number };
  readonly dataBlobs: number;
  readonly treeBlobs: number;
  /** Bytes of all files and streams in the snapshot. */
  readonly bytesProcessed: number;
  /** Plain bytes of the blobs that were not in the repository yet, and what they take there. */
  readonly bytesAdded: number;
  readonly bytesStored: number;
  readonly durationMs: number;
  /** Paths that are missing or doubtful in the snapshot: it is partial when there are any. */
  readonly errors: number;
}

const progressEveryMs = 100;

/**
 * Captures `request.entries` in one snapshot. Problems with single files are events and counted; what ends the
 * backup is thrown, and then there is no snapshot: what was stored meanwhile is found again by the next run.
 * The caller holds a shared lock.
 */
export async function backup(
  repository: Repository,
  request: BackupRequest,
  listener: (event: BackupEvent) => void,
): Promise<BackupSummary> {
  const startedMs = performance.now();
  const begin = repository.now();
  // Met by the first write; until then it must not count as unhandled.
  request.mayWrite.catch(() => undefined);
  // The threads start while the index is read.
  await using threads = new WorkerThreads(request.workers ?? availableParallelism());
  const index = await repository.loadIndex();
  const packs = new PackStore(repository, index, request);
  await using pool = new WorkerPool(repository, index, packs, threads, request);
  const stop = (): void =>
    pool.abort(new HoldfastError("interrupted", "the backup was interrupted", { cause: request.signal?.reason }));
  request.signal?.addEventListener("abort", stop);
  if (request.signal?.aborted) stop();
  let errors = 0;
  let current = "";
  const progress = (): void =>
    listener({
      kind: "progress",
      filesDone: pool.progress.read("files"),
      bytesDone: pool.progress.read("bytes"),
      filesTotal: request.parent?.summary?.totalFilesProcessed ?? null,
      bytesTotal: request.parent?.summary?.totalBytesProcessed ?? null,
      errors,
      currentFiles: current ? [current] : [],
    });
  const trees = new TreeSaver(repository, index, packs);
  const formatTime = createTimeFormatter();
  const archiver = new TreeArchiver({
    repository,
    pool,
    trees,
    formatTime,
    report: (problem) => {
      errors++;
      const error = new HoldfastError(problem.code, problem.message);
      listener({ kind: "error", path: Buffer.from(problem.path, "latin1"), during: problem.during, error });
    },
    socket: (path) => listener({ kind: "skipped", path: Buffer.from(path, "latin1"), reason: "socket" }),
    entering: (path) => (current = path),
  });
  const timer = setInterval(progress, progressEveryMs);
  try {
    const root = new BackupRoot(request, archiver, pool, formatTime);
    const treeId = await root.save(repository);
    await trees.flush();
    await pool.flush();
    await packs.finish();
    pool.throwIfFailed();
    const { counts } = archiver;
    const summary = {
      treeId,
      parentId: request.parent?.id ?? null,
      files: { new: counts.filesNew, changed: counts.filesChanged, unmodified: counts.filesUnmodified },
      dirs: { new: counts.dirsNew, changed: counts.dirsChanged, unmodified: counts.dirsUnmodified },
      dataBlobs: pool.totals.blobs,
      treeBlobs: trees.totals.blobs,
      bytesProcessed: counts.bytes,
      bytesAdded: pool.totals.plainBytes + trees.totals.plainBytes,
      bytesStored: pool.totals.sealedBytes + trees.totals.sealedBytes,
      errors,
    };
    const isSkipped = request.dryRun || (request.skipIfUnchanged && request.parent?.tree === treeId);
    const snapshotId = isSkipped ? null : await saveSnapshot(repository, request, begin, summary);
    progress();
    return { ...summary, snapshotId, durationMs: performance.now() - startedMs };
  } catch (error) {
    // What ended the workers tells more than what the main thread met because of it.
    pool.throwIfFailed();
    throw error;
  } finally {
    clearInterval(timer);
    request.signal?.removeEventListener("abort", stop);
  }
}

async function saveSnapshot(
  repository: Repository,
  request: BackupRequest,
  begin: Date,
  summary: Omit<BackupSummary, "snapshotId" | "durationMs">,
): Promise<string> {
  const formatTime = createTimeFormatter();
  const at = (date: Date): string => formatTime(BigInt(date.getTime()) * 1_000_000n);
  const recorded: SnapshotSummary = {
    backupStart: at(begin),
    backupEnd: at(repository.now()),
    filesNew: summary.files.new,
    filesChanged: summary.files.changed,
    filesUnmodified: summary.files.unmodified,
    dirsNew: summary.dirs.new,
    dirsChanged: summary.dirs.changed,
    dirsUnmodified: summary.dirs.unmodified,
    dataBlobs: summary.dataBlobs,
    treeBlobs: summary.treeBlobs,
    dataAdded: summary.bytesAdded,
    dataAddedPacked: summary.bytesStored,
    totalFilesProcessed: summary.files.new + summary.files.changed + summary.files.unmodified,
    totalBytesProcessed: summary.bytesProcessed,
    unknownFields: {},
  };
  const json = encodeSnapshot({
    time: formatTime(request.timeNs),
    parent: summary.parentId,
    tree: summary.treeId,
    paths: request.paths,
    hostname: request.hostname,
    username: request.username,
    uid: request.uid,
    gid: request.gid,
    excludes: request.excludes,
    tags: request.tags,
    original: null,
    programVersion: request.programVersion,
    summary: recorded,
    unknownFields: {},
  });
  return repository.saveUnpacked("snapshot", json);
}
