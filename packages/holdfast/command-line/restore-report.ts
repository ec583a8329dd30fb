// What a restore tells while it runs and at its end: lines for people, JSON for programs.

import type { RestoreEvent, RestoreSummary } from "@holdfast/repository";
import { formatBytes, formatCount, formatDuration } from "./display/amounts.ts";
import { printableName } from "./display/printable.ts";
import type { Progress } from "./display/progress-lines.ts";
import type { ProgressMonitor } from "./display/progress-monitor.ts";
import type { Output } from "./output.ts";

export function reportRestoreEvent(event: RestoreEvent, output: Output, monitor: ProgressMonitor): void {
  switch (event.kind) {
    case "progress":
      monitor.update({
        done: event.filesDone,
        total: event.filesTotal,
        bytesDone: event.bytesDone,
        bytesTotal: event.bytesTotal,
        errors: event.errors,
        // Byte strings: names need not be UTF-8.
        current: event.currentFiles.map((name) => Buffer.from(name, "latin1").toString("utf8")),
      });
      break;
    case "item":
      if (output.verbosity < 3) break;
      if (output.json) {
        output.jsonLine({ message_type: "verbose_status", action: event.action, item: event.path.toString("utf8"), size: event.sizeBytes });
      } else {
        output.line(`${event.action.padEnd(9)} ${printableName(event.path)} (${formatBytes(event.sizeBytes)})`);
      }
      break;
    case "error":
      output.itemError(printableName(event.path), event.during, event.error);
      break;
    case "warning":
      output.warn(`${printableName(event.path)}: ${event.message}`);
      break;
  }
}

/** restic's `status` line. */
export function restoreStatusJson(progress: Progress, elapsedMs: number): object {
  return {
    message_type: "status",
    seconds_elapsed: Math.trunc(elapsedMs / 1000),
    percent_done: progress.bytesTotal ? Math.min(1, progress.bytesDone / progress.bytesTotal) : 0,
    ...(progress.total === null ? {} : { total_files: progress.total }),
    files_restored: progress.done,
    ...(progress.bytesTotal === null ? {} : { total_bytes: progress.bytesTotal }),
    bytes_restored: progress.bytesDone,
    error_count: progress.errors,
  };
}

/** restic's `summary` line; `files_verified` and `errors` are ours. */
export function restoreSummaryJson(summary: RestoreSummary, dryRun: boolean): object {
  return {
    message_type: "summary",
    ...(dryRun ? { dry_run: true } : {}),
    seconds_elapsed: Math.trunc(summary.durationMs / 1000),
    total_files: summary.filesTotal,
    files_restored: summary.filesRestored,
    files_skipped: summary.filesSkipped,
    files_deleted: summary.filesDeleted,
    total_bytes: summary.bytesTotal,
    bytes_restored: summary.bytesRestored,
    bytes_skipped: summary.bytesSkipped,
    files_verified: summary.filesVerified,
    errors: summary.errors,
  };
}

export function restoreSummaryLine(summary: RestoreSummary, dryRun: boolean): string {
  const restored = `${formatCount(summary.filesRestored, "entry", "entries")} (${formatBytes(summary.bytesRestored)}) in ${formatDuration(summary.durationMs)}`;
  const parts = [`${dryRun ? "would restore" : "restored"} ${restored}`];
  if (summary.filesSkipped > 0) parts.push(`${summary.filesSkipped} were there already (${formatBytes(summary.bytesSkipped)})`);
  if (summary.filesDeleted > 0) parts.push(`${summary.filesDeleted} ${dryRun ? "would be deleted" : "deleted"}`);
  if (summary.filesVerified > 0) parts.push(`${summary.filesVerified} files read again and found equal`);
  if (summary.errors > 0) parts.push(formatCount(summary.errors, "error"));
  return parts.join(", ");
}
