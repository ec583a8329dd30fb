// `holdfast repo check`: looks for damage.

import { check, HoldfastError, type CheckEvent, type CheckSummary } from "@holdfast/repository";
import type { Command } from "commander";
import type { Context, Verb } from "../context.ts";
import { formatCount } from "../display/amounts.ts";
import { printableText } from "../display/printable.ts";
import { ProgressMonitor } from "../display/progress-monitor.ts";
import type { Progress } from "../display/progress-lines.ts";
import { exitCodes, type ExitCode } from "../exit-codes.ts";
import type { Output } from "../output.ts";
import { parseReadData } from "../read-data.ts";
import { openSession } from "../session.ts";
import { addSnapshotOptions, severalSnapshots, type SnapshotOptions } from "../snapshot-options.ts";

interface CheckOptions extends SnapshotOptions {
  readData?: boolean;
  readDataSubset?: string;
  withCache?: boolean;
}

export const checkVerb: Verb<CheckOptions> = {
  describe(command: Command): void {
    command.description("Look for damage: in the index, in snapshots and their trees, and in the packs on request.");
    addSnapshotOptions(command, "of the list");
    command
      .option("--read-data", "read every pack and compare all that is in it")
      .option("--read-data-subset <part>", "read a part: 1/5 (the first of five), 2.5% or 10G (chosen by chance)")
      .option("--with-cache", "believe the local cache; otherwise everything is read from the repository")
      .addHelpText("after", "\nExamples:\n  $ holdfast repo check\n  $ holdfast repo check --read-data\n  $ holdfast repo check --read-data-subset $(date +%u)/7\n");
  },

  async run(context: Context, words: readonly string[], options: CheckOptions): Promise<ExitCode> {
    const readData = parseReadData(options.readData ?? false, options.readDataSubset);
    const globals = options.withCache === true ? context.globals : { ...context.globals, noCache: true };
    const { output } = context;
    await using session = await openSession({ ...context, globals }, "exclusive");
    const filtered = words.length + (options.host?.length ?? 0) + (options.tag?.length ?? 0) + (options.path?.length ?? 0) > 0;
    const snapshotIds = filtered ? (await severalSnapshots(context, session.repository, words, options)).map(({ id }) => id) : null;
    using monitor = new ProgressMonitor(output, { clock: context.clock, unit: "packs", framesPerSecond: context.globals.framesPerSecond, toJson: checkStatusJson });
    const request = { readData, snapshotIds, random: Math.random, signal: session.signal };
    const summary = await check(session.repository, request, (event) => reportCheckEvent(event, output, monitor));
    monitor[Symbol.dispose]();
    if (output.json) output.jsonLine(checkSummaryJson(summary));
    if (summary.errors === 0) {
      output.note("no errors were found");
      return exitCodes.done;
    }
    throw new HoldfastError("damaged", `the repository is damaged: ${formatCount(summary.errors, "error")}, named above`, {
      hint: "what is not named above can still be restored; bring damaged files back from a copy of the repository",
    });
  },
};

function reportCheckEvent(event: CheckEvent, output: Output, monitor: ProgressMonitor): void {
  switch (event.kind) {
    case "stage":
      output.note(event.name);
      break;
    case "progress":
      monitor.update({ done: event.done, total: event.total, bytesDone: event.bytesDone, bytesTotal: event.bytesTotal, errors: event.errors, current: [] });
      break;
    case "error":
      output.itemError(printableText(event.item), "check", event.error);
      break;
    case "note":
      output.note(printableText(event.message));
      break;
  }
}

function checkStatusJson(progress: Progress, elapsedMs: number): object {
  return {
    message_type: "status",
    seconds_elapsed: Math.trunc(elapsedMs / 1000),
    percent_done: progress.total ? progress.done / progress.total : 0,
    total_packs: progress.total ?? 0,
    packs_done: progress.done,
    error_count: progress.errors,
  };
}

/** restic's `summary` line. */
export function checkSummaryJson(summary: CheckSummary): object {
  return {
    message_type: "summary",
    num_errors: summary.errors,
    broken_packs: summary.brokenPacks,
    suggest_repair_index: summary.suggestRepairIndex,
    suggest_prune: summary.suggestPrune,
  };
}
