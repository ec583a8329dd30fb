// `holdfast undo`: takes the latest restore in place of a stack back.
import { displayPath } from "@holdfast/repository";
import type { Command } from "commander";
import { exitCodes, type ExitCode } from "../../exit-codes.ts";
import { undoStack } from "../../jobs/undo-stack.ts";
import type { Context, Verb } from "../context.ts";
import { printableName } from "../display/printable.ts";
import { requireWords } from "../words.ts";
import { confirm } from "./confirmation.ts";
import { addStackOptions, addWaitOption, type StackOptions } from "./stack-options.ts";
import { Workspace } from "./workspace.ts";

interface UndoOptions extends StackOptions {
  yes?: boolean;
}

export const undoVerb: Verb<UndoOptions> = {
  describe(command: Command): void {
    command.description("Take the latest restore in place back: what stood there before comes back.");
    addStackOptions(command);
    addWaitOption(command);
    command.option("-y, --yes", "replace without asking");
    command.addHelpText("after", "\nWhat was restored is kept as PATH.undone-TIME.\n");
  },

  async run(context: Context, words: readonly string[], options: UndoOptions): Promise<ExitCode> {
    requireWords(words, 1, 1, "the stack");
    using workspace = await Workspace.open(context, options);
    const { name } = workspace.stack(words[0] as string);
    await confirm(context, `Take the latest restore of ${name} back? What stands there now is kept.`, options.yes);
    const { moved } = await undoStack(name, workspace.job);
    const { output } = context;
    if (output.json) {
      const paths = moved.map(({ path, aside }) => ({ path: displayPath(path), kept: aside && displayPath(aside) }));
      output.jsonLine({ message_type: "summary", stack: name, paths });
    }
    for (const { path, aside } of moved) {
      output.note(`  ${printableName(path)} is as it was before the restore`);
      if (aside !== null) output.note(`  what was restored is now ${printableName(aside)}`);
    }
    return exitCodes.done;
  },
};
