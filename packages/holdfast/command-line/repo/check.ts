// `holdfast repo check`: looks for damage.

import {
  check,
  choosePacks,
  HoldfastError,
  remediesOf,
  type CheckOptions as EngineOptions,
} from "@holdfast/repository";
import type { Command } from "commander";
import {
  checkProgress,
  checkStatusJson,
  checkSummaryJson,
  checkSummaryLines,
  findingJson,
  findingLines,
} from "../check-report.ts";
import type { Context, Verb } from "../context.ts";
import { formatCount } from "../../display/amounts.ts";
import { ProgressMonitor } from "../display/progress-monitor.ts";
import { exitCodes, type ExitCode } from "../../exit-codes.ts";
import { stackOf } from "../../records/tags.ts";
import { remedyLines } from "../remedy-lines.ts";
import { openSession } from "../session.ts";
import { chooseSnapshots, filterOfOptions } from "../snapshot-filter.ts";
import { addSnapshotOptions, type SnapshotOptions } from "../snapshot-options.ts";
import { parsePackSubset } from "../values/pack-subsets.ts";

interface CheckOptions extends SnapshotOptions {
  readData?: boolean;
  readDataSubset?: string;
}

export const checkVerb: Verb<CheckOptions> = {
  describe(command: Command): void {
    command
      .description(
        "Look for damage: in keys, snapshots, index, trees and the sizes of packs; in every byte on request.",
      )
      .option("--read-data", "read every pack and compare all that is in it")
      .option("--read-data-subset <subset>", "the same of some packs: part n/t, n% at random, or a size at random")
      .addHelpText(
        "after",
        "\nEverything is read from the repository itself, not from the cache. Leftovers of interrupted runs are\n" +
          "named and are no errors. With snapshots or filters, only these are walked, and only packs that they need\n" +
          "are read; all index files and the sizes of all packs are looked at all the same.\n\n" +
          "Examples:\n  $ holdfast repo check\n  $ holdfast repo check --read-data --json\n" +
          "  $ holdfast repo check --read-data-subset 3/7    # on the third day of seven\n" +
          "  $ holdfast repo check --read-data latest\n",
      );
    addSnapshotOptions(command, "of the list");
  },

  async run(context: Context, words: readonly string[], options: CheckOptions): Promise<ExitCode> {
    const { output } = context;
    const choice = choiceOf(options);
    await using session = await openSession(
      { ...context, globals: { ...context.globals, noCache: true } },
      "exclusive",
    );
    const includes = await includedSnapshots(context, session.repository, words, options);
    using monitor = new ProgressMonitor(output, {
      clock: context.clock,
      framesPerSecond: context.globals.framesPerSecond,
      toJson: checkStatusJson,
    });
    let errors = 0;
    const report = await check(
      session.repository,
      { ...choice, includes, groupOf: stackOf, signal: session.signal },
      (event) => {
        if (event.kind === "progress") return monitor.update(checkProgress(event, errors));
        const { finding } = event;
        if (finding.severity === "error") errors++;
        if (output.json) output.jsonLine(findingJson(finding));
        else for (const line of findingLines(finding)) output.line(line);
      },
    );
    monitor[Symbol.dispose]();
    if (output.json) output.jsonLine(checkSummaryJson(report));
    else for (const line of checkSummaryLines(report)) output.note(line);
    if (report.verdict !== "damaged") return exitCodes.done;
    if (!output.json) for (const line of remedyLines(remediesOf(report.findings))) output.note(line);
    throw new HoldfastError("damaged", `the repository is damaged: ${formatCount(errors, "error")}, named above`, {
      hint: "what is not named above can still be restored; docs/guide/damage.md tells what to do",
    });
  },
};

function choiceOf({ readData = false, readDataSubset }: CheckOptions): Pick<EngineOptions, "readData" | "choosePacks"> {
  if (readDataSubset === undefined) return { readData };
  if (readData) throw new HoldfastError("usage", "--read-data and --read-data-subset cannot be given together");
  const subset = parsePackSubset(readDataSubset, "--read-data-subset");
  return { readData: true, choosePacks: (packs) => choosePacks(packs, subset, Math.random) };
}

/** Undefined: all. A snapshot that cannot be read is found by the check itself. */
async function includedSnapshots(
  context: Context,
  repository: Parameters<typeof check>[0],
  words: readonly string[],
  options: SnapshotOptions,
): Promise<EngineOptions["includes"]> {
  const filter = filterOfOptions(options, context.globals.host);
  if (words.length + filter.hosts.length + filter.tags.length + filter.paths.length === 0) return undefined;
  const chosen = new Set(chooseSnapshots(await repository.loadSnapshots(), words, filter).map(({ id }) => id));
  if (chosen.size === 0) context.output.warn("no snapshot passes the filter: no tree is walked");
  return ({ id }) => chosen.has(id);
}
