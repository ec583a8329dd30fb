// `holdfast repo check`: looks for damage.

import { check, HoldfastError } from "@holdfast/repository";
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
import { openSession } from "../session.ts";
import { requireWords } from "../words.ts";

interface CheckOptions {
  readData?: boolean;
}

export const checkVerb: Verb<CheckOptions> = {
  describe(command: Command): void {
    command
      .description(
        "Look for damage: in keys, snapshots, index, trees and the sizes of packs; in every byte on request.",
      )
      .option("--read-data", "read every pack and compare all that is in it")
      .addHelpText(
        "after",
        "\nEverything is read from the repository itself, not from the cache. Leftovers of interrupted runs are\n" +
          "named and are no errors.\n\nExamples:\n  $ holdfast repo check\n  $ holdfast repo check --read-data --json\n",
      );
  },

  async run(context: Context, words: readonly string[], options: CheckOptions): Promise<ExitCode> {
    requireWords(words, 0, 0, "");
    const { output } = context;
    await using session = await openSession(
      { ...context, globals: { ...context.globals, noCache: true } },
      "exclusive",
    );
    using monitor = new ProgressMonitor(output, {
      clock: context.clock,
      framesPerSecond: context.globals.framesPerSecond,
      toJson: checkStatusJson,
    });
    let errors = 0;
    const report = await check(
      session.repository,
      { readData: options.readData ?? false, signal: session.signal },
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
    throw new HoldfastError("damaged", `the repository is damaged: ${formatCount(errors, "error")}, named above`, {
      hint: "what is not named above can still be restored; bring damaged files back from a copy of the repository",
    });
  },
};
