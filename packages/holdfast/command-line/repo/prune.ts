// `holdfast repo prune`: removes data that no snapshot needs.

import { HoldfastError } from "@holdfast/repository";
import type { Command } from "commander";
import { exitCodes, type ExitCode } from "../../exit-codes.ts";
import type { Context, Verb } from "../context.ts";
import { addPruneRuleOptions, pruneRulesOf, type PruneRuleOptions } from "../prune-options.ts";
import { runPrune } from "../run-prune.ts";
import { openSession } from "../session.ts";
import { requireWords } from "../words.ts";

interface PruneOptions extends PruneRuleOptions {
  dryRun?: boolean;
}

export const prune: Verb<PruneOptions> = {
  describe(command: Command): void {
    command.description("Remove data that no snapshot needs, as `forget` leaves it.");
    addPruneRuleOptions(command);
    command.option("-n, --dry-run", "change nothing, show what would be done").addHelpText(
      "after",
      `
What is needed is written anew before anything is removed: a prune may be interrupted at any moment, and the next one
finishes. It needs the repository alone (see --retry-lock). Where something is damaged, it removes nothing.

Examples:
  $ holdfast repo prune --dry-run -v
  $ holdfast repo prune --max-unused 0
  $ holdfast repo prune --max-repack-size 0       # little space is left: only whole packs go
`,
    );
  },

  async run(context: Context, words: readonly string[], options: PruneOptions): Promise<ExitCode> {
    requireWords(words, 0, 0, "");
    const rules = pruneRulesOf(options);
    const dryRun = options.dryRun ?? false;
    if (context.globals.noLock && !dryRun)
      throw new HoldfastError("usage", "--no-lock goes with --dry-run only", {
        hint: "leave --no-lock out: removing needs the repository alone",
      });
    await using session = await openSession(context, "exclusive", !dryRun);
    await runPrune(context, session, { rules, dryRun });
    return exitCodes.done;
  },
};
