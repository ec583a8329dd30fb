// What a prune will do or has done: restic's figures, as lines for people and JSON for programs.

import type { PruneDecision, PruneEvent, PrunePhase, PruneReport, PruneStatistics } from "@holdfast/repository";
import { formatBytes, formatCount, formatPercent } from "../display/amounts.ts";
import type { Progress } from "./display/progress-lines.ts";

/** What is counted in each phase. */
const units: Readonly<Record<PrunePhase, string>> = {
  snapshots: "snapshots",
  index: "index files",
  trees: "trees",
  repack: "packs repacked",
  "replace-index": "old index files removed",
  remove: "packs removed",
};

export function pruneProgress({ phase, done, total }: PruneEvent): Progress {
  return { unit: units[phase], done, total, bytesDone: 0, bytesTotal: null, errors: 0, current: [] };
}

export function pruneStatusJson({ unit, done, total }: Progress, elapsedMs: number): object {
  return {
    message_type: "status",
    seconds_elapsed: Math.trunc(elapsedMs / 1000),
    counting: unit,
    percent_done: total ? Math.min(1, done / total) : 0,
    done,
    ...(total === null ? {} : { total }),
  };
}

/** restic's object. */
export function pruneSummaryJson({ blobs, bytes, packs }: PruneStatistics): object {
  return {
    message_type: "summary",
    blobs: {
      used: blobs.used,
      duplicate: blobs.duplicate,
      unused: blobs.unused,
      total: blobs.total,
      repack: blobs.repack,
      repack_remove: blobs.repackRemove,
      remove: blobs.remove,
      remove_total: blobs.removeTotal,
      remaining: blobs.remaining,
    },
    bytes: {
      used: bytes.used,
      duplicate: bytes.duplicate,
      unused: bytes.unused,
      unreferenced: bytes.unreferenced,
      uncompressed: bytes.uncompressed,
      total: bytes.total,
      repack: bytes.repack,
      repack_remove: bytes.repackRemove,
      remove: bytes.remove,
      remove_total: bytes.removeTotal,
      remaining: bytes.remaining,
      remaining_unused: bytes.remainingUnused,
    },
    packfiles: {
      used: packs.used,
      unused: packs.unused,
      partly_used: packs.partlyUsed,
      unreferenced: packs.unreferenced,
      total: packs.total,
      keep: packs.keep,
      repack: packs.repack,
      remove: packs.remove,
      remove_total: packs.removeTotal,
    },
  };
}

/** The plan, before it is applied; `isDetailed` adds what is there now and what becomes of the packs. */
export function prunePlanLines({ statistics }: PruneDecision, isDetailed: boolean): string[] {
  const { bytes, blobs, packs } = statistics;
  const lines = isDetailed ? [...presentLines(statistics), ""] : [];
  lines.push(
    row("to repack", blobs.repack, bytes.repack),
    row("this removes", blobs.repackRemove, bytes.repackRemove),
    row("to delete", blobs.remove, bytes.remove + bytes.unreferenced),
    row("total prune", blobs.removeTotal, bytes.removeTotal),
  );
  if (bytes.uncompressed > 0) lines.push(bytesRow("not compressed", bytes.uncompressed));
  lines.push(
    row("remaining", blobs.remaining, bytes.remaining),
    `unused size after prune: ${formatBytes(bytes.remainingUnused)} (${shareOf(bytes.remainingUnused, bytes.remaining)} of remaining size)`,
  );
  if (!isDetailed) return lines;
  const packRow = (title: string, count: number): string => `${`${title}:`.padEnd(20)}${String(count).padStart(10)}`;
  return [
    ...lines,
    "",
    packRow("totally used packs", packs.used),
    packRow("partly used packs", packs.partlyUsed),
    packRow("unused packs", packs.unused),
    "",
    `${"to keep:".padEnd(14)}${String(packs.keep).padStart(10)} packs`,
    `${"to repack:".padEnd(14)}${String(packs.repack).padStart(10)} packs`,
    `${"to delete:".padEnd(14)}${String(packs.remove).padStart(10)} packs`,
    ...(packs.unreferenced > 0
      ? [`${"to delete:".padEnd(14)}${String(packs.unreferenced).padStart(10)} unreferenced packs`]
      : []),
  ];
}

function presentLines({ blobs, bytes }: PruneStatistics): string[] {
  return [
    row("used", blobs.used, bytes.used),
    ...(blobs.duplicate > 0 ? [row("duplicates", blobs.duplicate, bytes.duplicate)] : []),
    row("unused", blobs.unused, bytes.unused),
    ...(bytes.unreferenced > 0 ? [bytesRow("unreferenced", bytes.unreferenced)] : []),
    row("total", blobs.total, bytes.total),
    `unused size: ${shareOf(bytes.duplicate + bytes.unused, bytes.total)} of total size`,
  ];
}

/** Which packs, for those who ask twice for details. */
export function prunePackLines({ repack, remove, forget, unreferenced }: PruneDecision): string[] {
  return [
    ...repack.map(({ name, reason }) => `repack ${name} (${reason})`),
    ...remove.map((name) => `delete ${name}`),
    ...forget.map((name) => `forget ${name}, which is missing and not needed`),
    ...unreferenced.map((name) => `delete ${name}, which is in no index`),
  ];
}

export function pruneReportLine({ repacked, packsRemoved }: PruneReport): string {
  const kept =
    repacked.packs > 0 ? `, ${formatCount(repacked.packs, "new pack")} written (${formatBytes(repacked.bytes)})` : "";
  return `${formatCount(packsRemoved, "pack")} removed${kept}`;
}

function row(title: string, blobs: number, bytes: number): string {
  return `${`${title}:`.padEnd(14)}${String(blobs).padStart(10)} blobs / ${formatBytes(bytes)}`;
}

function bytesRow(title: string, bytes: number): string {
  return `${`${title}:`.padEnd(33)}${formatBytes(bytes)}`;
}

function shareOf(part: number, whole: number): string {
  return formatPercent(part, whole) || "0.00%";
}
