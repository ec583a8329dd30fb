// What makes the stacks of a repository suspicious: gathered from its files, and from what this host remembers of it.
import { identityOfProcess } from "../access/identity.ts";
import type { OpenRepository } from "../access/open-repositories.ts";
import { findHalts, tellingRun, type Halt } from "../retention/halts.ts";
import type { KnownPoint, RepositoryIdentity } from "../state/known-points.ts";
import type { Run } from "../state/runs.ts";
import type { JobContext } from "./job-context.ts";
import type { RepositoryPoints } from "./recovery-points.ts";
import { noted } from "./run-job.ts";
import { vanishedMessage, vanishedPoints } from "./vanished-points.ts";

export interface StackHalt extends Halt {
  readonly stack: string;
}

export interface Suspicions {
  /** Of the stacks that were asked for, then of those that do not store here any more, or are not known at all. */
  readonly halts: readonly StackHalt[];
  /** The points that this host knew here. */
  readonly known: readonly KnownPoint[];
}

/** `stacks` are all that store in the repository, and `read` has their points. */
export async function findSuspicions(
  { repository, session }: OpenRepository,
  stacks: readonly string[],
  read: RepositoryPoints,
  context: JobContext,
): Promise<Suspicions> {
  const identity = { id: session.repository.id, name: repository.name };
  const memory = noted(context, () => remember(identity, stacks, context), "nothing is removed");
  const { hostname } = identityOfProcess();
  const { snapshots, damaged } = read.present;
  const isEmpty = snapshots.length + damaged.length === 0;
  const wanted = new Set(memory?.damagedPacks);
  const packs = isEmpty || wanted.size > 0 ? await namesOfPacks(session.repository.storage) : [];
  const place = {
    repository: repository.name,
    isStateUnreadable: memory === null,
    damagedPacks: packs.filter((name) => wanted.has(name)),
    hasOnlyData: isEmpty && packs.length > 0,
    now: context.now(),
  };
  const known = memory?.known ?? [];
  const vanished = vanishedPoints(known, read.present);
  const halts = stacks.flatMap((stack) => {
    const runs = memory?.runs.get(stack) ?? { lastBackup: null, lastCheck: null };
    const points = read.points.filter((point) => point.stack === stack && point.snapshot.hostname === hostname);
    const unreadable = [
      ...read.damagedSnapshots.map((id) => `the snapshot ${id.slice(0, 8)} cannot be read, and may be one of it`),
      ...read.recordProblems
        .filter((problem) => problem.stack === stack)
        .map(({ error }) => `${error.message}: it may hold pins`),
    ];
    const own = vanished.filter((point) => point.stack === stack);
    return findHalts({ ...place, ...runs, stack, points, vanished: own, unreadable }).map((halt) => ({
      ...halt,
      stack,
    }));
  });
  const strangers = vanishedPoints(memory?.knownById ?? [], read.present).filter(
    ({ stack }) => !stacks.includes(stack),
  );
  return { halts: [...halts, ...haltsOfStrangers(strangers, repository.name)], known };
}

interface HostMemory {
  readonly known: readonly KnownPoint[];
  /** Without those of another repository that had its name: a stack that is gone may have been meant to go with it. */
  readonly knownById: readonly KnownPoint[];
  readonly damagedPacks: readonly string[];
  readonly runs: ReadonlyMap<string, { readonly lastBackup: Run | null; readonly lastCheck: Run | null }>;
}

function remember(identity: RepositoryIdentity, stacks: readonly string[], { state }: JobContext): HostMemory {
  const { id } = identity;
  const runOf = (stack: string, operation: "backup" | "check"): Run | null =>
    tellingRun(operation, state.runs.listRuns({ stack, operation }));
  return {
    known: state.knownPoints.list(identity),
    // No repository is named by an id.
    knownById: state.knownPoints.list({ id, name: id }),
    damagedPacks: [...state.verifiedPacks.load(id)].flatMap(([name, { isDamaged }]) => (isDamaged ? [name] : [])),
    runs: new Map(
      stacks.map((stack) => [stack, { lastBackup: runOf(stack, "backup"), lastCheck: runOf(stack, "check") }]),
    ),
  };
}

function haltsOfStrangers(vanished: readonly KnownPoint[], repository: string): StackHalt[] {
  return [...Map.groupBy(vanished, ({ stack }) => stack)].map(([stack, points]) => ({
    stack,
    message: vanishedMessage(points, repository),
    hint:
      "bring them back from a copy of the repository; if they were removed on purpose, let the configuration have the " +
      `stack ${stack} once more, with a plan that stores in ${repository}, and run ` +
      `\`holdfast check ${stack} --accept-vanished\``,
  }));
}

async function namesOfPacks(storage: OpenRepository["session"]["repository"]["storage"]): Promise<string[]> {
  return (await Array.fromAsync(storage.list("pack"))).map(({ name }) => name);
}
