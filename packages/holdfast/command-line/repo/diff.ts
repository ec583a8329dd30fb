// `holdfast repo diff`: shows what differs between two snapshots.

import { diff, type DiffCounts, type DiffSummary } from "@holdfast/repository";
import type { Command } from "commander";
import type { Context, Verb } from "../context.ts";
import { formatBytes } from "../display/amounts.ts";
import { printableName } from "../display/printable.ts";
import { exitCodes, type ExitCode } from "../exit-codes.ts";
import { openSession } from "../session.ts";
import { chooseSnapshot, everySnapshot } from "../snapshot-filter.ts";
import { loadSnapshots } from "../snapshot-options.ts";
import { requireWords } from "../words.ts";

interface DiffOptions {
  metadata?: boolean;
}

export const diffVerb: Verb<DiffOptions> = {
  describe(command: Command): void {
    command
      .description("Show what differs between two snapshots, or between folders in them.")
      .option("--metadata", "show changes of mode, owner, times and the like too")
      .addHelpText(
        "after",
        "\nMarks: + added, - removed, M content changed, U only metadata changed, T type changed (a file became a link),\n" +
          "M? content changed while all metadata stayed: perhaps a failing disk.\n\nExamples:\n  $ holdfast repo diff 1a2b3c latest\n  $ holdfast repo diff 1a2b3c:/etc latest:/etc --metadata\n",
      );
  },

  async run(context: Context, words: readonly string[], options: DiffOptions): Promise<ExitCode> {
    requireWords(words, 2, 2, "two snapshots");
    const [leftName = "", rightName = ""] = words;
    const { output } = context;
    await using session = await openSession(context, "shared");
    const snapshots = await loadSnapshots(context, session.repository);
    const left = chooseSnapshot(snapshots, leftName, everySnapshot);
    const right = chooseSnapshot(snapshots, rightName, everySnapshot);
    output.note(`comparing snapshot ${left.snapshot.id.slice(0, 8)} with ${right.snapshot.id.slice(0, 8)}:`);
    const request = { left, right, metadata: options.metadata ?? false, signal: session.signal };
    const summary = await diff(session.repository, request, ({ path, modifier }) => {
      if (output.json) output.jsonLine({ message_type: "change", path: path.toString("utf8"), modifier });
      else output.note(`${modifier.padEnd(5)}${printableName(path)}`);
    });
    if (output.json) output.jsonLine(diffSummaryJson(summary, leftName, rightName));
    else for (const line of ["", ...diffSummaryLines(summary)]) output.line(line);
    return exitCodes.done;
  },
};

/** restic's `statistics` line. */
export function diffSummaryJson(summary: DiffSummary, left: string, right: string): object {
  const counts = ({ files, dirs, others, dataBlobs, treeBlobs, bytes }: DiffCounts): object => ({
    files,
    dirs,
    others,
    data_blobs: dataBlobs,
    tree_blobs: treeBlobs,
    bytes,
  });
  return {
    message_type: "statistics",
    source_snapshot: left,
    target_snapshot: right,
    changed_files: summary.changedFiles,
    added: counts(summary.added),
    removed: counts(summary.removed),
  };
}

export function diffSummaryLines({ changedFiles, added, removed }: DiffSummary): string[] {
  const both = (title: string, one: number, other: number): string =>
    `${title.padEnd(12)} ${String(one).padStart(5)} new, ${String(other).padStart(5)} removed`;
  return [
    `${both("Files:", added.files, removed.files)}, ${String(changedFiles).padStart(5)} changed`,
    both("Dirs:", added.dirs, removed.dirs),
    both("Others:", added.others, removed.others),
    both("Data blobs:", added.dataBlobs, removed.dataBlobs),
    both("Tree blobs:", added.treeBlobs, removed.treeBlobs),
    `  Added:   ${formatBytes(added.bytes)}`,
    `  Removed: ${formatBytes(removed.bytes)}`,
  ];
}
