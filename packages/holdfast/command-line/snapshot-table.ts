// Snapshots as a table for people, and the title of a group of them.

import { parseTime, type GroupKey, type StoredSnapshot } from "@holdfast/repository";
import { formatBytes } from "../display/amounts.ts";
import { printableName } from "./display/printable.ts";
import type { Column } from "./display/table.ts";
import { formatTime } from "./values/times.ts";

/** `host a, paths /x, /y`; empty for no grouping. */
export function groupTitle(key: GroupKey): string {
  const parts: string[] = [];
  if (key.hostname !== "") parts.push(`host ${printableName(key.hostname)}`);
  if (key.tags !== null)
    parts.push(key.tags.length === 0 ? "no tags" : `tags ${key.tags.map(printableName).join(", ")}`);
  if (key.paths !== null) parts.push(`paths ${key.paths.map(printableName).join(", ")}`);
  return parts.join(", ");
}

/** Without paths when `compact`. */
export function snapshotColumns(members: readonly StoredSnapshot[], compact: boolean): Column<StoredSnapshot>[] {
  const columns: Column<StoredSnapshot>[] = [
    { title: "ID", cell: (snapshot) => snapshot.id.slice(0, 8) },
    { title: "Time", cell: (snapshot) => formatTime(new Date(Number(parseTime(snapshot.time) / 1_000_000n))) },
    { title: "Host", cell: (snapshot) => printableName(snapshot.hostname) },
    { title: "Tags", cell: (snapshot) => snapshot.tags.map(printableName).join(",") },
  ];
  if (!compact) columns.push({ title: "Paths", cell: (snapshot) => snapshot.paths.map(printableName).join("\n") });
  if (members.some((snapshot) => snapshot.summary !== null)) {
    columns.push({
      title: "Size",
      right: true,
      cell: (snapshot) => (snapshot.summary === null ? "" : formatBytes(snapshot.summary.totalBytesProcessed)),
    });
  }
  return columns;
}
