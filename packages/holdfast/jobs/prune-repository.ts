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
import { findHalts, type Halt } from "../retention/halts.ts";
import { planRetention, type RetentionPlan } from "../retention/retention-plan.ts";
import type { KnownPoint, RepositoryIdentity } from "../state/known-points.ts";
import type { JobContext } from "./job-context.ts";
import { readPoints, type RepositoryPoints } from "./recovery-points.ts";
import { noted } from "./run-job.ts";
import { pointsToKnow, vanishedPoints } from "./vanished-points.ts";

export interface RepositoryPruneRequest {
  /** Those that store in this repository. */
  readonly stacks: readonly StackConfiguration[];
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
  /** Of the data; null when it was left alone, because a stack is halted. */
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
  const { stacks, dryRun, listener } = request;
  await using session = await openConfigured(repository, context, { exclusive: !dryRun });
  const names = new Set(stacks.map(({ name }) => name));
  const read = await readPoints({ repository, session }, (stack) => names.has(stack), context.now());
  const identity = { id: session.repository.id, name: repository.name };
  const loss = "nobody can tell whether recovery points have vanished";
  const known = noted(context, () => context.state.knownPoints.list(identity), loss) ?? [];
  const plans = stacks.map((stack) => planOfStack(stack, repository, { read, known }, context));
  const removals = plans.flatMap(({ decisions }) =>
    decisions.flatMap(({ point, action }) => (action === "remove" ? [point.snapshot.id] : [])),
  );
  const survey = (without?: ReadonlySet<string>): Promise<PrunePlan> =>
    planPrune(session.repository, { without, signal: session.signal }, (event) => listener(repository, event));
  // Whoever cannot read what is to stay must not remove what could take its place.
  const first = await survey(new Set(removals));
  const isHalted = plans.some(({ halts }) => halts.length > 0);
  const statistics = isHalted ? null : first.decision.statistics;
  const result = { repository, plans, statistics };
  if (dryRun) return { ...result, removed: new Set(), failed: [] };
  const { removed, failed } = await forget(session, removals, { identity, known, read }, context);
  const hasChanged = (await forgetRecords(session, plans, context)) || removed.length > 0;
  if (!isHalted) {
    const plan = hasChanged ? await survey() : first;
    await applyPrune(session.repository, plan, (event) => listener(repository, event));
  }
  return { ...result, removed: new Set(removed), failed };
}

function planOfStack(
  stack: StackConfiguration,
  repository: RepositoryConfiguration,
  { read, known }: { readonly read: RepositoryPoints; readonly known: readonly KnownPoint[] },
  context: JobContext,
): RetentionPlan {
  const { hostname } = identityOfProcess();
  const now = context.now();
  const points = read.points.filter((point) => point.stack === stack.name);
  const { runs } = context.state;
  const ended = (operation: "backup" | "check") =>
    noted(context, () => runs.listRuns({ stack: stack.name, operation }), "what was done before is not known")?.find(
      ({ outcome }) => outcome !== "running",
    ) ?? null;
  const halts: Halt[] = findHalts({
    stack: stack.name,
    repository: repository.name,
    points: points.filter(({ snapshot }) => snapshot.hostname === hostname),
    lastBackup: ended("backup"),
    lastCheck: ended("check"),
    vanished: vanishedPoints(known, read.present).filter((point) => point.stack === stack.name),
    unreadable: [
      ...read.damagedSnapshots.map((id) => `the snapshot ${id.slice(0, 8)} cannot be read, and may be one of it`),
      ...read.recordProblems.map(({ message }) => `${message}: it may hold pins`),
    ],
    now,
  });
  return planRetention({ stack, repository: repository.name, points, hostname, halts, now, localZone: systemZone });
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

/** True when a record was stored anew: what it said of points that are gone is taken out. */
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
  for (const { stack } of plans) {
    const { record, problems } = await loadRecord(repository, stack);
    const additions = danglingEntries(record, present, context.now());
    if (problems.length > 0 || additions.proofs.length + additions.holds.length === 0) continue;
    const writer = { hostname, username, uid, gid, programVersion, mayWrite, signal };
    await saveRecord(repository, stack, additions, writer);
    hasChanged = true;
  }
  return hasChanged;
}
