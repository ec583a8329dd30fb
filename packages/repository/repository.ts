// The face of the engine: restic repositories in Node.
export type { ChunkerHint } from "./chunker/chunker-hint.ts";
export type { ErrorCode, ErrorContext } from "./errors.ts";
export { hasCode, HoldfastError } from "./errors.ts";
export type { RepositoryVersion } from "./format/config.ts";
export { DirectoryHandle } from "./filesystem/create.ts";
export { DescriptorReader } from "./filesystem/descriptor-reader.ts";
export { openLibc } from "./filesystem/libc.ts";
export { MetadataReader } from "./filesystem/metadata.ts";
export { openPipe } from "./filesystem/pipe.ts";
export type { FileStatus } from "./filesystem/status-area.ts";
export type { SystemCalls } from "./filesystem/system-calls.ts";
export { currentDirectory } from "./filesystem/system-calls.ts";
export { displayPath } from "./filesystem/system-error.ts";
export { unixModeOfGoMode } from "./format/file-mode.ts";
export { createTimeFormatter, parseTime } from "./format/go-time.ts";
export { findByPrefix, isId, uniquePrefixDigits } from "./format/id.ts";
export { encodeMasterKey, parseKeyFile } from "./format/key-file.ts";
export type { TreeNode } from "./format/node.ts";
export type { Snapshot, SnapshotSummary } from "./format/snapshot.ts";
export { encodeSnapshot } from "./format/snapshot.ts";
export { parseTree } from "./format/tree.ts";
export type { BlobIndex, BlobLocation, BlobType } from "./index/blob-index.ts";
export { plainSizeBytes } from "./index/plain-size.ts";
export { check } from "./maintenance/check.ts";
export type { CheckOptions } from "./maintenance/check.ts";
export type {
  BlobName,
  CheckEvent,
  CheckPhase,
  CheckReport,
  Finding,
  FindingKind,
  Severity,
} from "./maintenance/check-report.ts";
export type { RepositoryKey } from "./maintenance/keys.ts";
export { addKey, changePassword, listKeys, removeKey } from "./maintenance/keys.ts";
export { loadPack } from "./maintenance/load-pack.ts";
export { passwordWeakness } from "./maintenance/password-weakness.ts";
export type { StatsCompression, StatsMode, StatsOptions, StatsReport } from "./maintenance/stats.ts";
export { stats, statsModes } from "./maintenance/stats.ts";
export type { Change, DiffCounts, DiffOptions, DiffStatistics } from "./reader/diff.ts";
export { diff } from "./reader/diff.ts";
export type { DumpRequest } from "./reader/dump.ts";
export { dump } from "./reader/dump.ts";
export { findNode, findTree } from "./reader/find-node.ts";
export type {
  Overwrite,
  RestoreAction,
  RestoreEvent,
  RestoreRequest,
  RestoreSummary,
} from "./reader/restore-request.ts";
export { startRestoreThreads } from "./reader/restore-pool.ts";
export { restore } from "./reader/restore.ts";
export type { WalkEntry, WalkOptions, WalkStep } from "./reader/walk.ts";
export { walk, walkSteps } from "./reader/walk.ts";
export { compileName, escapePattern } from "./selection/pattern.ts";
export { Selection } from "./selection/selection.ts";
export * from "./selection/selection-rules.ts";
export type { PathRules } from "./selection/path-rules.ts";
export { everyPath, PathSelection } from "./selection/path-rules.ts";
export { monotonicClock } from "./storage/clock.ts";
export { LimitStorage } from "./storage/limit.ts";
export { openStorage, parseLocation } from "./storage/location.ts";
export type { Location } from "./storage/location.ts";
export type { RetryEvent } from "./storage/retry.ts";
export { RetryStorage } from "./storage/retry.ts";
export type { FileType, Storage, StoredFile } from "./storage/storage.ts";
export type { Identity, OpenOptions, StoredSnapshot } from "./store/repository.ts";
export { Repository } from "./store/repository.ts";
export type { LockOptions } from "./store/repository-lock.ts";
export { readLocks, RepositoryLock, unlock } from "./store/repository-lock.ts";
export type { BackupEntry, BackupEvent, BackupRequest, BackupSummary } from "./writer/backup-request.ts";
export { backup } from "./writer/backup.ts";
