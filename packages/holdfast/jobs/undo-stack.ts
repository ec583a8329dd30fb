// The job that takes the latest restore in place back.
import { exitCodes } from "../exit-codes.ts";
import { undo, type SwapContext, type Swapped } from "../swap/swap.ts";
import type { JobContext } from "./job-context.ts";
import { swapContextOf } from "./recover-stack.ts";
import { refuseUsed } from "./refuse-used.ts";
import { timeLabel } from "./restore-stack.ts";
import { runJob } from "./run-job.ts";

/** What was there before comes back; what was restored is kept as `PATH.undone-TIME`. */
export function undoStack(stack: string, context: JobContext): Promise<Swapped> {
  return runJob({ operation: "undo", stack, plan: null }, context, async () => {
    const swapping = swapContextOf(context);
    await refuseUsed(await pathsToMove(swapping, stack), "undo again");
    const result = await undo(swapping, stack, timeLabel(context.now()));
    const counts = { paths: result.moved.length };
    const report = { exitCode: exitCodes.done, snapshotIds: [], counts, bytes: null, message: null };
    return { result, report: { outcome: "good", ...report } };
  });
}

/** What the latest restore has put there; none when there is nothing that could be undone. */
async function pathsToMove({ undoRecords }: SwapContext, stack: string): Promise<Buffer[]> {
  const { records } = await undoRecords.list(stack);
  const replaced = records.at(-1)?.replaced ?? [];
  return replaced.flatMap(({ main, companions }) => [main, ...companions].map(({ path }) => path));
}
