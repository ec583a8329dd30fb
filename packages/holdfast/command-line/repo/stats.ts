// `holdfast repo stats`: counts files, blobs and bytes.

import {
  HoldfastError,
  sizeStatistics,
  stats,
  statsModes,
  type SizeStatistics,
  type StatsReport,
} from "@holdfast/repository";
import type { Command } from "commander";
import type { Context, Verb } from "../context.ts";
import { formatBytes } from "../../display/amounts.ts";
import { renderTable, type Column } from "../display/table.ts";
import { exitCodes, type ExitCode } from "../../exit-codes.ts";
import { openSession } from "../session.ts";
import { addSnapshotOptions, severalSnapshots, type SnapshotOptions } from "../snapshot-options.ts";

/** Counts files and blobs by their sizes, for people who look inside. */
const debugMode = "debug";

interface StatsOptions extends SnapshotOptions {
  mode: string;
}

export const statsVerb: Verb<StatsOptions> = {
  describe(command: Command): void {
    command.description("Count the files, blobs and bytes of snapshots: of all, or of those given.");
    addSnapshotOptions(command, "of the list");
    command
      .option("--mode <mode>", `what is counted: ${[...statsModes, debugMode].join(", ")}`, "restore-size")
      .addHelpText(
        "after",
        `
Modes:
  restore-size       the files as a restore would write them, each snapshot by itself
  files-by-contents  files of equal content once
  raw-data           the blobs as they lie in the repository
  blobs-per-file     the blobs of files of different content
  debug              the sizes of all files and blobs of the repository, whatever snapshots are given
`,
      );
  },

  async run(context: Context, words: readonly string[], options: StatsOptions): Promise<ExitCode> {
    const mode = statsModes.find((each) => each === options.mode);
    if (mode === undefined && options.mode !== debugMode)
      throw new HoldfastError("usage", `--mode: ${JSON.stringify(options.mode)} is not known`, {
        hint: `give one of ${[...statsModes, debugMode].join(", ")}`,
      });
    await using session = await openSession(context, "shared");
    if (mode === undefined) {
      const found = await sizeStatistics(session.repository);
      if (context.output.json) context.output.jsonLine(found.map(sizesJson));
      else for (const line of found.flatMap(sizesLines)) context.output.line(line);
      return exitCodes.done;
    }
    const snapshots = await severalSnapshots(context, session.repository, words, options);
    const report = await stats(session.repository, { mode, snapshots, signal: session.signal });
    if (context.output.json) context.output.jsonLine(statsJson(report));
    else for (const line of statsLines(report)) context.output.line(line);
    return exitCodes.done;
  },
};

/** restic's object. */
export function statsJson({ totalBytes, files, blobs, compression, snapshots }: StatsReport): object {
  return {
    total_size: totalBytes,
    ...(compression === null
      ? {}
      : {
          total_uncompressed_size: compression.uncompressedBytes,
          compression_ratio: compression.ratio,
          compression_progress: compression.progress,
          compression_space_saving: compression.spaceSaving,
        }),
    ...(files === null ? {} : { total_file_count: files }),
    ...(blobs === null ? {} : { total_blob_count: blobs }),
    snapshots_count: snapshots,
  };
}

export function statsLines({ mode, totalBytes, files, blobs, compression, snapshots }: StatsReport): string[] {
  const row = (title: string, value: string | number): string => `${title.padStart(24)}:  ${value}`;
  const lines = [`Stats in ${mode} mode:`, row("Snapshots processed", snapshots)];
  if (blobs !== null) lines.push(row("Total Blob Count", blobs));
  if (files !== null) lines.push(row("Total File Count", files));
  if (compression !== null) lines.push(row("Total Uncompressed Size", formatBytes(compression.uncompressedBytes)));
  lines.push(row("Total Size", formatBytes(totalBytes)));
  if (compression !== null) {
    lines.push(row("Compression Progress", `${compression.progress.toFixed(2)}%`));
    lines.push(row("Compression Ratio", `${compression.ratio.toFixed(2)}x`));
    lines.push(row("Compression Space Saving", `${compression.spaceSaving.toFixed(2)}%`));
  }
  return lines;
}

/** Ours: restic prints this mode for people only. */
export function sizesJson({ kind, type, count, totalBytes, classes, oversizedBytes }: SizeStatistics): object {
  const sizes = classes.map((each) => ({ from: each.fromBytes, to: each.toBytes, count: each.count }));
  return { kind, type, count, total_size: totalBytes, sizes, oversized: oversizedBytes };
}

/** restic's lines. */
export function sizesLines({ kind, type, count, totalBytes, classes, oversizedBytes }: SizeStatistics): string[] {
  const range = ({ fromBytes, toBytes }: SizeStatistics["classes"][number]): string => `${fromBytes} - ${toBytes} Byte`;
  const columns: Column<SizeStatistics["classes"][number]>[] = [
    { title: "Size", right: true, cell: range },
    { title: "Count", cell: (each) => String(each.count) },
  ];
  return [
    `${kind === "file" ? "File" : "Blob"} Type: ${type}`,
    `Count: ${count}`,
    `Total Size: ${formatBytes(totalBytes)}`,
    ...renderTable(columns, classes, []),
    ...(oversizedBytes.length > 0 ? [`Oversized: ${oversizedBytes.join(" ")}`] : []),
    "",
  ];
}
