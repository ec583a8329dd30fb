// What a restore tells while it runs and at its end: lines for people, JSON for programs.

import type { RestoreEvent, RestoreSummary } from "@holdfast/repository";
import { formatBytes, formatCount, formatDuration } from "../display/amounts.ts";
import { printableName } from "./display/printable.ts";
import type { Progress } from "./display/progress-lines.ts";
import type { ProgressMonitor } from "./display/progress-monitor.ts";
import type { Output } from "./output.ts";

export function reportRestoreEvent(event: RestoreEvent, output: Output, monitor: ProgressMonitor): void {
  switch (event.kind) {
    case "progress":
      monitor.update({
        unit: "entries",
        done: event.filesDone,
        total: event.filesTotal,
        bytesDone: event.bytesDone,
        bytesTotal: event.bytesTotal,
        errors: event.errors,
        current: [],
      });
      break;
    case "item":
      reportItem(event, output);
      break;
    case "error":
      output.itemError(printableName(event.path), event.during, event.error);
      break;
    case "warning":
      output.warn(event.message);
      break;
  }
}

/** With -vv; removals with -v already. */
function reportItem({ action, path, sizeBytes }: Extract<RestoreEvent, { kind: "item" }>, output: Output): void {
  if (output.verbosity < (action === "deleted" ? 2 : 3)) return;
  if (output.json)
    output.jsonLine({ message_type: "verbose_status", action, item: path.toString("utf8"), size: sizeBytes });
  else output.line(`${action.padEnd(9)} ${printableName(path)} (${formatBytes(sizeBytes)})`);
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

/** Entries of all kinds. */
function totals({ files, dirs, others }: RestoreSummary): { written: number; left: number } {
  const all = [files, dirs, others];
  return {
    written: all.reduce((sum, { restored, updated }) => sum + restored + updated, 0),
    left: all.reduce((sum, { unchanged, skipped }) => sum + unchanged + skipped, 0),
  };
}

/** restic's `summary` line, whose files are entries of all kinds; the fields behind `bytes_skipped` are ours. */
export function restoreSummaryJson(summary: RestoreSummary, dryRun: boolean): object {
  const { written, left } = totals(summary);
  return {
    message_type: "summary",
    ...(dryRun ? { dry_run: true } : {}),
    seconds_elapsed: Math.trunc(summary.durationMs / 1000),
    total_files: written + left,
    files_restored: written,
    files_skipped: left,
    files_deleted: summary.deleted,
    total_bytes: summary.bytesRestored + summary.bytesSkipped,
    bytes_restored: summary.bytesRestored,
    bytes_skipped: summary.bytesSkipped,
    files: summary.files,
    dirs: summary.dirs,
    others: summary.others,
    files_verified: summary.filesVerified,
    owners_not_set: summary.ownersNotSet,
    sockets_skipped: summary.socketsSkipped,
    total_duration: summary.durationMs / 1000,
    errors: summary.errors,
  };
}

export function restoreSummaryLines(summary: RestoreSummary, dryRun: boolean): string[] {
  const { written, left } = totals(summary);
  const verb = dryRun ? "would restore" : "restored";
  const what = `${formatCount(written, "entry", "entries")} (${formatBytes(summary.bytesRestored)})`;
  const lines = [
    // A line that begins with "restored" is for a restore that is whole.
    summary.errors > 0
      ? `INCOMPLETE: ${summary.errors} could not be restored whole; ${what} were, in ${formatDuration(summary.durationMs)}`
      : `${verb} ${what} in ${formatDuration(summary.durationMs)}`,
  ];
  if (left > 0)
    lines.push(
      `${formatCount(left, "entry was", "entries were")} there already or left alone (${formatBytes(summary.bytesSkipped)})`,
    );
  if (summary.deleted > 0)
    lines.push(`${formatCount(summary.deleted, "entry", "entries")} ${dryRun ? "would be deleted" : "deleted"}`);
  if (summary.filesVerified > 0) lines.push(`${formatCount(summary.filesVerified, "file")} read again and found equal`);
  if (summary.ownersNotSet > 0)
    lines.push(
      `${formatCount(summary.ownersNotSet, "entry belongs", "entries belong")} to you: only root may give files away`,
    );
  if (summary.socketsSkipped > 0) lines.push(`${formatCount(summary.socketsSkipped, "socket")} left out`);
  return lines;
}
