// What the live display says: from the state of an operation to lines. Pure, so that it can be tested.

import { formatBytes, formatCount, formatDuration, formatPercent } from "../../display/amounts.ts";
import { printableName } from "./printable.ts";
import { fit } from "./width.ts";

/** A total is null as long as it is not known. */
export interface Progress {
  /** "files", "trees", … what is counted; null where only bytes are. */
  readonly unit: string | null;
  readonly done: number;
  readonly total: number | null;
  readonly bytesDone: number;
  readonly bytesTotal: number | null;
  readonly errors: number;
  readonly current: readonly string[];
}

const shownNames = 3;

/** One line of figures, then the names under work; no line is wider than `columns` cells. */
export function progressLines(
  progress: Progress,
  elapsedMs: number,
  remainingMs: number | null,
  bytesPerSecond: number,
  columns: number,
): string[] {
  const names = progress.current.slice(0, shownNames).map((name) => fit(`  ${printableName(name)}`, columns));
  return [fit(progressLine(progress, elapsedMs, remainingMs, bytesPerSecond), columns), ...names];
}

/** `[0:12] 42.10%  812 of 2000 files, 1.2 GiB of 3.4 GiB, 98.000 MiB/s, 0:21 left, 1 error` */
export function progressLine(
  progress: Progress,
  elapsedMs: number,
  remainingMs: number | null,
  bytesPerSecond: number,
): string {
  const share = formatPercent(progress.bytesDone, progress.bytesTotal);
  const counted = progress.total === null ? `${progress.done}` : `${progress.done} of ${progress.total}`;
  const bytes = formatBytes(progress.bytesDone);
  const parts: string[] = [];
  if (progress.unit !== null) parts.push(`${counted} ${progress.unit}`);
  if (progress.bytesTotal !== null) parts.push(`${bytes} of ${formatBytes(progress.bytesTotal)}`);
  else if (progress.bytesDone > 0) parts.push(bytes);
  if (bytesPerSecond > 0) parts.push(`${formatBytes(bytesPerSecond)}/s`);
  if (remainingMs !== null) parts.push(`${formatDuration(remainingMs)} left`);
  if (progress.errors > 0) parts.push(formatCount(progress.errors, "error"));
  return `[${formatDuration(elapsedMs)}] ${share === "" ? "" : `${share}  `}${parts.join(", ")}`;
}
