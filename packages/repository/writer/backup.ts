// Makes a snapshot: files and streams go through the workers into packs, then the index, and last the snapshot.
import { availableParallelism } from "node:os";
import { HoldfastError } from "../errors.ts";
import { createTimeFormatter } from "../format/go-time.ts";
import type { BlobIndex } from "../index/blob-index.ts";
import type { Repository } from "../store/repository.ts";
import { BackupReporter } from "./backup-reporter.ts";
import type { BackupEvent, BackupRequest, BackupSummary } from "./backup-request.ts";
import { BackupRoot, selectionsOf } from "./backup-root.ts";
import { PackStore } from "./pack-store.ts";
import { saveSnapshot } from "./snapshot-saver.ts";
import { TreeArchiver } from "./tree-archiver.ts";
import { BlobSaver } from "./blob-saver.ts";
import { WorkerPool } from "./worker-pool.ts";
import { WorkerThreads } from "../threads/worker-threads.ts";

const workerScript = new URL("./worker.ts", import.meta.url);

type Captured = Omit<BackupSummary, "snapshotId" | "durationMs">;

/**
 * Captures `request.entries` in one snapshot. Problems with single files are events and counted; what ends the
 * backup is thrown, and then there is no snapshot: what was stored meanwhile is found again by the next run.
 * The caller holds a shared lock. One backup at a time goes through one `Repository`: another is `internal`.
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
  return repository.claiming(!request.dryRun, async () => {
    const captured = await capture(repository, request, listener);
    const isUnchanged = request.skipIfUnchanged && request.parent?.tree === captured.treeId;
    const isSkipped = request.dryRun || isUnchanged;
    const snapshotId = isSkipped ? null : await saveSnapshot(repository, request, begin, captured);
    return { ...captured, snapshotId, durationMs: performance.now() - startedMs };
  });
}

/** Stores everything but the snapshot. */
async function capture(
  repository: Repository,
  request: BackupRequest,
  listener: (event: BackupEvent) => void,
): Promise<Captured> {
  // The threads start while the index is read.
  await using threads = new WorkerThreads(workerScript, request.workers ?? availableParallelism());
  const index = await repository.loadIndex();
  const packs = new PackStore(repository, index, request);
  await using pool = new WorkerPool(repository, index, packs, threads, {
    ...request,
    selections: selectionsOf(request.entries),
  });
  using reporter = new BackupReporter(request, pool.progress, listener);
  const stop = (): void =>
    pool.abort(new HoldfastError("interrupted", "the backup was interrupted", { cause: request.signal?.reason }));
  request.signal?.addEventListener("abort", stop);
  if (request.signal?.aborted) stop();
  try {
    return await store(repository, request, { index, packs, pool, reporter });
  } catch (error) {
    // What ended the workers tells more than what the main thread met because of it.
    pool.throwIfFailed();
    throw error;
  } finally {
    request.signal?.removeEventListener("abort", stop);
  }
}

async function store(
  repository: Repository,
  request: BackupRequest,
  parts: { index: BlobIndex; packs: PackStore; pool: WorkerPool; reporter: BackupReporter },
): Promise<Captured> {
  const { index, packs, pool, reporter } = parts;
  const trees = new BlobSaver(repository, index, packs, "tree");
  const formatTime = createTimeFormatter();
  const archiver = new TreeArchiver({ repository, pool, trees, formatTime, reporter });
  const treeId = await new BackupRoot(request, archiver, pool, formatTime).save(repository);
  await trees.flush();
  await pool.flush();
  await packs.finish();
  pool.throwIfFailed();
  const { counts } = archiver;
  return {
    treeId,
    parentId: request.parent?.id ?? null,
    files: { new: counts.filesNew, changed: counts.filesChanged, unmodified: counts.filesUnmodified },
    dirs: { new: counts.dirsNew, changed: counts.dirsChanged, unmodified: counts.dirsUnmodified },
    dataBlobs: pool.totals.blobs,
    treeBlobs: trees.totals.blobs,
    bytesProcessed: counts.bytes,
    bytesAdded: pool.totals.plainBytes + trees.totals.plainBytes,
    bytesStored: pool.totals.sealedBytes + trees.totals.sealedBytes,
    errors: reporter.errors,
  };
}
