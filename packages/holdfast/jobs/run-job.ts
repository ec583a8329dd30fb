// One job from its lock to its line in the list of runs, however it ends.
import { hasCode, HoldfastError } from "@holdfast/repository";
import { tellingError } from "../access/session.ts";
import { exitCodeOf } from "../exit-codes.ts";
import type { RunEnding, RunResult, RunStart } from "../state/runs.ts";
import type { JobContext } from "./job-context.ts";
import { recoverStack } from "./recover-stack.ts";

/**
 * Holds the stack's lock while `work` runs, and first finishes or takes back what a crash has left of the stack. A
 * list of runs that cannot be written is a warning: it is no reason to go without a backup. Throws what `work` throws,
 * and `locked`.
 */
export async function runJob<Result>(
  start: RunStart,
  context: JobContext,
  work: (runId: string) => Promise<{ result: Result; report: RunResult }>,
): Promise<Result> {
  const { state, waitMs, signal } = context;
  using _lock = await state.locks.take(start.stack, { operation: start.operation, waitMs, signal });
  await recoverStack(start.stack, context);
  const runId = noted(context, () => state.runs.beginRun(start));
  const end = (report: RunResult): void => {
    if (runId !== null) noted(context, () => state.runs.endRun(runId, report));
  };
  try {
    const { result, report } = await work(runId ?? "unrecorded");
    end(report);
    return result;
  } catch (error) {
    const known = error instanceof HoldfastError ? tellingError(error) : new HoldfastError("internal", String(error));
    const outcome: RunEnding = signal.aborted || hasCode(known, "interrupted") ? "interrupted" : "failed";
    const nothing = { snapshotIds: [], counts: {}, bytes: null };
    end({ outcome, exitCode: exitCodeOf(known.code), ...nothing, message: known.message });
    throw error;
  }
}

/** Null, and a warning that says the `loss`, when the state of this host cannot be read or written. */
export function noted<Result>(
  context: JobContext,
  write: () => Result,
  loss = "the list of runs does not have this run",
): Result | null {
  try {
    return write();
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code === "internal") throw error;
    context.warn(`${error.message}: ${loss}`);
    return null;
  }
}
