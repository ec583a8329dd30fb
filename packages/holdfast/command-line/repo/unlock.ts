// `holdfast repo unlock`: removes locks that dead processes left behind.

import { unlock } from "@holdfast/repository";
import type { Command } from "commander";
import type { Context, Verb } from "../context.ts";
import { formatCount } from "../../display/amounts.ts";
import { exitCodes, type ExitCode } from "../../exit-codes.ts";
import { openSession } from "../session.ts";
import { requireWords } from "../words.ts";

interface UnlockOptions {
  removeAll?: boolean;
}

export const unlockVerb: Verb<UnlockOptions> = {
  describe(command: Command): void {
    command
      .description("Remove locks whose process has ended, or that were not refreshed for half an hour.")
      .option(
        "--remove-all",
        "remove all locks, those of running processes too: only when you know that none is running",
      );
  },

  async run(context: Context, words: readonly string[], options: UnlockOptions): Promise<ExitCode> {
    requireWords(words, 0, 0, "");
    await using session = await openSession(context, "none");
    const removed = await unlock(session.repository, options.removeAll ?? false);
    if (context.output.json) context.output.jsonLine({ message_type: "summary", locks_removed: removed });
    else context.output.note(`${formatCount(removed, "lock")} removed`);
    return exitCodes.done;
  },
};
