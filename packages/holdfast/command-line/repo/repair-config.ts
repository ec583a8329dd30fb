// `holdfast repo repair config`: makes a new config for a repository that lost its own.

import { applyRepairConfig, planRepairConfig } from "@holdfast/repository";
import { exitCodes, type ExitCode } from "../../exit-codes.ts";
import type { Context } from "../context.ts";
import { printableText } from "../display/printable.ts";
import { keepCopy } from "../kept-copy.ts";
import { askPassword, givenPassword } from "../password.ts";
import { openOptions, promptOf, storageOf } from "../session.ts";
import { requireWords } from "../words.ts";
import type { RepairOptions } from "./repair.ts";

export async function repairConfig(
  context: Context,
  words: readonly string[],
  options: RepairOptions,
): Promise<ExitCode> {
  requireWords(words, 0, 0, "");
  const { output } = context;
  const dryRun = options.dryRun ?? false;
  const storage = storageOf(context);
  await using _ = { [Symbol.asyncDispose]: () => storage.close() };
  const password =
    givenPassword(context.globals, context.environment) ?? (await askPassword(promptOf(context), context.globals));
  const plan = await planRepairConfig(openOptions(context, storage, password));
  const { state, config, evidence } = plan;
  if (!dryRun) await applyRepairConfig(storage, plan, (bytes) => keepCopy("config-damaged", bytes));
  if (output.json) {
    output.jsonLine({
      message_type: "summary",
      dry_run: dryRun,
      state,
      id: config.id,
      version: config.version,
    });
    return exitCodes.done;
  }
  if (state === "whole") {
    output.note("the config is whole: there is nothing to repair");
    return exitCodes.done;
  }
  const because = evidence === null ? "the repository holds no file that would tell" : `told by ${evidence}`;
  output.note(printableText(`the config is ${state}; version ${config.version} (${because})`));
  output.note(
    dryRun
      ? "a new config would be stored"
      : `new config stored: the repository now has the id ${config.id.slice(0, 10)}`,
  );
  if (state === "damaged" && !dryRun) output.note("the damaged one is in the current directory, as config-damaged");
  output.note(
    "Everything stored can be restored. Where files are cut into pieces is drawn anew: the next backup stores",
  );
  output.note("the content of files above 512 KiB once more, and `prune` removes what is needed no longer.");
  return exitCodes.done;
}
