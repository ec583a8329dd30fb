// What a check found: lines for people, JSON for programs.

import type { CheckEvent, CheckPhase, CheckReport, Finding } from "@holdfast/repository";
import { formatBytes, formatCount } from "../display/amounts.ts";
import { printableName, printableText } from "./display/printable.ts";
import type { Progress } from "./display/progress-lines.ts";

const words: Readonly<Record<Finding["severity"], string>> = { error: "error", rubbish: "leftover", hint: "note" };

/** The finding, and below it which snapshots and files are hurt. */
export function findingLines(finding: Finding): string[] {
  const lines = [`${words[finding.severity]}: ${printableText(finding.message)}`];
  const { snapshots = [], snapshotCount = snapshots.length, groups = [], paths = [], pathCount = 0 } = finding;
  if (snapshotCount > 0)
    lines.push(`  hurts ${formatCount(snapshotCount, "snapshot")}: ${shortIds(snapshots, snapshotCount)}`);
  for (const group of groups)
    lines.push(`  hurts the stack ${printableText(group.name)} in ${formatCount(group.snapshotCount, "snapshot")}`);
  lines.push(...paths.map((path) => `  ${printableName(path)}`));
  if (pathCount > paths.length) lines.push(`  and ${pathCount - paths.length} more`);
  return lines;
}

const snapshotsShown = 20;

/** The first of them, and how many there are beside. */
export function shortIds(ids: readonly string[], count = ids.length): string {
  const shown = ids.slice(0, snapshotsShown);
  const more = count > shown.length ? ` and ${count - shown.length} more` : "";
  return shown.map((id) => id.slice(0, 8)).join(", ") + more;
}

/** `error` as restic's, `finding` for what is none; both with all that is known. */
export function findingJson(finding: Finding): object {
  const {
    severity,
    kind,
    message,
    file,
    blobs = [],
    blobCount = 0,
    snapshots = [],
    snapshotCount = snapshots.length,
    groups = [],
    paths = [],
    pathCount = 0,
  } = finding;
  return {
    message_type: severity === "error" ? "error" : "finding",
    message,
    severity,
    kind,
    file,
    blobs,
    blob_count: blobCount,
    snapshots,
    snapshot_count: snapshotCount,
    stacks: groups.map((group) => ({
      stack: group.name,
      snapshots: group.snapshots,
      snapshot_count: group.snapshotCount,
      paths: group.paths.map((path) => path.toString("utf8")),
      path_count: group.pathCount,
    })),
    paths: paths.map((path) => path.toString("utf8")),
    path_count: pathCount,
  };
}

/** What is counted in each phase; `data` counts bytes. */
const units: Readonly<Record<CheckPhase, string | null>> = {
  files: "small files",
  index: "index files",
  packs: "packs",
  trees: "trees",
  data: null,
  impact: "snapshots",
};

/** `errors`: so many were found up to now. */
export function checkProgress(
  { phase, done, total }: Extract<CheckEvent, { kind: "progress" }>,
  errors: number,
): Progress {
  const isData = phase === "data";
  return {
    unit: units[phase],
    done: isData ? 0 : done,
    total: isData ? null : total,
    bytesDone: isData ? done : 0,
    bytesTotal: isData ? total : null,
    errors,
    current: [],
  };
}

export function checkStatusJson(progress: Progress, elapsedMs: number): object {
  const [done, total] =
    progress.unit === null ? [progress.bytesDone, progress.bytesTotal] : [progress.done, progress.total];
  return {
    message_type: "status",
    seconds_elapsed: Math.trunc(elapsedMs / 1000),
    checking: progress.unit ?? "data",
    percent_done: total ? Math.min(1, done / total) : 0,
    done,
    ...(total === null ? {} : { total }),
    error_count: progress.errors,
  };
}

/** restic's `summary` line, then ours. */
export function checkSummaryJson(report: CheckReport): object {
  const errors = report.findings.filter(({ severity }) => severity === "error");
  const packs = errors.filter(({ file }) => file?.type === "pack").map(({ file }) => file?.name);
  return {
    message_type: "summary",
    num_errors: errors.length,
    broken_packs: [...new Set(packs)],
    suggest_repair_index: report.findings.some(
      ({ kind }) => kind === "index-contradiction" || kind === "pack-indexed-twice",
    ),
    suggest_prune: report.verdict === "rubbish" || report.findings.some(({ kind }) => kind === "pack-mixed"),
    verdict: report.verdict,
    keys: report.keys,
    snapshots: report.snapshots,
    index_files: report.indexFiles,
    packs: report.packs,
    pack_bytes: report.packBytes,
    blobs: report.blobs,
    duplicate_blobs: report.duplicateBlobs,
    duplicate_bytes: report.duplicateBytes,
    mixed_packs: report.mixedPacks,
    trees: report.trees,
    unused_blobs: report.unused?.blobs ?? null,
    unused_bytes: report.unused?.sizeBytes ?? null,
    packs_read: report.packsRead,
    bytes_read: report.bytesRead,
  };
}

export function checkSummaryLines(report: CheckReport): string[] {
  const isPart = report.packsRead < report.packs;
  const packs = isPart ? ` of ${formatCount(report.packsRead, "pack")}` : "";
  const read = report.packsRead > 0 ? `, ${formatBytes(report.bytesRead)}${packs} read and compared` : "";
  const lines = [
    `checked ${formatCount(report.snapshots, "snapshot")}, ${formatCount(report.trees, "tree")}, ${formatCount(report.blobs, "blob")}, ${formatCount(report.packs, "pack")} (${formatBytes(report.packBytes)})${read}`,
  ];
  if (report.unused !== null && report.unused.blobs > 0)
    lines.push(
      `${formatCount(report.unused.blobs, "blob")} (${formatBytes(report.unused.sizeBytes)}) belong to no snapshot`,
    );
  if (report.duplicateBlobs > 0)
    lines.push(
      `${formatCount(report.duplicateBlobs, "further copy", "further copies")} of blobs (${formatBytes(report.duplicateBytes)})`,
    );
  if (report.mixedPacks > 0) lines.push(`${formatCount(report.mixedPacks, "pack")} with both data and trees`);
  if (report.verdict !== "damaged") lines.push(`no errors were found${notRead(report)}`);
  return lines;
}

function notRead({ packs, packsRead }: CheckReport): string {
  if (packsRead >= packs) return "";
  return packsRead === 0
    ? "; the contents of data were not read (see --read-data)"
    : `; ${formatCount(packs - packsRead, "pack")} not read`;
}
