// The job that looks for damage: repositories as a whole, and each recovery point against its manifest.
import { check, HoldfastError, type CheckEvent, type CheckReport, type Finding } from "@holdfast/repository";
import { openConfigured } from "../access/configured-repository.ts";
import { repositoriesOfStacks, type ClosedRepository } from "../access/open-repositories.ts";
import type { Session } from "../access/session.ts";
import type { Configuration, RepositoryConfiguration, StackConfiguration } from "../configuration/configuration.ts";
import { exitCodeOf, exitCodes, type ExitCode } from "../exit-codes.ts";
import { checkPoint, type KnownBeginnings } from "./check-point.ts";
import type { JobContext } from "./job-context.ts";
import { readPoints, type RecoveryPoint } from "./recovery-points.ts";
import type { RunResult } from "../state/runs.ts";
import { runJob } from "./run-job.ts";

/** Something wrong with a stack, and which of its recovery points and sources it concerns. */
export interface StackFinding {
  /** `damage`: something is lost. `incomplete`: what should be there was never stored. */
  readonly kind: "damage" | "incomplete";
  readonly repository: string;
  readonly message: string;
  /** Ids; empty for what hurts none that is known, or cannot be told. */
  readonly snapshots: readonly string[];
  readonly sources: readonly string[];
  /** True when so much is hurt that only the first of it is named. */
  readonly mayHurtMore: boolean;
}

export interface StackCheck {
  readonly stack: string;
  /** Of all its repositories, the oldest first. */
  readonly points: readonly RecoveryPoint[];
  readonly findings: readonly StackFinding[];
  readonly failed: readonly ClosedRepository[];
  /** Bytes of packs that were read back, in all its repositories. */
  readonly bytesRead: number;
  readonly exitCode: ExitCode;
}

export interface CheckRequest {
  readonly stacks: readonly StackConfiguration[];
  readonly readData: boolean;
  readonly listener: (repository: RepositoryConfiguration, event: CheckEvent) => void;
}

interface CheckedRepository {
  readonly repository: RepositoryConfiguration;
  readonly report: CheckReport;
  readonly points: readonly RecoveryPoint[];
  readonly pointFindings: readonly StackFinding[];
}

/**
 * Each repository is checked once, alone and without a cache, while the locks of all stacks are held; each stack gets
 * a run of its own. Damage is a result; what is thrown kept the check from being done at all.
 */
export async function checkStacks(
  configuration: Configuration,
  request: CheckRequest,
  context: JobContext,
): Promise<StackCheck[]> {
  // In one order everywhere: two of these can never wait for each other.
  const stacks = request.stacks.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return withRuns(stacks, context, async () => {
    const names = stacks.map(({ name }) => name);
    const checked: CheckedRepository[] = [];
    const failed: ClosedRepository[] = [];
    for (const repository of repositoriesOfStacks(configuration, names)) {
      try {
        checked.push(await checkRepository(repository, new Set(names), request, context));
      } catch (error) {
        if (context.signal.aborted || !(error instanceof HoldfastError) || error.code === "internal") throw error;
        failed.push({ repository, error });
      }
    }
    return stacks.map((stack) => {
      const own = new Set(repositoriesOfStacks(configuration, [stack.name]).map(({ name }) => name));
      return resultOf(
        stack,
        checked.filter(({ repository }) => own.has(repository.name)),
        failed.filter(({ repository }) => own.has(repository.name)),
      );
    });
  });
}

/** The locks and runs of all stacks around one piece of work. */
function withRuns(
  [first, ...rest]: readonly StackConfiguration[],
  context: JobContext,
  work: () => Promise<StackCheck[]>,
): Promise<StackCheck[]> {
  if (first === undefined) return work();
  return runJob({ operation: "check", stack: first.name, plan: null }, context, async () => {
    const result = await withRuns(rest, context, work);
    const own = result.find(({ stack }) => stack === first.name);
    if (own === undefined) throw new HoldfastError("internal", `the stack ${first.name} was not checked`);
    return { result, report: reportOf(own) };
  });
}

async function checkRepository(
  repository: RepositoryConfiguration,
  stacks: ReadonlySet<string>,
  { readData, listener }: CheckRequest,
  context: JobContext,
): Promise<CheckedRepository> {
  // What is read is to be what the storage holds now.
  const uncached = { ...context, cacheDirectory: undefined };
  await using session = await openConfigured(repository, uncached, { exclusive: true });
  const report = await check(session.repository, { readData, signal: session.signal }, (event) =>
    listener(repository, event),
  );
  const { points, recordProblems } = await readPoints(
    { repository, session },
    (stack) => stacks.has(stack),
    context.now(),
  );
  return {
    repository,
    report,
    points,
    pointFindings: [
      ...(await findingsOfPoints(session, points)),
      ...recordProblems.map(({ message }) => damageOf(repository, message)),
    ],
  };
}

/** The same words about the same source are one finding, with all recovery points that share it. */
async function findingsOfPoints(session: Session, points: readonly RecoveryPoint[]): Promise<StackFinding[]> {
  const known: KnownBeginnings = new Set();
  const findings = new Map<string, StackFinding>();
  for (const point of points) {
    session.signal.throwIfAborted();
    for (const { source, message } of await checkPoint(session.repository, point, known)) {
      const key = `${point.stack} ${source} ${message}`;
      findings.set(key, {
        ...damageOf(point.repository, message),
        snapshots: [...(findings.get(key)?.snapshots ?? []), point.snapshot.id],
        sources: source === null ? [] : [source],
      });
    }
  }
  return [...findings.values()];
}

