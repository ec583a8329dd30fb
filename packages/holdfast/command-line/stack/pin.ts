// `holdfast pin`: keeps a recovery point until the pin is taken away.
import { HoldfastError } from "@holdfast/repository";
import type { Command } from "commander";
import { exitCodes, type ExitCode } from "../../exit-codes.ts";
import { addPin, removePins } from "../../jobs/annotate-point.ts";
import { chooseSnapshot } from "../../jobs/choose-snapshot.ts";
import type { Context, Verb } from "../context.ts";
import { requireWords } from "../words.ts";
import { reportAnnotation } from "./annotation-report.ts";
import { tellChoice } from "./restore.ts";
import { addStackOptions, type StackOptions } from "./stack-options.ts";
import { Workspace } from "./workspace.ts";

interface PinOptions extends StackOptions {
  note?: string;
  remove?: boolean;
}

export const pin: Verb<PinOptions> = {
  describe(command: Command): void {
    command.description("Keep a recovery point, whatever the rules of its plan say, until the pin is removed.");
    addStackOptions(command);
    command
      .option("--note <text>", "why")
      .option("--remove", "take all its pins away")
      .addHelpText(
        "after",
        "\nPins are kept in the repository: every host that cleans it up sees them.\n\nExamples:\n  $ holdfast pin 44d9def0 --note 'before the upgrade'\n  $ holdfast pin mist\n  $ holdfast pin 44d9def0 --remove\n",
      );
  },

  async run(context: Context, words: readonly string[], options: PinOptions): Promise<ExitCode> {
    requireWords(words, 1, 1, "the recovery point");
    const removed = options.remove ?? false;
    if (removed && options.note !== undefined)
      throw new HoldfastError("usage", "--note and --remove exclude each other");
    using workspace = await Workspace.open(context, options);
    const chosen = await chooseSnapshot(workspace, words[0] as string);
    await using _session = chosen.session;
    tellChoice(chosen, context.output);
    const annotation = removed
      ? await removePins(chosen, workspace.job)
      : await addPin(chosen, options.note ?? "", workspace.job);
    reportAnnotation(chosen, annotation, { what: "pin", removed }, context.output);
    return exitCodes.done;
  },
};
