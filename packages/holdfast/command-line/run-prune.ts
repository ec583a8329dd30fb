// Plans a prune, shows the plan, and applies it: for every verb of `holdfast repo` that prunes.

import { applyPrune, planPrune, type PruneRules } from "@holdfast/repository";
import type { Session } from "../access/session.ts";
import type { Context } from "./context.ts";
import { ProgressMonitor } from "./display/progress-monitor.ts";
import {
  prunePackLines,
  prunePlanLines,
  pruneProgress,
  pruneReportLine,
  pruneStatusJson,
  pruneSummaryJson,
} from "./prune-report.ts";

export interface PruneRequest {
  readonly rules: PruneRules;
  readonly dryRun: boolean;
  /** For a dry run: ids of snapshots that would be forgotten before. */
  readonly without?: ReadonlySet<string>;
}

/** The session holds an exclusive lock, unless it is a dry run. With --json one summary, restic's, after all is done. */
export async function runPrune(context: Context, session: Session, request: PruneRequest): Promise<void> {
  const { output } = context;
  using monitor = new ProgressMonitor(output, {
    clock: context.clock,
    framesPerSecond: context.globals.framesPerSecond,
    toJson: pruneStatusJson,
  });
  const plan = await planPrune(
    session.repository,
    { ...request.rules, without: request.without, signal: session.signal },
    (event) => monitor.update(pruneProgress(event)),
  );
  if (request.dryRun) output.note("would make these changes:");
  for (const line of prunePlanLines(plan.decision, output.verbosity >= 2)) output.note(line);
  if (output.verbosity >= 3) for (const line of prunePackLines(plan.decision)) output.note(line);
  if (!request.dryRun) {
    const report = await applyPrune(session.repository, plan, (event) => monitor.update(pruneProgress(event)));
    output.note(pruneReportLine(report));
  }
  if (output.json) output.jsonLine(pruneSummaryJson(plan.decision.statistics));
}
