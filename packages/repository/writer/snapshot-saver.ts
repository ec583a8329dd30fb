// Writes the snapshot at the end of a backup.
import { createTimeFormatter } from "../format/go-time.ts";
import type { SnapshotSummary } from "../format/snapshot.ts";
import { encodeSnapshot } from "../format/snapshot.ts";
import type { Repository } from "../store/repository.ts";
import type { BackupRequest, BackupSummary } from "./backup-request.ts";

/** Stores the snapshot of a finished backup that began at `begin`; its id. Everything it names is durable already. */
export async function saveSnapshot(
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
