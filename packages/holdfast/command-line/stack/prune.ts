// `holdfast prune`: removes the recovery points of stacks that their plans do not keep, and the data of them.
import type { Command } from "commander";
import type { ExitCode } from "../../exit-codes.ts";
import { pruneStacks } from "../../jobs/prune-stacks.ts";
import type { Context, Verb } from "../context.ts";
import { ProgressMonitor } from "../display/progress-monitor.ts";
import { pruneProgress, pruneStatusJson } from "../prune-report.ts";
import { worstExitCode } from "../../worst-exit-code.ts";
import { repositoryPruneJson, repositoryPruneLines, stackPruneJson, stackPruneLines } from "./prune-report.ts";
import { addStackOptions, addWaitOption, type StackOptions } from "./stack-options.ts";
import { Workspace } from "./workspace.ts";

interface PruneOptions extends StackOptions {
  dryRun?: boolean;
}

export const prune: Verb<PruneOptions> = {
  describe(command: Command): void {
    command.description("Remove the recovery points of stacks that their plans do not keep, and the data of them.");
    addStackOptions(command);
    addWaitOption(command);
    command
      .option("-n, --dry-run", "remove nothing, show of each recovery point what would be done and why")
      .addHelpText(
        "after",
        `
Without a name, all stacks. What \`keep\` of a plan says is done in the repository that it stands beside; a plan
without \`keep\` keeps everything. Whatever the rules say, these stay: the last good recovery point of each plan, the last
proven one, what is pinned or held, what cannot be read, and what others made. While something is wrong with a
stack (its last backup was not good, its last check or drill failed, recovery points have vanished), nothing of it is
removed, nor any data of its repository, and the exit code is 3. It may be interrupted at any moment; the next run finishes.

Examples:
  $ holdfast prune --dry-run
  $ holdfast prune mist --json
`,
      );
  },

  async run(context: Context, words: readonly string[], options: PruneOptions): Promise<ExitCode> {
    using workspace = await Workspace.open(context, options);
    const { configuration, job } = workspace;
    const { output } = context;
    const stacks =
      words.length > 0 ? [...new Set(words)].map((word) => workspace.stack(word)) : [...configuration.stacks.values()];
    const dryRun = options.dryRun ?? false;
    using monitor = new ProgressMonitor(output, {
      clock: context.clock,
      framesPerSecond: context.globals.framesPerSecond,
      toJson: pruneStatusJson,
    });
    const outcome = await pruneStacks(
      configuration,
      { stacks, dryRun, listener: (_repository, event) => monitor.update(pruneProgress(event)) },
      job,
    );
    monitor[Symbol.dispose]();
    for (const each of outcome.stacks) {
      if (output.json) output.jsonLine(stackPruneJson(each, dryRun));
      else
        for (const line of stackPruneLines(each, { dryRun, all: dryRun || output.verbosity >= 2 })) output.line(line);
    }
    for (const each of outcome.repositories) {
      if (output.json) output.jsonLine(repositoryPruneJson(each, dryRun));
      else if (each.statistics === null) repositoryPruneLines(each, dryRun).forEach((line) => output.line(line));
      else repositoryPruneLines(each, dryRun).forEach((line) => output.note(line));
    }
    const worst = worstExitCode(outcome.stacks.map(({ exitCode }) => exitCode));
    if (output.json) {
      output.jsonLine({ message_type: "summary", stacks: outcome.stacks.length, dry_run: dryRun, exit_code: worst });
    }
    return worst;
  },
};
