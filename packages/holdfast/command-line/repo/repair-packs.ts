// `holdfast repo repair packs`: saves what can be read of damaged packs, then removes them.

import {
  applyRepairPacks,
  findByPrefix,
  isId,
  planRepairPacks,
  type PackSalvage,
  type Repository,
  type RepairPacksPhase,
} from "@holdfast/repository";
import { formatCount } from "../../display/amounts.ts";
import { exitCodes, type ExitCode } from "../../exit-codes.ts";
import type { Context } from "../context.ts";
import { printableText } from "../display/printable.ts";
import { keepCopy } from "../kept-copy.ts";
import { openForRepair, RepairProgress } from "../repair-session.ts";
import { requireWords } from "../words.ts";
import type { RepairOptions } from "./repair.ts";

const units: Readonly<Record<RepairPacksPhase, string>> = {
  read: "packs read",
  copy: "packs copied to the current directory",
  salvage: "packs salvaged",
  replace: "old index files",
  remove: "packs removed",
};
/** Lost blobs that are named of one pack, for people; programs get all. */
const namedAtMost = 20;

export async function repairPacks(
  context: Context,
  words: readonly string[],
  options: RepairOptions,
): Promise<ExitCode> {
  requireWords(words, 1, Infinity, "the id of a pack");
  const dryRun = options.dryRun ?? false;
  const { output } = context;
  await using session = await openForRepair(context, dryRun);
  const { repository, signal, mayWrite } = session;
  using progress = new RepairProgress(context);
  const onProgress = (phase: RepairPacksPhase, done: number, total: number): void =>
    progress.update(units[phase], done, total);
  const plan = await planRepairPacks(repository, await idsOf(repository, words), { signal, onProgress });
  for (const salvage of plan.packs) {
    if (output.json) output.jsonLine(salvageJson(salvage));
    else for (const line of salvageLines(salvage)) output.line(line);
  }
  if (!dryRun) {
    const keep = (pack: string, bytes: Buffer): Promise<void> => keepCopy(`pack-${pack}`, bytes);
    await applyRepairPacks(repository, plan, { signal, mayWrite, onProgress, keep });
  }
  const lost = plan.packs.flatMap((pack) => pack.lost.filter(({ isElsewhere }) => !isElsewhere)).length;
  const exitCode = lost > 0 ? exitCodes.partial : exitCodes.done;
  if (output.json) {
    output.jsonLine({
      message_type: "summary",
      dry_run: dryRun,
      packs: plan.packs.length,
      blobs_saved: plan.packs.reduce((sum, { readable }) => sum + readable.length, 0),
      blobs_lost: lost,
    });
    return exitCode;
  }
  output.note(dryRun ? "nothing was changed" : "done: a copy of each pack file is in the current directory");
  if (lost > 0) {
    output.note(
      `${formatCount(lost, "blob")} ${dryRun ? "would be" : "were"} lost. A new backup of the same files may bring them back; after it run`,
    );
    output.note("  holdfast repo repair snapshots --forget");
    output.note("to take what is lost still out of all snapshots.");
  }
  return exitCode;
}

/** Whole ids, which the index may know of packs that are gone, or the beginnings of those that are there. */
async function idsOf(repository: Repository, words: readonly string[]): Promise<string[]> {
  if (words.every(isId)) return [...words];
  const there = (await Array.fromAsync(repository.storage.list("pack"))).map(({ name }) => name);
  return words.map((word) => (isId(word) ? word : findByPrefix(there, word, "pack")));
}

function salvageLines({ pack, sizeBytes, readable, lost }: PackSalvage): string[] {
  const count = formatCount(readable.length + lost.length, "blob");
  const gone = sizeBytes === null ? ", whose file is gone" : "";
  const lines = [`the pack ${pack}${gone}: ${readable.length} of ${count} can be read`];
  for (const { message, isElsewhere } of lost.slice(0, namedAtMost))
    lines.push(printableText(`  ${message}${isElsewhere ? "; another pack has it" : ""}`));
  if (lost.length > namedAtMost) lines.push(`  and ${lost.length - namedAtMost} more`);
  return lines;
}

function salvageJson({ pack, sizeBytes, readable, lost }: PackSalvage): object {
  return {
    message_type: "repair",
    kind: "pack",
    file: pack,
    size: sizeBytes,
    blobs_readable: readable.length,
    blobs_lost: lost.map(({ blob, message, isElsewhere }) => ({
      type: blob.type,
      id: blob.id,
      message,
      is_elsewhere: isElsewhere,
    })),
  };
}
