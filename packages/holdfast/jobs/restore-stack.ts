// The job that brings a recovery point back: beside the originals, into a directory, or in their place.
import { lstatSync } from "node:fs";
import { displayPath, HoldfastError, type RestoreEvent } from "@holdfast/repository";
import type { RestoreTarget } from "@holdfast/sources";
import { exitCodeOfOutcome } from "../exit-codes.ts";
import type { Manifest } from "../records/manifest.ts";
import { makeParents } from "../filesystem/missing-parents.ts";
import { requireFreeSpaceForAll } from "../restoring/free-space.ts";
import { exists } from "../state/file-operations.ts";
import { directoryOf } from "../swap/raw-names.ts";
import { swap } from "../swap/swap.ts";
import type { Chosen } from "./choose-snapshot.ts";
import type { JobContext } from "./job-context.ts";
import { recordCopies, swapContextOf } from "./recover-stack.ts";
import {
  describeDifferences,
  removeCopies,
  restorableSources,
  restoreSources,
  sizedPaths,
  sumOfSizes,
  type RestorableSource,
  type RestoredSource,
  type Wanted,
} from "./restored-sources.ts";
import { refuseUsed } from "./refuse-used.ts";
import { runJob } from "./run-job.ts";

/** `beside`: as `PATH.restored-TIME`. `directory`: below it, as `SOURCE/PATH`. */
export type RestorePlace =
  | { readonly kind: "beside" }
  | { readonly kind: "directory"; readonly path: string }
  | { readonly kind: "in-place" };

export interface StackRestore {
  /** Partial: it is all that the recovery point has, and that is not all of what was asked for. */
  readonly outcome: "good" | "partial";
  readonly restored: readonly RestoredSource[];
  /** What stood where a copy is now, and its new name; only in place. */
  readonly kept: readonly { readonly path: Buffer; readonly aside: Buffer | null }[];
  readonly sizeBytes: number;
  readonly durationMs: number;
}

/** Everything is restored and compared before anything that stands there is touched. */
export async function restoreStack(
  chosen: Chosen,
  wanted: Wanted,
  place: RestorePlace,
  context: JobContext,
  listener: (event: RestoreEvent) => void,
): Promise<StackRestore> {
  const startedMs = context.clock();
  const start = { operation: "restore", stack: chosen.stack, plan: null } as const;
  return runJob(start, context, async () => {
    const inner = { ...context, signal: chosen.session.signal };
    const point = { ...chosen, repository: chosen.session.repository };
    const sources = restorableSources(point, wanted, inner, listener);
    const paths = await sizedPaths(point, sources);
    const sizeBytes = sumOfSizes(paths);
    const label = timeLabel(context.now());
    const targetOf = targetsOf(place, label);
    const copies = paths.map(({ source, path }) => targetOf(source).place(path));
    if (place.kind === "in-place")
      await refuseUsed(
        paths.flatMap(({ source, path }) => [path, ...source.kind.companions(path)]),
        "restore in place; or restore beside, without --in-place",
      );
    for (const copy of copies) makeParents(copy);
    await refuseTaken(copies);
    await requireFreeSpaceForAll(paths.map((each, at) => ({ ...each, directory: directoryOf(copies[at]!) })));
    const intent = await recordCopies(context, chosen.stack, copies);
    let restored: RestoredSource[];
    let outcome: StackRestore["outcome"];
    let kept: StackRestore["kept"] = [];
    try {
      // Whatever throws has removed the copies.
      restored = await restoreSources(sources, targetOf, inner);
      await requireEqual(restored);
      outcome = outcomeOf(chosen.manifest, wanted, restored);
      if (place.kind === "in-place") kept = await replace(chosen.stack, restored, label, context);
    } finally {
      await intent.done();
    }
    const result = { outcome, restored, kept, sizeBytes, durationMs: context.clock() - startedMs };
    const counts = { sources: restored.length, paths: copies.length };
    return {
      result,
      report: {
        outcome,
        exitCode: exitCodeOfOutcome[outcome],
        snapshotIds: [chosen.snapshot.id],
        counts,
        bytes: sizeBytes,
        message: null,
      },
    };
  });
}

/** A file that was asked for by its name is there in full, or the restore has failed; a directory may lack something. */
function outcomeOf(
  { sources }: Manifest,
  wanted: Wanted,
  restored: readonly RestoredSource[],
): StackRestore["outcome"] {
  const holds = restored.filter(({ copies }) => copies.some(({ copy }) => lstatSync(copy).isDirectory()));
  const names =
    wanted.path === null ? (wanted.sources ?? Object.keys(sources)) : holds.map(({ source }) => source.name);
  const isWhole = (name: string): boolean => ["good", "skipped"].includes(sources[name]!.outcome);
  return names.every(isWhole) ? "good" : "partial";
}

async function requireEqual(restored: readonly RestoredSource[]): Promise<void> {
  if (restored.every(({ differences }) => differences.length === 0)) return;
  await removeCopies(restored);
  throw new HoldfastError(
    "damaged",
    `what was restored is not what was captured: ${describeDifferences(restored)}; it was removed again`,
    { hint: "choose another recovery point, and run `holdfast check --read-data`" },
  );
}

function targetsOf(place: RestorePlace, label: string): (source: RestorableSource) => RestoreTarget {
  const ending = Buffer.from(place.kind === "beside" ? `.restored-${label}` : `.restoring-${label}`);
  return ({ name }) => ({
    kind: "paths",
    place: (path) =>
      place.kind === "directory"
        ? Buffer.concat([Buffer.from(`${place.path}/${name}`), path])
        : Buffer.concat([path, ending]),
  });
}

/** Copies are removed when the restore fails or is interrupted, so what stood there before must never count as one. */
async function refuseTaken(copies: readonly Buffer[]): Promise<void> {
  for (const copy of copies) {
    if (!(await exists(copy))) continue;
    throw new HoldfastError("target", `${displayPath(copy)} exists already and is left as it is`, {
      hint: "restore to another place, or move what is there away",
      context: { path: displayPath(copy), errno: "EEXIST" },
    });
  }
}

async function replace(
  stack: string,
  restored: readonly RestoredSource[],
  label: string,
  context: JobContext,
): Promise<StackRestore["kept"]> {
  const replacements = restored.flatMap(({ source, copies }) =>
    copies.map(({ path, copy }) => ({ original: path, copy, companions: source.kind.companions(path) })),
  );
  try {
    const { moved } = await swap(swapContextOf(context), { stack, replacements, label });
    return moved.filter(({ aside }) => aside !== null);
  } catch (error) {
    await removeCopies(restored);
    throw error;
  }
}

/** `20261121T151600Z`, for names. */
export function timeLabel(time: Date): string {
  return time.toISOString().replaceAll(/[-:]|\.\d+/g, "");
}
