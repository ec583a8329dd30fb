// `holdfast repo diff`: shows what differs between two snapshots.

import { diff, findTree, HoldfastError, type DiffCounts, type DiffStatistics } from "@holdfast/repository";
import type { Command } from "commander";
import type { Context, Verb } from "../context.ts";
import { formatBytes, formatCount } from "../../display/amounts.ts";
import { printableName } from "../display/printable.ts";
import { exitCodes, type ExitCode } from "../../exit-codes.ts";
import { openSession } from "../session.ts";
import { loadSnapshots, namedSnapshot } from "../snapshot-options.ts";
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
    const { repository } = session;
    const known = await loadSnapshots(context, repository);
    const [left, right] = [namedSnapshot(context, known, leftName), namedSnapshot(context, known, rightName)];
    output.note(`comparing snapshot ${left.snapshot.id.slice(0, 8)} with ${right.snapshot.id.slice(0, 8)}:`);
    const before = await findTree(repository, left.snapshot.tree, left.subfolder);
    const after = await findTree(repository, right.snapshot.tree, right.subfolder);
    let damaged = 0;
    const report = (path: Buffer, error: HoldfastError): void => {
      damaged++;
      output.itemError(printableName(path), "compare", error);
    };
    const changes = diff(repository, before, after, { metadata: options.metadata ?? false, report });
    let step = await changes.next();
    for (; step.done !== true; step = await changes.next()) {
      session.signal.throwIfAborted();
      const { path, modifier } = step.value;
      if (output.json) output.jsonLine({ message_type: "change", path: path.toString("utf8"), modifier });
      else output.note(`${modifier.padEnd(5)}${printableName(path)}`);
    }
    if (output.json) output.jsonLine(diffSummaryJson(step.value, leftName, rightName));
    else for (const line of ["", ...diffSummaryLines(step.value)]) output.line(line);
    if (damaged === 0) return exitCodes.done;
    throw new HoldfastError("damaged", `${formatCount(damaged, "folder")} could not be read and compared`);
  },
};

/** restic's `statistics` line. */
export function diffSummaryJson(summary: DiffStatistics, left: string, right: string): object {
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

export function diffSummaryLines({ changedFiles, added, removed }: DiffStatistics): string[] {
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
