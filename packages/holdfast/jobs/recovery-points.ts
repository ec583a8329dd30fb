// The recovery points of stacks in the repositories that are open, with what is recorded about each.
import { HoldfastError, parseTime, type StoredSnapshot } from "@holdfast/repository";
import type { OpenRepository } from "../access/open-repositories.ts";
import type { RepositoryConfiguration } from "../configuration/configuration.ts";
import { loadManifest } from "../records/load-manifest.ts";
import type { Manifest } from "../records/manifest.ts";
import { loadRecord } from "../records/record-snapshot.ts";
import type { PresentSnapshots } from "./vanished-points.ts";
import { emptyRecord, livingRecord, type StackRecord } from "../records/stack-record.ts";
import { stackOf } from "../records/tags.ts";

export interface RecoveryPoint {
  readonly repository: RepositoryConfiguration;
  readonly stack: string;
  readonly snapshot: StoredSnapshot;
  readonly time: Date;
  /** Null when it cannot be read; `problem` says why. */
  readonly manifest: Manifest | null;
  readonly problem: HoldfastError | null;
  /** What is recorded of this one; without what was taken away, and without holds that have ended. */
  readonly record: StackRecord;
}

export interface RecordProblem {
  readonly stack: string;
  readonly error: HoldfastError;
}

export interface RepositoryPoints {
  /** The oldest first. */
  readonly points: readonly RecoveryPoint[];
  /** Snapshots that cannot be read: they may have been recovery points of any stack. */
  readonly damagedSnapshots: readonly string[];
  /** Records that could not be read: proofs, pins and holds may be missing. */
  readonly recordProblems: readonly RecordProblem[];
  /** Stacks that have recovery points here, wanted or not. */
  readonly stacks: ReadonlySet<string>;
  /** All snapshots, recovery points or not. */
  readonly present: PresentSnapshots;
}

/** Throws what concerns the whole repository; what is wrong with one recovery point stands beside it. */
export async function readPoints(
  { repository, session }: OpenRepository,
  isWanted: (stack: string) => boolean,
  now: Date,
): Promise<RepositoryPoints> {
  const { snapshots, damaged } = await session.repository.loadSnapshots();
  const damagedSnapshots = damaged.map(({ id }) => id);
  const stacks = new Set<string>();
  const points: RecoveryPoint[] = [];
  const records = new Map<string, StackRecord>();
  const recordProblems: RecordProblem[] = [];
  for (const snapshot of snapshots) {
    const stack = stackOf(snapshot);
    if (stack === null) continue;
    stacks.add(stack);
    if (!isWanted(stack)) continue;
    session.signal.throwIfAborted();
    if (!records.has(stack)) {
      const { record, problems } = await loadRecord(session.repository, stack);
      records.set(stack, withoutEndedHolds(livingRecord(record), now));
      // Damaged snapshots are in its list too, and named once above.
      const own = problems.filter(({ context }) => typeof context["snapshot"] === "string");
      recordProblems.push(...own.map((error) => ({ stack, error })));
    }
    points.push({
      repository,
      stack,
      snapshot,
      time: new Date(Number(parseTime(snapshot.time) / 1_000_000n)),
      ...(await manifestOf(session.repository, snapshot)),
      record: recordOfOne(records.get(stack) ?? emptyRecord, snapshot),
    });
  }
  return { points, damagedSnapshots, recordProblems, stacks, present: { snapshots, damaged: damagedSnapshots } };
}

/** The last drill that this recovery point has passed, or null. */
export function provenAt({ record }: RecoveryPoint): Date | null {
  const passed = record.proofs.findLast(({ result }) => result === "passed");
  return passed === undefined ? null : new Date(passed.at);
}

async function manifestOf(
  repository: OpenRepository["session"]["repository"],
  snapshot: StoredSnapshot,
): Promise<Pick<RecoveryPoint, "manifest" | "problem">> {
  try {
    return { manifest: await loadManifest(repository, snapshot), problem: null };
  } catch (error) {
    if (!(error instanceof HoldfastError) || (error.code !== "damaged" && error.code !== "unsupported")) throw error;
    return { manifest: null, problem: error };
  }
}

function withoutEndedHolds(record: StackRecord, now: Date): StackRecord {
  return { ...record, holds: record.holds.filter(({ until }) => until === null || Date.parse(until) > now.getTime()) };
}

/**
 * Also what was said of it before its tags were changed, or it was copied: then it has another id. A proof counts only
 * as long as the content is what was proven.
 */
function recordOfOne({ proofs, pins, holds }: StackRecord, { id, original, tree }: StoredSnapshot): StackRecord {
  const isOf = ({ snapshotId }: { readonly snapshotId: string }): boolean =>
    snapshotId === id || snapshotId === original;
  return {
    proofs: proofs.filter((proof) => isOf(proof) && (proof.tree ?? (proof.snapshotId === id ? tree : null)) === tree),
    pins: pins.filter(isOf),
    holds: holds.filter(isOf),
  };
}
