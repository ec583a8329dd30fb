// What the measurements come to: medians, ratios, bars, and whether each bar is met.
import type { Measurement } from "./measure.ts";
import type { ToolName } from "./tools.ts";

/** The runs of both tools, in the order they were made. */
export type Comparison = Readonly<Record<ToolName, readonly Measurement[]>>;

export type Unit = "s" | "ms" | "MiB" | "%";

export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** `ratio`: of Holdfast's median to restic's. `value`: of what Holdfast alone is held to. */
export interface Bar {
  readonly kind: "ratio" | "value";
  readonly limit: number;
}

export interface Row {
  readonly measure: string;
  readonly unit: Unit;
  readonly holdfast: Spread;
  readonly restic: Spread | null;
  readonly bar: Bar | null;
}

/** What one case is held to, as far as it is held to anything. */
export interface Bars {
  readonly wall?: number;
  readonly cpu?: number;
}

const mebibyte = 2 ** 20;
const memoryBaseBytes = 256 * mebibyte;
const memoryPerBlobBytes = 64;

/** Time, processor time and memory. `blobs`: how many the repository holds, which the bar on memory depends on. */
export function usualRows(comparison: Comparison, bars: Bars, blobs: number): Row[] {
  const limit = memoryLimitBytes(blobs) / mebibyte;
  return [
    compareRow("wall time", "s", comparison, (run) => run.wallMs / 1000, bars.wall),
    compareRow("CPU time", "s", comparison, (run) => run.cpuMs / 1000, bars.cpu),
    { ...compareRow("peak memory", "MiB", comparison, peakMebibytes), bar: { kind: "value", limit } },
  ];
}

/** Bytes that all processes together may have at their peak. */
export function memoryLimitBytes(blobs: number): number {
  return memoryBaseBytes + memoryPerBlobBytes * blobs;
}

export function sizeRow(holdfastBytes: number, resticBytes: number, limit: number | null): Row {
  return {
    measure: "repository",
    unit: "MiB",
    holdfast: spread([holdfastBytes / mebibyte]),
    restic: spread([resticBytes / mebibyte]),
    bar: limit === null ? null : { kind: "ratio", limit },
  };
}

/** How much more memory a larger backup takes: at most a tenth of what is allowed for the larger. */
export function memoryGrowthRow(smaller: Comparison, larger: Comparison, blobsOfLarger: number): Row {
  const peak = (runs: readonly Measurement[]): number => spread(runs.map(peakMebibytes)).most;
  const growth = (tool: ToolName): Spread => spread([peak(larger[tool]) - peak(smaller[tool])]);
  return {
    measure: "more memory than for 1.5 GiB",
    unit: "MiB",
    holdfast: growth("holdfast"),
    restic: growth("restic"),
    bar: { kind: "value", limit: (0.1 * memoryLimitBytes(blobsOfLarger)) / mebibyte },
  };
}

export function isMet(row: Row): boolean | null {
  if (row.bar === null) return null;
  if (row.bar.kind === "value") return row.holdfast.most <= row.bar.limit;
  const ratio = ratioOf(row);
  return ratio !== null && ratio <= row.bar.limit;
}

export function ratioOf(row: Row): number | null {
  return row.restic === null ? null : row.holdfast.median / row.restic.median;
}

/** With an even number of values the mean of the two in the middle. */
export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((left, right) => left - right);
  const at = (index: number): number => sorted[index] ?? Number.NaN;
  const middle = (sorted.length - 1) / 2;
  return {
    median: (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2,
    least: at(0),
    most: at(sorted.length - 1),
  };
}

function compareRow(
  measure: string,
  unit: Unit,
  comparison: Comparison,
  value: (run: Measurement) => number,
  limit?: number,
): Row {
  return {
    measure,
    unit,
    holdfast: spread(comparison.holdfast.map(value)),
    restic: spread(comparison.restic.map(value)),
    bar: limit === undefined ? null : { kind: "ratio", limit },
  };
}

function peakMebibytes(run: Measurement): number {
  return run.peakBytes / mebibyte;
}
