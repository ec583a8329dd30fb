// What a backup tells while it runs and at its end: lines for people, JSON for programs.

import type { BackupEvent, BackupSummary } from "@holdfast/repository";
import { formatBytes, formatDuration } from "../display/amounts.ts";
import { printableName } from "./display/printable.ts";
import type { Progress } from "./display/progress-lines.ts";
import type { ProgressMonitor } from "./display/progress-monitor.ts";
import type { Output } from "./output.ts";

/** Hands the events of the engine to display and output. */
export function reportBackupEvent(event: BackupEvent, output: Output, monitor: ProgressMonitor): void {
  switch (event.kind) {
    case "progress":
      monitor.update({
        unit: "files",
        done: event.filesDone,
        total: event.filesTotal,
        bytesDone: event.bytesDone,
        bytesTotal: event.bytesTotal,
        errors: event.errors,
        // Byte strings: names need not be UTF-8.
        current: event.currentFiles.map((name) => Buffer.from(name, "latin1").toString("utf8")),
      });
      break;
    case "error":
      output.itemError(printableName(event.path), event.during, event.error);
      break;
    case "skipped":
      output.detail(`skipped   ${printableName(event.path)} (a ${event.reason})`);
      break;
  }
}

/** restic's `status` line. */
export function backupStatusJson(progress: Progress, elapsedMs: number, remainingMs: number | null): object {
  return {
    message_type: "status",
    seconds_elapsed: Math.trunc(elapsedMs / 1000),
    ...(remainingMs === null ? {} : { seconds_remaining: Math.trunc(remainingMs / 1000) }),
    percent_done: progress.bytesTotal ? Math.min(1, progress.bytesDone / progress.bytesTotal) : 0,
    ...(progress.total === null ? {} : { total_files: progress.total }),
    files_done: progress.done,
    ...(progress.bytesTotal === null ? {} : { total_bytes: progress.bytesTotal }),
    bytes_done: progress.bytesDone,
    error_count: progress.errors,
    current_files: progress.current,
  };
}

export interface BackupTimes {
  /** RFC 3339. */
  readonly start: string;
  readonly end: string;
}

/** restic's `summary` line; `errors` and `parent_id` are ours. */
export function backupSummaryJson(summary: BackupSummary, times: BackupTimes, dryRun: boolean): object {
  const { files, dirs } = summary;
  return {
    message_type: "summary",
    ...(dryRun ? { dry_run: true } : {}),
    files_new: files.new,
    files_changed: files.changed,
    files_unmodified: files.unmodified,
    dirs_new: dirs.new,
    dirs_changed: dirs.changed,
    dirs_unmodified: dirs.unmodified,
    data_blobs: summary.dataBlobs,
    tree_blobs: summary.treeBlobs,
    data_added: summary.bytesAdded,
    data_added_packed: summary.bytesStored,
    total_files_processed: files.new + files.changed + files.unmodified,
    total_bytes_processed: summary.bytesProcessed,
    total_duration: summary.durationMs / 1000,
    backup_start: times.start,
    backup_end: times.end,
    ...(summary.snapshotId === null ? {} : { snapshot_id: summary.snapshotId }),
    ...(summary.parentId === null ? {} : { parent_id: summary.parentId }),
    errors: summary.errors,
  };
}

export function backupSummaryLines(summary: BackupSummary, dryRun: boolean, verbose: boolean): string[] {
  const { files, dirs } = summary;
  const counts = (what: { new: number; changed: number; unmodified: number }): string =>
    `${column(what.new)} new, ${column(what.changed)} changed, ${column(what.unmodified)} unmodified`;
  const processed = files.new + files.changed + files.unmodified;
  const lines = [`Files:       ${counts(files)}`, `Dirs:        ${counts(dirs)}`];
  if (verbose)
    lines.push(`Data blobs:  ${column(summary.dataBlobs)} new`, `Tree blobs:  ${column(summary.treeBlobs)} new`);
  lines.push(
    `${dryRun ? "Would add" : "Added"} to the repository: ${formatBytes(summary.bytesAdded)} (${formatBytes(summary.bytesStored)} stored)`,
  );
  lines.push(
    "",
    `processed ${processed} files, ${formatBytes(summary.bytesProcessed)} in ${formatDuration(summary.durationMs)}`,
  );
  if (summary.snapshotId !== null) lines.push(`snapshot ${summary.snapshotId.slice(0, 8)} saved`);
  else if (!dryRun) lines.push("nothing changed: no snapshot was made");
  return lines;
}

const column = (count: number): string => String(count).padStart(5);
