// What the demo says at the end: a short table for people, one object for programs.

import { formatBytes } from "../command-line/display/amounts.ts";
import { renderTable } from "../command-line/display/table.ts";
import type { Comparison } from "./compare-facts.ts";

export interface ReportRow {
  readonly name: string;
  /** Of a backup: bytes of the files that were read; of a restore: bytes that were written. Null: it did not say. */
  readonly bytesRead: number | null;
  /** Null for restores. */
  readonly bytesAdded: number | null;
  readonly bytesStored: number | null;
  readonly seconds: number;
  /** Null for backups. */
  readonly comparison: Comparison | null;
}

export interface DemoReport {
  readonly rows: readonly ReportRow[];
  /** Over all comparisons. */
  readonly differences: number;
  /** Null where there is no restic. */
  readonly resticVersion: string | null;
  readonly seconds: number;
}

export function reportLines(report: DemoReport): string[] {
  const amount = (sizeBytes: number | null): string => (sizeBytes === null ? "" : formatBytes(sizeBytes));
  return renderTable<ReportRow>(
    [
      { title: "", cell: ({ name }) => name },
      { title: "read", right: true, cell: ({ bytesRead }) => amount(bytesRead) },
      { title: "new", right: true, cell: ({ bytesAdded }) => amount(bytesAdded) },
      { title: "stored", right: true, cell: ({ bytesStored }) => amount(bytesStored) },
      { title: "seconds", right: true, cell: ({ seconds }) => seconds.toFixed(1) },
      {
        title: "files equal",
        right: true,
        cell: ({ comparison }) => (comparison === null ? "" : equalFiles(comparison)),
      },
    ],
    report.rows,
    [],
  );
}

function equalFiles({ filesEqual, files }: Comparison): string {
  return `${filesEqual} of ${files}`;
}

export function reportJson({ rows, differences, resticVersion, seconds }: DemoReport): object {
  return {
    message_type: "summary",
    differences,
    restic_version: resticVersion,
    total_duration: seconds,
    steps: rows.map(({ name, bytesRead, bytesAdded, bytesStored, seconds, comparison }) => ({
      name,
      bytes_read: bytesRead,
      data_added: bytesAdded,
      data_added_packed: bytesStored,
      duration: seconds,
      files: comparison?.files ?? null,
      files_equal: comparison?.filesEqual ?? null,
    })),
  };
}
