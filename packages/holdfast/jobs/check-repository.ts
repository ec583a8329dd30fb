// The check of one repository for the stacks in it: damage, recovery points against their manifests, what vanished.
import {
  check,
  type CheckEvent,
  type CheckOptions,
  type CheckReport,
  type PackSize,
  type PackSubset,
} from "@holdfast/repository";
import { openConfigured } from "../access/configured-repository.ts";
import type { Session } from "../access/session.ts";
import type { RepositoryConfiguration } from "../configuration/configuration.ts";
import { stackOf } from "../records/tags.ts";
import type { KnownPoint, RepositoryIdentity } from "../state/known-points.ts";
import { checkPoint, type KnownBeginnings } from "./check-point.ts";
import type { JobContext } from "./job-context.ts";
import { choosePacksInTurn, coverageOf, memoriesAfter, type Coverage } from "./pack-rotation.ts";
import { readPoints, type RecordProblem, type RecoveryPoint, type RepositoryPoints } from "./recovery-points.ts";
import { noted } from "./run-job.ts";
import { damageOf, type StackFinding } from "./stack-finding.ts";
import { pointsToKnow, vanishedPoints } from "./vanished-points.ts";

export interface RepositoryCheck {
  /** Which packs are read back: all, none, or those whose turn it is. */
  readonly readData: "all" | "nothing" | PackSubset;
  /** Recovery points that are gone are missed no more. */
  readonly acceptVanished: boolean;
  readonly listener: (repository: RepositoryConfiguration, event: CheckEvent) => void;
}

export interface CheckedRepository {
  readonly repository: RepositoryConfiguration;
  readonly report: CheckReport;
  readonly points: readonly RecoveryPoint[];
  readonly pointFindings: readonly StackFinding[];
  readonly recordProblems: readonly RecordProblem[];
  /** Null when nothing was read back. */
  readonly coverage: Coverage | null;
  /** Of all stacks; none when they are accepted. */
  readonly vanished: readonly KnownPoint[];
  /** To which stack a snapshot belongs that this host has seen, by its id. */
  readonly knownStacks: ReadonlyMap<string, string>;
}

export async function checkRepository(
  repository: RepositoryConfiguration,
  stacks: ReadonlySet<string>,
  request: RepositoryCheck,
  context: JobContext,
): Promise<CheckedRepository> {
  // What is read is to be what the storage holds now.
  const uncached = { ...context, cacheDirectory: undefined };
  await using session = await openConfigured(repository, uncached, { exclusive: true });
  const { report, coverage } = await checkInTurn(repository, session, request, context);
  const read = await readPoints({ repository, session }, (stack) => stacks.has(stack), context.now());
  const { points, recordProblems } = read;
  const identity = { id: session.repository.id, name: repository.name };
  return {
    repository,
    report,
    points,
    pointFindings: await findingsOfPoints(session, points),
    recordProblems,
    coverage,
    ...missPoints(identity, stacks, read, request, context),
  };
}

/** Reads back what the request asks for, and remembers it. */
async function checkInTurn(
  repository: RepositoryConfiguration,
  { repository: opened, signal }: Session,
  { readData, listener }: RepositoryCheck,
  context: JobContext,
): Promise<Pick<CheckedRepository, "report" | "coverage">> {
  const { verifiedPacks } = context.state;
  const options: CheckOptions = { readData: readData !== "nothing", groupOf: stackOf, signal };
  const listen = (event: CheckEvent): void => listener(repository, event);
  if (readData === "nothing") return { report: await check(opened, options, listen), coverage: null };
  const loss = "nobody knows which packs were read back before";
  const memories = noted(context, () => verifiedPacks.load(opened.id), loss) ?? new Map();
  let packs: readonly PackSize[] = [];
  let read: ReadonlySet<string> = new Set();
  const nowMs = context.now().getTime();
  const choosePacks = (all: readonly PackSize[]): ReadonlySet<string> => {
    packs = all;
    read = readData === "all" ? new Set(all.map(({ name }) => name)) : choosePacksInTurn(all, memories, readData);
    return read;
  };
  const report = await check(opened, { ...options, choosePacks }, listen);
  const damaged = new Set(
    report.findings.flatMap(({ severity, file }) => (severity === "error" && file?.type === "pack" ? file.name : [])),
  );
  const after = memoriesAfter(packs, memories, { read, damaged, nowMs });
  noted(context, () => verifiedPacks.replace(opened.id, after), "nobody will know that these packs were read back");
  return { report, coverage: coverageOf(after) };
}

/** Looks for what this host knew and is gone, and knows from now on what is there. */
function missPoints(
  identity: RepositoryIdentity,
  stacks: ReadonlySet<string>,
  { present }: RepositoryPoints,
  { acceptVanished }: RepositoryCheck,
  context: JobContext,
): Pick<CheckedRepository, "vanished" | "knownStacks"> {
  const { knownPoints } = context.state;
  const loss = "nobody can tell whether recovery points have vanished";
  const known = noted(context, () => knownPoints.list(identity), loss) ?? [];
  const vanished = vanishedPoints(known, present).filter(({ stack }) => stacks.has(stack));
  const gone = vanished.map(({ snapshotId }) => snapshotId);
  noted(
    context,
    () => {
      knownPoints.note(identity, pointsToKnow(present.snapshots));
      if (acceptVanished) knownPoints.forget(identity, gone);
    },
    loss,
  );
  const knownStacks = new Map(known.map(({ snapshotId, stack }) => [snapshotId, stack]));
  return { vanished: acceptVanished ? [] : vanished, knownStacks };
}

/** The same words about the same source are one finding, with all recovery points that share it. */
async function findingsOfPoints(session: Session, points: readonly RecoveryPoint[]): Promise<StackFinding[]> {
  const known: KnownBeginnings = new Set();
  const found = new Map<string, { finding: StackFinding; snapshots: string[] }>();
  for (const point of points) {
    session.signal.throwIfAborted();
    for (const { source, message } of await checkPoint(session.repository, point, known)) {
      const key = `${point.stack} ${source} ${message}`;
      const finding = { ...damageOf(point.repository, message), sources: source === null ? [] : [source] };
      if (!found.has(key)) found.set(key, { finding, snapshots: [] });
      found.get(key)?.snapshots.push(point.snapshot.id);
    }
  }
  return [...found.values()].map(({ finding, snapshots }) => ({
    ...finding,
    snapshots,
    snapshotCount: snapshots.length,
  }));
}
