// `holdfast repo repair index`: makes the index fit the packs.

import { applyRepairIndex, planRepairIndex, type RepairIndexPhase, type RepairIndexPlan } from "@holdfast/repository";
import type { Session } from "../../access/session.ts";
import { formatCount } from "../../display/amounts.ts";
import { exitCodes, type ExitCode } from "../../exit-codes.ts";
import type { Context } from "../context.ts";
import { printableText } from "../display/printable.ts";
import { keepCopy } from "../kept-copy.ts";
import { openForRepair, RepairProgress } from "../repair-session.ts";
import { requireWords } from "../words.ts";
import type { RepairOptions } from "./repair.ts";

const units: Readonly<Record<RepairIndexPhase, string>> = {
  index: "index files",
  headers: "pack headers",
  replace: "old index files",
};

export async function repairIndex(
  context: Context,
  words: readonly string[],
  options: RepairOptions,
): Promise<ExitCode> {
  requireWords(words, 0, 0, "");
  const dryRun = options.dryRun ?? false;
  await using session = await openForRepair(context, dryRun);
  const plan = await repairIndexOf(context, session, { dryRun, readAllPacks: options.readAllPacks ?? false });
  const { output } = context;
  if (output.json) {
    output.jsonLine({
      message_type: "summary",
      dry_run: dryRun,
      is_needed: plan.isNeeded,
      index_files_damaged: plan.damagedIndexes.length,
      index_files_replaced: plan.isNeeded ? plan.oldIndexes.length : 0,
      packs_changed: plan.packs.length,
      packs_damaged: damagedPacks(plan),
      pack_headers_read: plan.headersRead,
    });
    return exitCodeOf(plan);
  }
  if (!plan.isNeeded) output.note("the index fits the packs: there is nothing to repair");
  else output.note(dryRun ? "the index would be written anew" : "done: the index fits the packs");
  if (plan.damagedIndexes.length > 0 && !dryRun)
    output.note("the index files that could not be read are in the current directory, as index-ID");
  const damaged = damagedPacks(plan);
  if (damaged.length > 0) {
    output.note(`${formatCount(damaged.length, "pack")} cannot be read as a whole. To save what is readable, run`);
    output.note(`  holdfast repo repair packs ${damaged.join(" ")}`);
  }
  return exitCodeOf(plan);
}

/** Plans, says what was found, and unless `dryRun` does it. Shared with `recover`, which needs a whole index. */
export async function repairIndexOf(
  context: Context,
  session: Session,
  options: { readonly dryRun: boolean; readonly readAllPacks: boolean },
): Promise<RepairIndexPlan> {
  const { output } = context;
  const { repository, signal, mayWrite } = session;
  using progress = new RepairProgress(context);
  const onProgress = (phase: RepairIndexPhase, done: number, total: number | null): void =>
    progress.update(units[phase], done, total);
  const plan = await planRepairIndex(repository, { readAllPacks: options.readAllPacks, signal, onProgress });
  for (const { name, message } of plan.damagedIndexes) {
    if (output.json) output.jsonLine({ message_type: "repair", kind: "index-damaged", file: name, message });
    else output.line(printableText(`${message}; it is replaced by what the packs say`));
  }
  for (const { pack, kind, message } of plan.packs) {
    if (output.json) output.jsonLine({ message_type: "repair", kind: `pack-${kind}`, file: pack, message });
    else output.line(printableText(message));
  }
  if (plan.isNeeded && !options.dryRun) {
    const keep = (index: string, bytes: Buffer): Promise<void> => keepCopy(`index-${index}`, bytes);
    await applyRepairIndex(repository, plan, { signal, mayWrite, onProgress, keep });
  }
  return plan;
}

/** What is left for `repair packs` is no failure of this repair, and not done either. */
function exitCodeOf(plan: RepairIndexPlan): ExitCode {
  return damagedPacks(plan).length > 0 ? exitCodes.partial : exitCodes.done;
}

function damagedPacks({ packs }: RepairIndexPlan): string[] {
  return packs.filter(({ kind }) => kind === "damaged" || kind === "unreadable").map(({ pack }) => pack);
}
