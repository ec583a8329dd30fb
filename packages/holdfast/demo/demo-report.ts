// What the demo says at the end: two short tables for people, one object for programs.

import { formatBytes } from "../display/amounts.ts";
import { renderTable } from "../command-line/display/table.ts";

export interface BackupRow {
  readonly name: string;
  /** Of the database, and of files that are new or touched. */
  readonly bytesRead: number;
  readonly bytesAdded: number;
  readonly bytesStored: number;
  readonly seconds: number;
  /** Transactions that others committed meanwhile, and the longest that one of them took. */
  readonly transactions: number;
  readonly longestMs: number;
}

export interface RecoveryRow {
  readonly name: string;
  readonly seconds: number;
  /** Rows that are there. */
  readonly rows: number;
  readonly files: number;
  readonly filesEqual: number;
  /** Everything that is not as it must be, in rows and files. */
  readonly problems: number;
}

export interface DemoReport {
  readonly backups: readonly BackupRow[];
  readonly recoveries: readonly RecoveryRow[];
  readonly proof: { readonly rtoMs: number; readonly rpoMs: number };
  /** Over all recoveries. */
  readonly problems: number;
  /** Null where there is no restic. */
  readonly resticVersion: string | null;
  readonly seconds: number;
}

export function reportLines({ backups, recoveries, proof }: DemoReport): string[] {
  return [
    ...renderTable<BackupRow>(
      [
        { title: "while written to", cell: ({ name }) => name },
        { title: "read", right: true, cell: ({ bytesRead }) => formatBytes(bytesRead) },
        { title: "new", right: true, cell: ({ bytesAdded }) => formatBytes(bytesAdded) },
        { title: "stored", right: true, cell: ({ bytesStored }) => formatBytes(bytesStored) },
        { title: "seconds", right: true, cell: ({ seconds }) => seconds.toFixed(1) },
        { title: "longest wait", right: true, cell: ({ longestMs }) => `${longestMs.toFixed(0)} ms` },
      ],
      backups,
      [],
    ),
    "",
    ...renderTable<RecoveryRow>(
      [
        { title: "what happened", cell: ({ name }) => name },
        { title: "seconds to recover", right: true, cell: ({ seconds }) => seconds.toFixed(1) },
        { title: "rows", right: true, cell: ({ rows }) => String(rows) },
        { title: "files equal", right: true, cell: ({ filesEqual, files }) => `${filesEqual} of ${files}` },
        { title: "as it was", right: true, cell: ({ problems }) => (problems === 0 ? "yes" : "NO") },
      ],
      recoveries,
      [proofLine(proof)],
    ),
  ];
}

export function proofLine({ rtoMs, rpoMs }: DemoReport["proof"]): string {
  return `proven by a drill: RTO ${(rtoMs / 1000).toFixed(1)} s, RPO ${(rpoMs / 1000).toFixed(1)} s`;
}

export function reportJson({ backups, recoveries, proof, problems, resticVersion, seconds }: DemoReport): object {
  return {
    message_type: "summary",
    problems,
    restic_version: resticVersion,
    total_duration: seconds,
    backups: backups.map(({ name, bytesRead, bytesAdded, bytesStored, seconds, transactions, longestMs }) => ({
      name,
      bytes_read: bytesRead,
      data_added: bytesAdded,
      data_added_packed: bytesStored,
      duration: seconds,
      transactions,
      longest_transaction: longestMs / 1000,
    })),
    recoveries: recoveries.map(({ name, seconds, rows, files, filesEqual, problems }) => ({
      name,
      duration: seconds,
      rows,
      files,
      files_equal: filesEqual,
      problems,
    })),
    proof: { rto: proof.rtoMs / 1000, rpo: proof.rpoMs / 1000 },
  };
}
