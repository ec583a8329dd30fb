// One piece of work for several stacks: all their locks around it, and a line in the list of runs for each.
import { HoldfastError } from "@holdfast/repository";
import type { Operation, RunResult } from "../state/runs.ts";
import type { JobContext } from "./job-context.ts";
import { runJob } from "./run-job.ts";

export interface StackResult {
  readonly stack: string;
}

/**
 * `work` answers with a result for each stack. The locks are taken in one order everywhere, so that two of these can
 * never wait for each other. Throws what `work` throws, and `locked`.
 */
export function runJobs<Result extends StackResult>(
  operation: Operation,
  stacks: readonly string[],
  context: JobContext,
  work: () => Promise<readonly Result[]>,
  reportOf: (result: Result) => RunResult,
): Promise<readonly Result[]> {
  const run = ([first, ...rest]: readonly string[]): Promise<readonly Result[]> => {
    if (first === undefined) return work();
    return runJob({ operation, stack: first, plan: null }, context, async () => {
      const result = await run(rest);
      const own = result.find(({ stack }) => stack === first);
      if (own === undefined) throw new HoldfastError("internal", `the ${operation} left out the stack ${first}`);
      return { result, report: reportOf(own) };
    });
  };
  return run(stacks.toSorted());
}
