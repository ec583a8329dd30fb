// `holdfast repo stats`: counts files, blobs and bytes.

import { HoldfastError, stats, type StatsSummary } from "@holdfast/repository";
import type { Command } from "commander";
import type { Context, Verb } from "../context.ts";
import { formatBytes } from "../display/amounts.ts";
import { exitCodes, type ExitCode } from "../exit-codes.ts";
import { openSession } from "../session.ts";
import { addSnapshotOptions, severalSnapshots, type SnapshotOptions } from "../snapshot-options.ts";

interface StatsOptions extends SnapshotOptions {
  mode: string;
}

const modes = ["restore-size", "files-by-contents", "raw-data", "blobs-per-file"] as const;

export const statsVerb: Verb<StatsOptions> = {
  describe(command: Command): void {
    command.description("Count the files, blobs and bytes of snapshots: of all, or of those given.");
    addSnapshotOptions(command, "of the list");
    command.option("--mode <mode>", `what is counted: ${modes.join(", ")}`, "restore-size").addHelpText(
      "after",
      `
Modes:
  restore-size       the files as a restore would write them, each snapshot by itself
  files-by-contents  files of equal content once
  raw-data           the blobs as they lie in the repository
  blobs-per-file     the blobs of files of different content
`,
    );
  },

  async run(context: Context, words: readonly string[], options: StatsOptions): Promise<ExitCode> {
    const mode = modes.find((each) => each === options.mode);
    if (mode === undefined) throw new HoldfastError("usage", `--mode: ${JSON.stringify(options.mode)} is not known`, { hint: `give one of ${modes.join(", ")}` });
    await using session = await openSession(context, "shared");
    const snapshots = await severalSnapshots(context, session.repository, words, options);
    const summary = await stats(session.repository, { mode, snapshots, signal: session.signal });
    if (context.output.json) context.output.jsonLine(statsJson(summary));
    else for (const line of statsLines(summary, mode)) context.output.line(line);
    return exitCodes.done;
  },
};

function compression(summary: StatsSummary): { ratio: number; progress: number; saving: number } | null {
  if (summary.uncompressedBytes === 0 || summary.compressedBlobsBytes === 0) return null;
  return {
    ratio: summary.compressedBlobsUncompressedBytes / summary.compressedBlobsBytes,
    progress: (100 * summary.compressedBlobsUncompressedBytes) / summary.uncompressedBytes,
    saving: 100 * (1 - summary.totalBytes / summary.uncompressedBytes),
  };
}

/** restic's object. */
export function statsJson(summary: StatsSummary): object {
  const compressed = compression(summary);
  return {
    total_size: summary.totalBytes,
    ...(summary.uncompressedBytes > 0 ? { total_uncompressed_size: summary.uncompressedBytes } : {}),
    ...(compressed === null
      ? {}
      : { compression_ratio: compressed.ratio, compression_progress: compressed.progress, compression_space_saving: compressed.saving }),
    ...(summary.files > 0 ? { total_file_count: summary.files } : {}),
    ...(summary.blobs > 0 ? { total_blob_count: summary.blobs } : {}),
    snapshots_count: summary.snapshots,
  };
}

export function statsLines(summary: StatsSummary, mode: string): string[] {
  const compressed = compression(summary);
  const row = (title: string, value: string | number): string => `${title.padStart(24)}:  ${value}`;
  return [
    `Stats in ${mode} mode:`,
    row("Snapshots processed", summary.snapshots),
    ...(summary.blobs > 0 ? [row("Total Blob Count", summary.blobs)] : []),
    ...(summary.files > 0 ? [row("Total File Count", summary.files)] : []),
    ...(summary.uncompressedBytes > 0 ? [row("Total Uncompressed Size", formatBytes(summary.uncompressedBytes))] : []),
    row("Total Size", formatBytes(summary.totalBytes)),
    ...(compressed === null
      ? []
      : [
          row("Compression Progress", `${compressed.progress.toFixed(2)}%`),
          row("Compression Ratio", `${compressed.ratio.toFixed(2)}x`),
          row("Compression Space Saving", `${compressed.saving.toFixed(2)}%`),
        ]),
  ];
}
