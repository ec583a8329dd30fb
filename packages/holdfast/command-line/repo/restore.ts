// `holdfast repo restore`: brings the files of a snapshot back into a folder.

import { HoldfastError, restore, startRestoreThreads, type PathRules, type RestoreRequest } from "@holdfast/repository";
import type { Command } from "commander";
import type { Context, Verb } from "../context.ts";
import { printableName } from "../display/printable.ts";
import { ProgressMonitor } from "../display/progress-monitor.ts";
import { exitCodes, type ExitCode } from "../../exit-codes.ts";
import { addPathRuleOptions, hasNoRules, pathRulesOf, type PathRuleOptions } from "../path-rule-options.ts";
import { reportRestoreEvent, restoreStatusJson, restoreSummaryJson, restoreSummaryLines } from "../restore-report.ts";
import { openSession } from "../session.ts";
import { addSnapshotOptions, oneSnapshot, type SnapshotOptions } from "../snapshot-options.ts";
import { requireWords } from "../words.ts";

interface RestoreOptions extends SnapshotOptions, PathRuleOptions {
  target?: string;
  overwrite: string;
  delete?: boolean;
  sparse?: boolean;
  verify?: boolean;
  dryRun?: boolean;
}

const overwriteModes = ["always", "if-changed", "if-newer", "never"] as const;

export const restoreVerb: Verb<RestoreOptions> = {
  describe(command: Command): void {
    command
      .description("Bring the files of a snapshot, or of a folder in it, back into a folder.")
      .requiredOption("-t, --target <folder>", "where to restore to; made when missing");
    addSnapshotOptions(command, "of `latest`");
    addPathRuleOptions(command, "leave out what matches", "restore only what matches");
    command
      .option("--overwrite <when>", `what to do with files that are there: ${overwriteModes.join(", ")}`, "always")
      .option("--delete", "remove what is in the target but not in the snapshot")
      .option("--sparse", "write long runs of zeros as holes")
      .option("--verify", "read everything again afterwards and compare")
      .option("-n, --dry-run", "write nothing, only tell what would be")
      .addHelpText(
        "after",
        "\nExamples:\n  $ holdfast repo restore latest --target /tmp/restored\n  $ holdfast repo restore latest:/etc --target /tmp/etc --verify\n" +
          "  $ holdfast repo restore 1a2b3c --target / --include /etc/fstab --overwrite if-changed\n",
      );
  },

  async run(context: Context, words: readonly string[], options: RestoreOptions): Promise<ExitCode> {
    requireWords(words, 1, 1, "the snapshot");
    const rules = pathRulesOf(options, context.environment);
    const choices = restoreChoices(options, rules);
    const { output } = context;
    // They load while the key is derived.
    await using threads = startRestoreThreads();
    await using session = await openSession(context, "shared");
    const { snapshot, subfolder } = await oneSnapshot(context, session.repository, words[0] as string, options);
    output.note(
      `restoring snapshot ${snapshot.id.slice(0, 8)} of ${snapshot.paths.map(printableName).join(", ")} to ${printableName(choices.target)}`,
    );
    using monitor = new ProgressMonitor(output, {
      clock: context.clock,
      framesPerSecond: context.globals.framesPerSecond,
      toJson: restoreStatusJson,
    });
    const request = {
      ...choices,
      snapshot,
      subfolder: subfolder.toString("utf8"),
      rules,
      threads,
      signal: session.signal,
    };
    const summary = await restore(session.repository, request, (event) => reportRestoreEvent(event, output, monitor));
    monitor[Symbol.dispose]();
    if (output.json) output.jsonLine(restoreSummaryJson(summary, choices.dryRun));
    else for (const line of restoreSummaryLines(summary, choices.dryRun)) output.note(line);
    if (summary.errors === 0) return exitCodes.done;
    throw new HoldfastError(
      "target",
      `${summary.errors} of the entries could not be restored whole; they are named above`,
      {
        hint: "see the messages above; what was restored without a message is whole",
      },
    );
  },
};

function restoreChoices(
  options: RestoreOptions,
  rules: PathRules,
): Omit<RestoreRequest, "snapshot" | "subfolder" | "rules" | "signal" | "target"> & { readonly target: string } {
  const refuse = (problem: string, hint: string): never => {
    throw new HoldfastError("usage", problem, { hint });
  };
  const overwrite = overwriteModes.find((mode) => mode === options.overwrite);
  const target = options.target ?? "";
  const hasRules = !hasNoRules(rules);
  if (target === "") refuse("the target is missing", "give a folder with --target");
  if (options.dryRun === true && options.verify === true)
    refuse("--dry-run and --verify were given together", "give one of them");
  if (options.delete === true && /^\/+$/.test(target) && !hasRules) {
    refuse(
      "--delete with the target / would remove everything that is not in the snapshot",
      "give --include or --exclude patterns too",
    );
  }
  return {
    target,
    overwrite:
      overwrite ??
      refuse(
        `--overwrite: ${JSON.stringify(options.overwrite)} is not known`,
        `give one of ${overwriteModes.join(", ")}`,
      ),
    delete: options.delete ?? false,
    sparse: options.sparse ?? false,
    verify: options.verify ?? false,
    dryRun: options.dryRun ?? false,
  };
}
