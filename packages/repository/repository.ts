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
export { requireShallowJson } from "./format/json-document.ts";
export { encodeMasterKey, parseKeyFile } from "./format/key-file.ts";
export type { TreeNode } from "./format/node.ts";
export type { Snapshot, SnapshotSummary } from "./format/snapshot.ts";
export { encodeSnapshot } from "./format/snapshot.ts";
export { parseTree } from "./format/tree.ts";
export type { BlobIndex, BlobLocation, BlobType } from "./index/blob-index.ts";
export { plainSizeBytes } from "./index/plain-size.ts";
export { check } from "./maintenance/check/check.ts";
export type { CheckOptions } from "./maintenance/check/check.ts";
export type {
  BlobName,
  CheckEvent,
  CheckPhase,
  CheckReport,
  Finding,
  FindingKind,
  HurtGroup,
  Severity,
} from "./maintenance/check/check-report.ts";
export type { BlobsByType } from "./maintenance/blobs-of-packs.ts";
export { blobsOfPacks } from "./maintenance/blobs-of-packs.ts";
export type { CalendarSpan } from "./maintenance/forget/calendar-span.ts";
export { formatCalendarSpan, isEmptySpan, parseCalendarSpan, systemZone } from "./maintenance/forget/calendar-span.ts";
export type { CopyEvent, CopyReport, CopyRequest } from "./maintenance/copy/copy.ts";
export { copy } from "./maintenance/copy/copy.ts";
export type { Forgotten } from "./maintenance/forget/forget.ts";
export { forgetSnapshots } from "./maintenance/forget/forget.ts";
export type { ForgetGroup, ForgetPlan, ForgetPolicy, KeptSnapshot } from "./maintenance/forget/forget-policy.ts";
export {
  applyPolicy,
  emptyPolicy,
  forgetPeriods,
  isEmptyPolicy,
  planForget,
} from "./maintenance/forget/forget-policy.ts";
export type { InspectedKey, KeyState } from "./maintenance/keys/inspect-keys.ts";
export { inspectKeys } from "./maintenance/keys/inspect-keys.ts";
export type { RepositoryKey } from "./maintenance/keys/keys.ts";
export { addKey, changePassword, listKeys, removeKey } from "./maintenance/keys/keys.ts";
export type { TagChange } from "./maintenance/rewrite/change-tags.ts";
export { changeTags } from "./maintenance/rewrite/change-tags.ts";
export { SnapshotReplacer } from "./maintenance/replace-snapshot.ts";
export type { RewriteEvent, RewriteRequest } from "./maintenance/rewrite/rewrite-snapshots.ts";
export { rewriteSnapshots } from "./maintenance/rewrite/rewrite-snapshots.ts";
export { loadPack } from "./maintenance/load-pack.ts";
export type { PackSize, PackSubset } from "./maintenance/check/pack-subset.ts";
export { choosePacks, firstOfSize, isInPart, mostParts } from "./maintenance/check/pack-subset.ts";
export { passwordWeakness } from "./maintenance/keys/password-weakness.ts";
export type { GroupKey, Grouping } from "./maintenance/forget/snapshot-groups.ts";
export { groupSnapshots, hasTags } from "./maintenance/forget/snapshot-groups.ts";
export type { RecoverFacts, RecoverPlan } from "./maintenance/repair/recover.ts";
export { applyRecover, planRecover } from "./maintenance/repair/recover.ts";
export type { Remedies } from "./maintenance/check/remedies.ts";
export { remediesOf } from "./maintenance/check/remedies.ts";
export type { RepairConfigPlan } from "./maintenance/repair/repair-config.ts";
export { applyRepairConfig, planRepairConfig } from "./maintenance/repair/repair-config.ts";
export type { PackIndexRepair, RepairIndexPhase, RepairIndexPlan } from "./maintenance/repair/repair-index.ts";
export { applyRepairIndex, planRepairIndex } from "./maintenance/repair/repair-index.ts";
export type { PackSalvage, RepairPacksPhase, RepairPacksPlan } from "./maintenance/repair/repair-packs.ts";
export { applyRepairPacks, planRepairPacks } from "./maintenance/repair/repair-packs.ts";
export type { RepairedSnapshot, RepairSnapshotsEvent } from "./maintenance/repair/repair-snapshots.ts";
export { repairSnapshots } from "./maintenance/repair/repair-snapshots.ts";
export type { PruneEvent, PruneOptions, PrunePhase, PrunePlan } from "./maintenance/prune/plan-prune.ts";
export { planPrune } from "./maintenance/prune/plan-prune.ts";
export type { PruneReport } from "./maintenance/prune/prune.ts";
export { applyPrune } from "./maintenance/prune/prune.ts";
export type { MaxUnused, PruneDecision, PruneRules, PruneStatistics } from "./maintenance/prune/prune-plan.ts";
export { usualPruneRules } from "./maintenance/prune/prune-plan.ts";
export type { SizeStatistics } from "./maintenance/stats/size-statistics.ts";
export { sizeStatistics } from "./maintenance/stats/size-statistics.ts";
export type { StatsCompression, StatsMode, StatsOptions, StatsReport } from "./maintenance/stats/stats.ts";
export { stats, statsModes } from "./maintenance/stats/stats.ts";
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
export type { SearchHit, SearchOptions } from "./reader/search-snapshots.ts";
export { SnapshotSearch } from "./reader/search-snapshots.ts";
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
export { missingRepository, Repository } from "./store/repository.ts";
export { readLocks, unlock } from "./store/lock-files.ts";
export type { LockEvent, LockOptions } from "./store/repository-lock.ts";
export { RepositoryLock } from "./store/repository-lock.ts";
export type { BackupEntry, BackupEvent, BackupRequest, BackupSummary } from "./writer/backup-request.ts";
export { backup } from "./writer/backup.ts";