function damageOf({ name }: RepositoryConfiguration, message: string): StackFinding {
  return { kind: "damage", repository: name, message, snapshots: [], sources: [], mayHurtMore: false };
}

function resultOf(
  stack: StackConfiguration,
  checked: readonly CheckedRepository[],
  failed: readonly ClosedRepository[],
): StackCheck {
  const points = checked
    .flatMap((each) => each.points)
    .filter((point) => point.stack === stack.name)
    .toSorted((a, b) => a.time.getTime() - b.time.getTime());
  const ids = new Set(points.map(({ snapshot }) => snapshot.id));
  const findings = [
    ...checked.flatMap(({ repository, report, pointFindings }) => [
      ...report.findings.flatMap((finding) => engineFinding(finding, repository, ids, [...stack.sources.keys()])),
      ...pointFindings.filter(({ snapshots }) => snapshots.length === 0 || snapshots.some((id) => ids.has(id))),
    ]),
    ...incompleteFindings(stack, points, failed),
  ];
  return {
    stack: stack.name,
    points,
    findings,
    failed,
    bytesRead: failed.length > 0 ? 0 : checked.reduce((sum, { report }) => sum + report.bytesRead, 0),
    exitCode: exitCodeOfCheck(findings, points, failed),
  };
}

/** An error of the engine that hurts this stack, or that hurts nobody who could be named: then it is everybody's. */
function engineFinding(
  { severity, message, snapshots = [], paths = [], pathCount = 0 }: Finding,
  repository: RepositoryConfiguration,
  ids: ReadonlySet<string>,
  allSources: readonly string[],
): StackFinding[] {
  if (severity !== "error") return [];
  const own = snapshots.filter((id) => ids.has(id));
  if (snapshots.length > 0 && own.length === 0) return [];
  const sources = own.length === 0 ? [] : [...new Set(paths.flatMap((path) => sourcesOfPath(path, allSources)))];
  return [{ ...damageOf(repository, message), snapshots: own, sources, mayHurtMore: pathCount > paths.length }];
}

/** The first name of a path in a snapshot; what is Holdfast's own belongs to no source, and the root to all. */
function sourcesOfPath(path: Buffer, all: readonly string[]): readonly string[] {
  const [, name = ""] = path.toString("utf8").split("/", 2);
  if (name === "") return all;
  return name.startsWith("holdfast") ? [] : [name];
}

/** What the configuration wants, and the newest recovery point does not have. */
function incompleteFindings(
  stack: StackConfiguration,
  points: readonly RecoveryPoint[],
  failed: readonly ClosedRepository[],
): StackFinding[] {
  const newest = points.at(-1);
  if (newest === undefined) {
    if (failed.length > 0) return [];
    const repository = [...stack.plans.values()].flatMap(({ destinations }) => destinations)[0]?.repository ?? "";
    return [
      {
        kind: "incomplete",
        repository,
        message: "there is no recovery point of it",
        snapshots: [],
        sources: [],
        mayHurtMore: false,
      },
    ];
  }
  const { manifest, repository, snapshot } = newest;
  if (manifest === null) return [];
  const found = (source: string, message: string): StackFinding => ({
    kind: "incomplete",
    repository: repository.name,
    message: `the newest recovery point is incomplete: ${message}`,
    snapshots: [snapshot.id],
    sources: [source],
    mayHurtMore: false,
  });
  return [...stack.sources.values()].flatMap(({ name, optional }) => {
    const source = Object.hasOwn(manifest.sources, name) ? manifest.sources[name] : undefined;
    if (source === undefined) return [found(name, `the source ${name} of the configuration is not in it`)];
    if (source.outcome === "good" || (source.outcome === "skipped" && optional)) return [];
    const reason = source.reason ?? source.errors[0];
    return [found(name, `the source ${name} is recorded as ${source.outcome}${reason ? `: ${reason}` : ""}`)];
  });
}

function exitCodeOfCheck(
  findings: readonly StackFinding[],
  points: readonly RecoveryPoint[],
  failed: readonly ClosedRepository[],
): ExitCode {
  if (findings.some(({ kind }) => kind === "damage")) return exitCodes.failed;
  const [first] = failed;
  if (first !== undefined) return exitCodeOf(first.error.code);
  if (points.length === 0) return exitCodes.failed;
  return findings.length > 0 ? exitCodes.partial : exitCodes.done;
}

function reportOf({ exitCode, points, findings, failed, bytesRead }: StackCheck): RunResult {
  const problems = [...failed.map(({ error }) => error.message), ...findings.map(({ message }) => message)];
  const [first] = problems;
  return {
    outcome: exitCode === exitCodes.done ? "good" : exitCode === exitCodes.partial ? "partial" : "failed",
    exitCode,
    snapshotIds: points.map(({ snapshot }) => snapshot.id),
    counts: { recoveryPoints: points.length, findings: findings.length, bytesRead },
    bytes: bytesRead,
    message: first === undefined ? null : problems.length === 1 ? first : `${first}; and ${problems.length - 1} more`,
  };
}
