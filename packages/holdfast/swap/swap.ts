// Puts restored copies in the place of the originals, all of them or none, and back again, whatever crash comes.
//
// The plan is in the journal before the first rename. First everything old makes way, then everything new comes in,
// each by one rename that overwrites nothing; after a crash the names alone say how far it was. As long as not all
// that is new is in its place, everything goes back; from then on the swap is only finished. All calls for a stack
// are made under its lock.
import { realpath } from "node:fs/promises";
import { HoldfastError } from "@holdfast/repository";
import { z } from "zod";
import { DurableRecords } from "../state/durable-records.ts";
import type { UnreadableRecord } from "../state/durable-records.ts";
import type { FileOperations } from "../state/file-operations.ts";
import { exists } from "../state/file-operations.ts";
import type { IntentHandle, Journal } from "../state/journal.ts";
import { failure } from "../state/system-failure.ts";
import type { Replacement } from "./prepare-swap.ts";
import { planReplace, planUndo, refuseImpossible } from "./prepare-swap.ts";
import { directoryOf, showPath } from "./raw-names.ts";
import { syncTree } from "./sync-tree.ts";
import type { Move, Place, Presence, SwapPlan } from "./swap-plan.ts";
import { isComplete, movesAside, movesBack, movesIn, placesOf, swapPlanJson } from "./swap-plan.ts";
import type { UndoRecords } from "./undo-records.ts";

export interface SwapContext {
  readonly journal: Journal;
  readonly undoRecords: UndoRecords;
  readonly files: FileOperations;
  readonly now: () => Date;
}

export interface SwapRequest {
  readonly stack: string;
  readonly replacements: readonly Replacement[];
  /** A time, for names: `20261121T151600Z`. */
  readonly label: string;
}

export interface Swapped {
  /** Where what stood at `path` is now; null when nothing stood there. */
  readonly moved: readonly { readonly path: Buffer; readonly aside: Buffer | null }[];
}

export interface Recovered {
  /** `finished`: the new data stands. `rolled back`: the old does, and the copies beside it. */
  readonly outcome: "finished" | "rolled back";
  readonly purpose: SwapPlan["purpose"];
  readonly places: readonly Place[];
}

const intentKind = "swap";

/**
 * Replaces all originals, or none. Throws `target`, `permission`, `not-found` or `no-space`; then the old data stands
 * where it stood, unless the message says otherwise.
 */
export async function swap(context: SwapContext, request: SwapRequest): Promise<Swapped> {
  const recordId = DurableRecords.newId(context.now());
  return carryOut(context, request.stack, await planReplace(recordId, request.replacements, request.label));
}

/** Takes the latest swap of the stack back. Throws `not-found` when there is none, or what it kept is gone. */
export async function undo(context: SwapContext, stack: string, label: string): Promise<Swapped> {
  const { records, unreadable } = await context.undoRecords.list(stack);
  const [bad] = unreadable;
  // It may be the latest: taking back an older one would mix them.
  if (bad !== undefined) throw bad.error;
  const latest = records.at(-1);
  if (latest === undefined) {
    throw new HoldfastError("not-found", `there is no restore of ${stack} that could be undone`, {
      hint: "only restores with --in-place on this host are kept for undo",
    });
  }
  return carryOut(context, stack, await planUndo(latest, label));
}

/** Finishes or takes back what a crash interrupted. Throws `target` when the names on the disk say nothing certain. */
export async function recover(
  context: SwapContext,
  stack: string,
): Promise<{ recovered: Recovered[]; unreadable: readonly UnreadableRecord[] }> {
  const { intents, unreadable } = await context.journal.pending();
  const recovered: Recovered[] = [];
  for (const intent of intents) {
    if (intent.kind !== intentKind || intent.stack !== stack) continue;
    const parsed = swapPlanJson.safeParse(intent.details);
    if (!parsed.success) {
      throw new HoldfastError(
        "damaged",
        `the journal's plan ${intent.id} of an interrupted swap of ${stack} is damaged`,
      );
    }
    const plan: SwapPlan = parsed.data;
    const places = placesOf(plan);
    const isDone = isComplete(await look(places));
    if (isDone) {
      await syncDirectories(context, places);
      await finish(context, stack, plan);
    } else {
      await rollBack(context, places);
      if (plan.purpose === "replace") await context.undoRecords.remove(plan.recordId);
    }
    await intent.done();
    recovered.push({ outcome: isDone ? "finished" : "rolled back", purpose: plan.purpose, places });
  }
  return { recovered, unreadable };
}

