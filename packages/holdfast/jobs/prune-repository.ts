// Cleans up one repository for stacks: recovery points that no rule keeps, what is recorded of them, then their data.
import {
  applyPrune,
  forgetSnapshots,
  type HoldfastError,
  planPrune,
  systemZone,
  type PruneEvent,
  type PrunePlan,
  type PruneStatistics,
} from "@holdfast/repository";
import { openConfigured } from "../access/configured-repository.ts";
import { identityOfProcess } from "../access/identity.ts";
import type { Session } from "../access/session.ts";
import type { RepositoryConfiguration, StackConfiguration } from "../configuration/configuration.ts";
import { loadRecord, saveRecord } from "../records/record-snapshot.ts";
import { danglingEntries } from "../retention/dangling-entries.ts";
import { planRetention, type RetentionPlan } from "../retention/retention-plan.ts";
import type { KnownPoint, RepositoryIdentity } from "../state/known-points.ts";
import type { JobContext } from "./job-context.ts";
import { findSuspicions, type StackHalt } from "./prune-suspicions.ts";
import { readPoints, type RepositoryPoints } from "./recovery-points.ts";
import { noted } from "./run-job.ts";
import { pointsToKnow, vanishedPoints } from "./vanished-points.ts";

export interface RepositoryPruneRequest {
  /** Those that store in this repository, and are cleaned up. */
  readonly stacks: readonly StackConfiguration[];
  /** The names of all that store in it: what is removed of its data concerns each of them. */
  readonly sharers: readonly string[];
  /** Changes nothing, and tells what would be done. */
  readonly dryRun: boolean;
  readonly listener: (repository: RepositoryConfiguration, event: PruneEvent) => void;
}

export interface PrunedRepository {
  readonly repository: RepositoryConfiguration;
  /** One for each stack. */
  readonly plans: readonly RetentionPlan[];
  /** Snapshots that are gone now; with `dryRun` none. */
  readonly removed: ReadonlySet<string>;
  readonly failed: readonly { readonly id: string; readonly error: HoldfastError }[];
  /** Of all stacks in the repository: with any of them its data is left alone. */
  readonly halts: readonly StackHalt[];
  /** Of the data; null when it was left alone: a stack is halted, or the storage let nobody remove a snapshot. */
  readonly statistics: PruneStatistics | null;
}

/**
 * Nothing is removed before all that the snapshots need was found to be there: a repository that is damaged is thrown
 * as such. Ended at any moment, every point that is left is whole, and the next prune finishes. Throws what concerns
 * the whole repository.
 */
export async function pruneRepository(
  repository: RepositoryConfiguration,
  request: RepositoryPruneRequest,
  context: JobContext,
): Promise<PrunedRepository> {
  const { stacks, sharers, dryRun, listener } = request;
  await using session = await openConfigured(repository, context, { exclusive: !dryRun });
  const read = await readPoints({ repository, session }, (stack) => sharers.includes(stack), context.now());
  const { halts, known } = await findSuspicions({ repository, session }, sharers, read, context);
  const plans = stacks.map((stack) => planOfStack(stack, repository, { read, halts }, context));
  const removals = plans.flatMap(({ decisions }) =>
    decisions.flatMap(({ point, action }) => (action === "remove" ? [point.snapshot.id] : [])),
  );
  const survey = (without?: ReadonlySet<string>): Promise<PrunePlan> =>
    planPrune(session.repository, { without, signal: session.signal }, (event) => listener(repository, event));
  // Whoever cannot read what is to stay must not remove what could take its place.
  const first = await survey(new Set(removals));
  const statistics = halts.length > 0 ? null : first.decision.statistics;
  const result = { repository, plans, halts, statistics };
  if (dryRun) return { ...result, removed: new Set(), failed: [] };
  const identity = { id: session.repository.id, name: repository.name };
  const { removed, failed } = await forget(session, removals, { identity, known, read }, context);
  // Then nothing else can be removed either, and nothing is as it was surveyed.
  if (failed.length > 0 && removed.length === 0) return { ...result, statistics: null, removed: new Set(), failed };
  const hasChanged = (await forgetRecords(session, plans, context)) || removals.length > 0;
  if (halts.length > 0) return { ...result, removed: new Set(removed), failed };
  const plan = hasChanged ? await survey() : first;
  await applyPrune(session.repository, plan, (event) => listener(repository, event));
  return { ...result, statistics: plan.decision.statistics, removed: new Set(removed), failed };
}

function planOfStack(
  stack: StackConfiguration,
  repository: RepositoryConfiguration,
  { read, halts }: { readonly read: RepositoryPoints; readonly halts: readonly StackHalt[] },
  context: JobContext,
): RetentionPlan {
  return planRetention({
    stack,
    repository: repository.name,
    points: read.points.filter((point) => point.stack === stack.name),
    hostname: identityOfProcess().hostname,
    halts: halts.filter((halt) => halt.stack === stack.name).map(({ message, hint }) => ({ message, hint })),
    now: context.now(),
    localZone: systemZone,
  });
}

interface KnownHere {
  readonly identity: RepositoryIdentity;
  readonly known: readonly KnownPoint[];
  readonly read: RepositoryPoints;
}

/** This host does not miss them: that is noted before, for a prune may be killed in between. */
async function forget(
  { repository, signal }: Session,
  removals: readonly string[],
  { identity, known, read }: KnownHere,
  context: JobContext,
): ReturnType<typeof forgetSnapshots> {
  const { snapshots, damaged } = read.present;
  const going = new Set(removals);
  // One that was changed is known by its first form too: all that would vanish with these.
  const stay = { snapshots: snapshots.filter(({ id }) => !going.has(id)), damaged };
  const before = new Set(vanishedPoints(known, read.present));
  const missed = vanishedPoints(known, stay).filter((point) => !before.has(point));
  const ids = missed.map(({ snapshotId }) => snapshotId);
  const loss = "`holdfast check` will miss the recovery points that are removed";
  if (ids.length > 0) noted(context, () => context.state.knownPoints.forget(identity, ids), loss);
  const forgotten = await forgetSnapshots(repository, removals, { signal });
  const left = new Set(forgotten.failed.map(({ id }) => id));
  const back = pointsToKnow(snapshots.filter(({ id }) => left.has(id)));
  if (back.length > 0) noted(context, () => context.state.knownPoints.note(identity, back));
  return forgotten;
}

/** Of stacks that are not halted. True when a record was stored anew: without what it said of points that are gone. */
async function forgetRecords(
  { repository, mayWrite, signal }: Session,
  plans: readonly RetentionPlan[],
  context: JobContext,
): Promise<boolean> {
  const { snapshots } = await repository.loadSnapshots();
  const present = new Set(snapshots.flatMap(({ id, original }) => (original === null ? [id] : [id, original])));
  const { hostname, username, uid, gid } = identityOfProcess();
  const { programVersion } = context;
  let hasChanged = false;
  for (const { stack, halts } of plans) {
    // What has vanished may come back, and then its proofs count.
    if (halts.length > 0) continue;
    const { record, problems } = await loadRecord(repository, stack);
    const additions = danglingEntries(record, present, context.now());
    if (problems.length > 0 || additions.proofs.length + additions.holds.length === 0) continue;
    const writer = { hostname, username, uid, gid, programVersion, mayWrite, signal };
    await saveRecord(repository, stack, additions, writer);
    hasChanged = true;
  }
  return hasChanged;
}
