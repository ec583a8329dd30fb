// The job that cleans up: recovery points that their plans do not keep, and the data that nothing needs any more.
import { tellingError } from "../access/session.ts";
import { HoldfastError, type PruneEvent } from "@holdfast/repository";
import { repositoriesOfStacks, type ClosedRepository } from "../access/open-repositories.ts";
import type { Configuration, RepositoryConfiguration, StackConfiguration } from "../configuration/configuration.ts";
import { exitCodeOf, exitCodes, type ExitCode } from "../exit-codes.ts";
import type { RetentionPlan } from "../retention/retention-plan.ts";
import type { RunResult } from "../state/runs.ts";
import { worstExitCode } from "../worst-exit-code.ts";
import type { JobContext } from "./job-context.ts";
import { pruneRepository, type PrunedRepository } from "./prune-repository.ts";
import { runJobs } from "./run-jobs.ts";

export interface PruneRequest {
  readonly stacks: readonly StackConfiguration[];
  /** Changes nothing, and tells what would be done and why. */
  readonly dryRun: boolean;
  readonly listener: (repository: RepositoryConfiguration, event: PruneEvent) => void;
}

/** What became of a stack's points in one repository. */
export interface StackPart {
  readonly plan: RetentionPlan;
  readonly pruned: PrunedRepository;
}

export interface StackPrune {
  readonly stack: string;
  /** One for each repository that could be cleaned up. */
  readonly parts: readonly StackPart[];
  /** Where nothing was done, or not everything, and why. */
  readonly failed: readonly ClosedRepository[];
  readonly exitCode: ExitCode;
}

export interface PruneOutcome {
  readonly stacks: readonly StackPrune[];
  readonly repositories: readonly PrunedRepository[];
}

/**
 * Each repository is cleaned up once, alone, while the locks of all stacks are held, and each stack gets a run of its
 * own; a dry run takes neither. What is wrong with one repository stands in the result.
 */
export async function pruneStacks(
  configuration: Configuration,
  request: PruneRequest,
  context: JobContext,
): Promise<PruneOutcome> {
  const { stacks, dryRun } = request;
  const repositories: PrunedRepository[] = [];
  const work = async (): Promise<readonly StackPrune[]> => {
    const failed: ClosedRepository[] = [];
    const names = stacks.map(({ name }) => name);
    for (const repository of repositoriesOfStacks(configuration, names)) {
      const own = stacks.filter(({ name }) => storesIn(configuration, name, repository));
      const sharers = [...configuration.stacks.keys()].filter((name) => storesIn(configuration, name, repository));
      try {
        repositories.push(await pruneRepository(repository, { ...request, stacks: own, sharers }, context));
      } catch (error) {
        if (context.signal.aborted || !(error instanceof HoldfastError) || error.code === "internal") throw error;
        failed.push({ repository, error: tellingError(error) });
      }
    }
    return stacks.map(({ name }) => {
      const isOwn = ({ repository }: ClosedRepository): boolean => storesIn(configuration, name, repository);
      return resultOf(name, repositories, failed.filter(isOwn));
    });
  };
  const names = stacks.map(({ name }) => name);
  const results = dryRun ? await work() : await runJobs("prune", names, context, work, reportOf);
  return { stacks: results, repositories };
}

function storesIn(configuration: Configuration, stack: string, { name }: RepositoryConfiguration): boolean {
  return repositoriesOfStacks(configuration, [stack]).some((repository) => repository.name === name);
}

function resultOf(
  stack: string,
  repositories: readonly PrunedRepository[],
  failed: readonly ClosedRepository[],
): StackPrune {
  const parts = repositories.flatMap((pruned) =>
    pruned.plans.filter((plan) => plan.stack === stack).map((plan) => ({ plan, pruned })),
  );
  return { stack, parts, failed, exitCode: exitCodeOfPrune(parts, failed) };
}

/** The worst of all. Partial: something that was to be removed is still there, or the data was left alone. */
function exitCodeOfPrune(parts: readonly StackPart[], failed: readonly ClosedRepository[]): ExitCode {
  const isPartial = parts.some((part) => part.pruned.statistics === null || failedOf(part).length > 0);
  const codes = failed.map(({ error }) => exitCodeOf(error.code));
  return worstExitCode([isPartial ? exitCodes.partial : exitCodes.done, ...codes]);
}

/** The points of the stack that are gone. */
export function removedOf({ plan, pruned }: StackPart): string[] {
  return idsOf(plan).filter((id) => pruned.removed.has(id));
}

/** Those that could not be removed. */
export function failedOf({ plan, pruned }: StackPart): PrunedRepository["failed"] {
  const own = new Set(idsOf(plan));
  return pruned.failed.filter(({ id }) => own.has(id));
}

function idsOf({ decisions }: RetentionPlan): string[] {
  return decisions.map(({ point }) => point.snapshot.id);
}

function reportOf({ parts, failed, exitCode }: StackPrune): RunResult {
  const removed = parts.flatMap(removedOf);
  const problems = [
    ...failed.map(({ error }) => error.message),
    ...parts.flatMap(({ plan }) => plan.halts.map(({ message }) => `nothing was removed: ${message}`)),
    ...parts.flatMap(({ plan, pruned }) =>
      pruned.halts
        .filter(({ stack }) => stack !== plan.stack)
        .map(({ stack, message }) => `the data of ${plan.repository} was left alone: ${stack}: ${message}`),
    ),
    ...parts.flatMap((part) => failedOf(part).map(({ id, error }) => `${id.slice(0, 8)} stays: ${error.message}`)),
  ];
  const [first] = problems;
  const kept = parts.reduce((sum, { plan }) => sum + plan.decisions.length, 0) - removed.length;
  const bytesFreed = parts.reduce((sum, { pruned }) => sum + (pruned.statistics?.bytes.removeTotal ?? 0), 0);
  return {
    outcome: exitCode === exitCodes.done ? "good" : exitCode === exitCodes.partial ? "partial" : "failed",
    exitCode,
    snapshotIds: removed,
    counts: { kept, removed: removed.length, bytesFreed },
    bytes: null,
    message: first === undefined ? null : problems.length === 1 ? first : `${first}; and ${problems.length - 1} more`,
  };
}
