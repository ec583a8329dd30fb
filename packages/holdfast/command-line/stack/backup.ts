// `holdfast backup`: captures stacks, each as one recovery point.
import { HoldfastError } from "@holdfast/repository";
import type { Command } from "commander";
import { tellingError } from "../../access/session.ts";
import { exitCodeOf, exitCodeOfOutcome, exitCodes, type ExitCode } from "../../exit-codes.ts";
import { backupStack, type StackBackup } from "../../jobs/backup-stack.ts";
import { backupStatusJson, reportBackupEvent } from "../backup-report.ts";
import type { Context, Verb } from "../context.ts";
import { formatBytes, formatDuration } from "../../display/amounts.ts";
import { ProgressMonitor } from "../display/progress-monitor.ts";
import type { Output } from "../output.ts";
import { worstExitCode } from "../../worst-exit-code.ts";
import { addStackOptions, addWaitOption, type StackOptions } from "./stack-options.ts";
import { Workspace } from "./workspace.ts";

export const backupVerb: Verb<StackOptions> = {
  describe(command: Command): void {
    command.description("Capture stacks: all sources of each together, as one recovery point.");
    addStackOptions(command);
    addWaitOption(command);
    command.addHelpText(
      "after",
      "\nWithout a name, all stacks.\n\nExamples:\n  $ holdfast backup\n  $ holdfast backup mist\n  $ holdfast backup mist/daily --wait 10m\n",
    );
  },

  async run(context: Context, words: readonly string[], options: StackOptions): Promise<ExitCode> {
    using workspace = await Workspace.open(context, options);
    const names = words.length > 0 ? words : [...workspace.configuration.stacks.keys()];
    const wanted = names.map((word) => workspace.plan(word));
    let worst: ExitCode = exitCodes.done;
    for (const { stack, plan } of wanted) {
      context.output.note(`backing up ${stack.name}/${plan.name}`);
      using monitor = new ProgressMonitor(context.output, {
        clock: context.clock,
        framesPerSecond: context.globals.framesPerSecond,
        toJson: (...progress) => ({ ...backupStatusJson(...progress), stack: stack.name }),
      });
      try {
        const result = await backupStack(workspace.configuration, stack, plan, workspace.job, (event) =>
          reportBackupEvent(event, context.output, monitor),
        );
        monitor[Symbol.dispose]();
        show(result, context.output);
        worst = worstExitCode([worst, exitCodeOfOutcome[result.outcome]]);
      } catch (error) {
        // The last one speaks for itself; before it, the other stacks still get their turn.
        if (wanted.length === 1 || !(error instanceof HoldfastError)) throw error;
        const known = tellingError(error);
        if (known.code === "interrupted") throw known;
        context.output.failure(known, exitCodeOf(known.code));
        worst = worstExitCode([worst, exitCodeOf(known.code)]);
      }
    }
    return worst;
  },
};

function show(result: StackBackup, output: Output): void {
  if (output.json) output.jsonLine(summaryJson(result));
  for (const line of [...sourceLines(result), ...summaryLines(result)]) output.note(line);
  for (const [name, { outcome, reason }] of Object.entries(result.manifest.sources)) {
    if (outcome === "failed") output.warn(`the source ${name} has failed: ${reason}`);
  }
}

function summaryJson({ stack, plan, repository, snapshotId, manifest, summary, outcome }: StackBackup): object {
  return {
    message_type: "summary",
    stack,
    plan,
    repository,
    outcome,
    snapshot_id: snapshotId,
    started_at: manifest.startedAt,
    finished_at: manifest.finishedAt,
    consistency: manifest.consistency,
    skew_ms: manifest.skewMs,
    bytes_processed: summary?.bytesProcessed ?? 0,
    bytes_added: summary?.bytesAdded ?? 0,
    bytes_stored: summary?.bytesStored ?? 0,
    duration_ms: summary?.durationMs ?? 0,
    errors: summary?.errors ?? 0,
    sources: Object.fromEntries(
      Object.entries(manifest.sources).map(([name, source]) => [
        name,
        {
          kind: source.kind,
          outcome: source.outcome,
          reason: source.reason,
          consistency: source.consistency,
          pinned_at: source.pinnedAt,
          warnings: source.warnings,
          errors: source.errorCount,
        },
      ]),
    ),
  };
}

function sourceLines({ manifest }: StackBackup): string[] {
  const sources = Object.entries(manifest.sources);
  const width = Math.max(...sources.map(([name]) => name.length));
  return sources.flatMap(([name, { outcome, consistency, reason, warnings, bytes }]) => [
    [
      `  ${name.padEnd(width)}  ${outcome.padEnd(7)}`,
      ...(consistency === null ? [] : [consistency]),
      ...(bytes === null ? [] : [formatBytes(bytes)]),
      ...(outcome === "skipped" && reason !== null ? [reason] : []),
    ].join("  "),
    ...warnings.map((warning) => `  ${"".padEnd(width)}  warning: ${warning}`),
  ]);
}

function summaryLines({ outcome, snapshotId, manifest, summary, repository }: StackBackup): string[] {
  if (summary === null || snapshotId === null) return ["nothing could be stored: no snapshot was made"];
  const skew = manifest.skewMs === null ? "" : `, pins ${manifest.skewMs.toFixed(0)} ms apart`;
  return [
    `snapshot ${snapshotId.slice(0, 8)} in ${repository}: ${outcome}, consistency ${manifest.consistency}${skew}`,
    `${formatBytes(summary.bytesProcessed)} processed, ${formatBytes(summary.bytesAdded)} new, ` +
      `${formatBytes(summary.bytesStored)} stored, in ${formatDuration(summary.durationMs)}`,
  ];
}
