// The job that looks for damage: repositories as a whole, and each recovery point against its manifest.
import { HoldfastError, type Finding } from "@holdfast/repository";
import { tellingError } from "../access/session.ts";
import { repositoriesOfStacks, type ClosedRepository } from "../access/open-repositories.ts";
import type { Configuration, StackConfiguration } from "../configuration/configuration.ts";
import { exitCodeOf, exitCodes, type ExitCode } from "../exit-codes.ts";
import { checkRepository, type CheckedRepository, type RepositoryCheck } from "./check-repository.ts";
import type { JobContext } from "./job-context.ts";
import type { Coverage } from "./pack-rotation.ts";
import type { RecoveryPoint } from "./recovery-points.ts";
import type { RunResult } from "../state/runs.ts";
import { runJobs } from "./run-jobs.ts";
import { damageOf, type StackFinding } from "./stack-finding.ts";
import { vanishedMessage } from "./vanished-points.ts";

export interface CheckRequest extends RepositoryCheck {
  readonly stacks: readonly StackConfiguration[];
}

export interface StackCheck {
  readonly stack: string;
  /** Of all its repositories, the oldest first. */
  readonly points: readonly RecoveryPoint[];
  readonly findings: readonly StackFinding[];
  readonly failed: readonly ClosedRepository[];
  /** Bytes of packs that were read back, in all its repositories. */
  readonly bytesRead: number;
  /** What was read back up to now, by this check and those before; null when this one read nothing. */
  readonly coverage: Coverage | null;
  readonly exitCode: ExitCode;
}

/**
 * Each repository is checked once, alone and without a cache, while the locks of all stacks are held; each stack gets
 * a run of its own. Damage is a result; what is thrown kept the check from being done at all.
 */
export async function checkStacks(
  configuration: Configuration,
  request: CheckRequest,
  context: JobContext,
): Promise<readonly StackCheck[]> {
  const stacks = request.stacks.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const names = stacks.map(({ name }) => name);
  const work = async (): Promise<readonly StackCheck[]> => {
    const checked: CheckedRepository[] = [];
    const failed: ClosedRepository[] = [];
    for (const repository of repositoriesOfStacks(configuration, names)) {
      try {
        checked.push(await checkRepository(repository, new Set(names), request, context));
      } catch (error) {
        if (context.signal.aborted || !(error instanceof HoldfastError) || error.code === "internal") throw error;
        failed.push({ repository, error: tellingError(error) });
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
  };
  return runJobs("check", names, context, work, reportOf);
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
    ...checked.flatMap((each) => [
      ...each.report.findings.flatMap((finding) => engineFinding(finding, each, stack)),
      ...each.pointFindings.filter(({ snapshots }) => snapshots.some((id) => ids.has(id))),
      ...each.recordProblems
        .filter((problem) => problem.stack === stack.name)
        .map(({ error }) => damageOf(each.repository, error.message)),
      ...vanishedFindings(stack, each),
    ]),
    ...incompleteFindings(stack, points, failed),
  ];
  return {
    stack: stack.name,
    points,
    findings,
    failed,
    bytesRead: failed.length > 0 ? 0 : checked.reduce((sum, { report }) => sum + report.bytesRead, 0),
    coverage: failed.length > 0 ? null : coverageOfAll(checked),
    exitCode: exitCodeOfCheck(findings, points, failed),
  };
}

/** An error of the engine that hurts this stack, or that hurts nobody who could be named: then it is everybody's. */
function engineFinding(
  { severity, message, file, snapshotCount = 0, groups = [], isSaidBefore = false }: Finding,
  { repository, knownStacks }: CheckedRepository,
  stack: StackConfiguration,
): StackFinding[] {
  if (severity !== "error" || isSaidBefore) return [];
  // Of a snapshot that cannot be read only a host that knew it can tell whose it is.
  const owner = file?.type === "snapshot" ? knownStacks.get(file.name) : undefined;
  if (owner !== undefined && owner !== stack.name) return [];
  const own = groups.find(({ name }) => name === stack.name);
  if (own === undefined) {
    if (snapshotCount > 0) return [];
    const snapshots = owner === undefined || file === null ? [] : [file.name];
    return [{ ...damageOf(repository, message), snapshots, snapshotCount: snapshots.length }];
  }
  const sources = new Set(own.paths.flatMap((path) => sourcesOfPath(path, [...stack.sources.keys()])));
  return [
    {
      ...damageOf(repository, message),
      snapshots: own.snapshots,
      snapshotCount: own.snapshotCount,
      sources: [...sources],
      mayHurtMore: own.pathCount > own.paths.length,
    },
  ];
}

function vanishedFindings({ name }: StackConfiguration, { repository, vanished }: CheckedRepository): StackFinding[] {
  const points = vanished.filter(({ stack }) => stack === name);
  if (points.length === 0) return [];
  const message = vanishedMessage(points, repository.name);
  const snapshots = points.map(({ snapshotId }) => snapshotId);
  return [{ ...damageOf(repository, message), kind: "vanished", snapshots, snapshotCount: snapshots.length }];
}

function coverageOfAll(checked: readonly CheckedRepository[]): Coverage | null {
  // A repository that has no pack yet has nothing to verify.
  const each = checked.map(({ coverage }) => coverage).filter((coverage) => coverage?.packs !== 0);
  if (each.length === 0 || each.includes(null)) return null;
  const known = each.filter((coverage) => coverage !== null);
  return {
    packs: known.reduce((sum, { packs }) => sum + packs, 0),
    unverified: known.reduce((sum, { unverified }) => sum + unverified, 0),
    sinceMs: known.some(({ sinceMs }) => sinceMs === null) ? null : Math.min(...known.map(({ sinceMs }) => sinceMs!)),
  };
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
        snapshotCount: 0,
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
    snapshotCount: 1,
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
  if (findings.some(({ kind }) => kind !== "incomplete")) return exitCodes.failed;
  const [first] = failed;
  if (first !== undefined) return exitCodeOf(first.error.code);
  if (points.length === 0) return exitCodes.failed;
  return findings.length > 0 ? exitCodes.partial : exitCodes.done;
}

function reportOf({ exitCode, points, findings, failed, bytesRead, coverage }: StackCheck): RunResult {
  const problems = [...failed.map(({ error }) => error.message), ...findings.map(({ message }) => message)];
  const [first] = problems;
  return {
    outcome: exitCode === exitCodes.done ? "good" : exitCode === exitCodes.partial ? "partial" : "failed",
    exitCode,
    snapshotIds: points.map(({ snapshot }) => snapshot.id),
    counts: {
      recoveryPoints: points.length,
      findings: findings.length,
      bytesRead,
      ...(coverage === null ? {} : { packs: coverage.packs, unverifiedPacks: coverage.unverified }),
      // Only then everything was verified.
      ...(coverage === null || coverage.sinceMs === null ? {} : { verifiedSinceMs: coverage.sinceMs }),
    },
    bytes: bytesRead,
    message: first === undefined ? null : problems.length === 1 ? first : `${first}; and ${problems.length - 1} more`,
  };
}
