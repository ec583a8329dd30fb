// `holdfast hold`: keeps a recovery point until a day, or until the hold is lifted.
import { HoldfastError } from "@holdfast/repository";
import type { Command } from "commander";
import { exitCodes, type ExitCode } from "../../exit-codes.ts";
import { addHold, removeHolds } from "../../jobs/annotate-point.ts";
import { chooseSnapshot } from "../../jobs/choose-snapshot.ts";
import type { Context, Verb } from "../context.ts";
import { parseTimeNs } from "../values/times.ts";
import { requireWords } from "../words.ts";
import { reportAnnotation } from "./annotation-report.ts";
import { tellChoice } from "./restore.ts";
import { addStackOptions, type StackOptions } from "./stack-options.ts";
import { Workspace } from "./workspace.ts";

interface HoldOptions extends StackOptions {
  until?: string;
  note?: string;
  remove?: boolean;
}

export const hold: Verb<HoldOptions> = {
  describe(command: Command): void {
    command.description(
      "Keep a recovery point from being removed by anybody, until a day or until the hold is lifted.",
    );
    addStackOptions(command);
    command
      .option("--until <date>", "the last day, like 2027-01-31, or a time (default: until it is lifted)")
      .option("--note <text>", "why")
      .option("--remove", "lift all its holds")
      .addHelpText(
        "after",
        "\nHolds are kept in the repository: every host that cleans it up sees them.\n\nExamples:\n  $ holdfast hold 44d9def0 --until 2027-01-31 --note 'case 1234'\n  $ holdfast hold 44d9def0 --remove\n",
      );
  },

  async run(context: Context, words: readonly string[], options: HoldOptions): Promise<ExitCode> {
    requireWords(words, 1, 1, "the recovery point");
    const removed = options.remove ?? false;
    if (removed && (options.note !== undefined || options.until !== undefined)) {
      throw new HoldfastError("usage", "--remove excludes --note and --until");
    }
    const until = options.until === undefined ? null : parseUntil(options.until, context.now());
    using workspace = await Workspace.open(context, options);
    const chosen = await chooseSnapshot(workspace, words[0] as string);
    await using _session = chosen.session;
    tellChoice(chosen, context.output);
    const annotation = removed
      ? await removeHolds(chosen, workspace.job)
      : await addHold(chosen, { note: options.note ?? "", until }, workspace.job);
    reportAnnotation(chosen, annotation, { what: "hold", removed }, context.output);
    return exitCodes.done;
  },
};

/** A day counts to its end, in the local zone. */
function parseUntil(text: string, now: Date): Date {
  const isDay = /^\d{4}-\d\d-\d\d$/.test(text);
  const until = new Date(Number(parseTimeNs(isDay ? `${text} 23:59:59` : text, "--until") / 1_000_000n));
  if (until > now) return until;
  throw new HoldfastError("usage", `--until: ${text} is over already`, { hint: "name a day in the future" });
}