async function carryOut(context: SwapContext, stack: string, plan: SwapPlan): Promise<Swapped> {
  await refuseImpossible(plan, [await realpath(context.undoRecords.directory, { encoding: "buffer" })]);
  const places = placesOf(plan);
  if (plan.purpose === "replace") await syncCopies(context, places);
  const details = z.encode(swapPlanJson, { ...plan, replacing: [...plan.replacing] });
  const intent = await context.journal.record({ kind: intentKind, stack, details });
  try {
    await perform(context, movesAside(places));
    await syncDirectories(context, places);
    await perform(context, movesIn(places));
    await syncDirectories(context, places);
    if (plan.purpose === "replace") await finish(context, stack, plan);
  } catch (error) {
    throw await takeBack(context, plan, intent, error);
  }
  try {
    if (plan.purpose === "undo") await finish(context, stack, plan);
    await intent.done();
  } catch (error) {
    const failed = failure(error, "write that down");
    throw new HoldfastError(failed.code, `the data is replaced, but this could not be noted: ${failed.message}`, {
      hint: "remove the cause, then run any command on this stack: it notes it",
      cause: error,
    });
  }
  return { moved: places.map(({ path, aside }) => ({ path, aside })) };
}

/** After a failure without a crash. Returns what is to be thrown. */
async function takeBack(
  context: SwapContext,
  plan: SwapPlan,
  intent: IntentHandle,
  cause: unknown,
): Promise<HoldfastError> {
  const failed = failure(cause, "replace the data", "target");
  try {
    await rollBack(context, placesOf(plan));
    if (plan.purpose === "replace") await context.undoRecords.remove(plan.recordId);
    await intent.done();
    return failed;
  } catch (error) {
    const second = failure(error, "put it back", "target");
    return new HoldfastError(failed.code, `${failed.message}; and what had been moved is not back: ${second.message}`, {
      hint: "remove the cause, then run any command on this stack: it finishes putting the data back",
      cause: error,
    });
  }
}

async function finish({ undoRecords, now }: SwapContext, stack: string, plan: SwapPlan): Promise<void> {
  if (plan.purpose === "undo") await undoRecords.remove(plan.recordId);
  else await undoRecords.write({ id: plan.recordId, stack, swappedAt: now(), replaced: plan.replacing });
}

async function rollBack(context: SwapContext, places: readonly Place[]): Promise<void> {
  const moves = (await look(places)).map((place) => {
    const found = movesBack(place, place.present);
    if (found !== null) return found;
    throw new HoldfastError("target", `an interrupted swap left ${showPath(place.path)} in a state nobody can judge`, {
      hint:
        `what stood there before is ${showPath(place.aside ?? place.path)}` +
        (place.copy === null ? "" : `, the restored copy ${showPath(place.copy)}`) +
        ": move away what was created there meanwhile, and run the command again",
    });
  });
  await perform(
    context,
    moves.flatMap(({ out }) => out ?? []),
  );
  await syncDirectories(context, places);
  await perform(context, moves.flatMap(({ back }) => back ?? []).reverse());
  await syncDirectories(context, places);
}

function look(places: readonly Place[]): Promise<(Place & { present: Presence })[]> {
  const isThere = async (path: Buffer | null): Promise<boolean> => {
    if (path === null) return false;
    return exists(path).catch((error: unknown) => {
      throw failure(error, `look at ${showPath(path)}`, "target");
    });
  };
  return Promise.all(
    places.map(async (place) => {
      const [path, aside, copy] = await Promise.all([place.path, place.aside, place.copy].map(isThere));
      return { ...place, present: { path: path!, aside: aside!, copy: copy! } };
    }),
  );
}

async function perform({ files }: SwapContext, moves: readonly Move[]): Promise<void> {
  for (const { from, to } of moves) {
    try {
      await files.move(from, to);
    } catch (error) {
      throw failure(error, `rename ${showPath(from)} to ${showPath(to)}`, "target");
    }
  }
}

async function syncDirectories({ files }: SwapContext, places: readonly Place[]): Promise<void> {
  const directories = new Map(places.map(({ path }) => [directoryOf(path).toString("latin1"), directoryOf(path)]));
  for (const directory of directories.values()) {
    try {
      await files.sync(directory);
    } catch (error) {
      throw failure(error, `write ${showPath(directory)} to the disk`, "target");
    }
  }
}

/** A power cut after the swap must not leave a new name with nothing behind it. */
async function syncCopies({ files }: SwapContext, places: readonly Place[]): Promise<void> {
  for (const { copy } of places) {
    if (copy === null) continue;
    try {
      await syncTree(copy, files);
    } catch (error) {
      throw failure(error, `write ${showPath(copy)} to the disk`, "target");
    }
  }
}
