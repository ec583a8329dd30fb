// Gathers what is known of stacks: from the list of runs, the repositories, and a look at the sources.
import { HoldfastError } from "@holdfast/repository";
import { repositoriesOfStacks } from "../access/open-repositories.ts";
import type { Configuration, StackConfiguration } from "../configuration/configuration.ts";
import type { JobContext } from "./job-context.ts";
import { judgeStack, type StackFacts, type StackStatus } from "./judge-stack.ts";
import { listPoints, type PointList } from "./list-points.ts";
import { vanishedPoints } from "./vanished-points.ts";

export interface StatusOfStacks {
  readonly statuses: readonly StackStatus[];
  /** What could not be read, for all stacks together. */
  readonly list: PointList;
}

/** Changes nothing. Each repository is opened once; one that cannot be opened is a fact like any other. */
export async function statusOfStacks(
  { configuration, job }: { readonly configuration: Configuration; readonly job: JobContext },
  stacks: readonly StackConfiguration[],
): Promise<StatusOfStacks> {
  const names = stacks.map(({ name }) => name);
  const now = job.now();
  const list = names.length === 0 ? null : await listPoints({ configuration, job }, names, now);
  const known = list ?? {
    points: [],
    failed: [],
    damagedSnapshots: [],
    recordProblems: [],
    otherStacks: [],
    repositories: [],
  };
  const vanished = known.repositories.flatMap(({ identity, present }) =>
    vanishedPoints(job.state.knownPoints.list(identity), present).map((point) => ({
      ...point,
      repository: identity.name,
    })),
  );
  const statuses: StackStatus[] = [];
  for (const stack of stacks) {
    const repositories = new Set(repositoriesOfStacks(configuration, [stack.name]).map(({ name }) => name));
    const [lastBackup = null] = job.state.runs.listRuns({ stack: stack.name, operation: "backup", limit: 1 });
    const checks = job.state.runs.listRuns({ stack: stack.name, operation: "check" });
    statuses.push(
      judgeStack({
        stack,
        lastBackup,
        lastCheck: checks.find(({ outcome }) => outcome !== "running" && outcome !== "interrupted") ?? null,
        lastVerification:
          checks.find(({ outcome, counts }) => outcome === "good" && counts["verifiedSinceMs"] !== undefined) ?? null,
        vanished: vanished.filter((point) => point.stack === stack.name),
        points: known.points.filter((point) => point.stack === stack.name),
        failed: known.failed.filter(({ repository }) => repositories.has(repository.name)),
        sourceProblems: await lookAtSources(stack, job),
        now,
      }),
    );
  }
  return { statuses, list: known };
}

async function lookAtSources(stack: StackConfiguration, job: JobContext): Promise<StackFacts["sourceProblems"]> {
  const problems: { source: string; problem: string; optional: boolean }[] = [];
  for (const { name, kind, options, optional } of stack.sources.values()) {
    try {
      const { present, warnings } = await kind.preflight(options, job);
      const problem = warnings.join("; ") || (present ? "" : "there is nothing to capture");
      if (problem !== "") problems.push({ source: name, problem, optional });
    } catch (error) {
      if (job.signal.aborted || !(error instanceof HoldfastError) || error.code === "internal") throw error;
      problems.push({ source: name, problem: error.message, optional });
    }
  }
  return problems;
}
