// `holdfast drill`: proves that the newest good recovery point of each stack comes back.
import type { Command } from "commander";
import { resolve } from "node:path";
import { HoldfastError } from "@holdfast/repository";
import { tellingError } from "../../access/session.ts";
import { exitCodeOf, exitCodes, type ExitCode } from "../../exit-codes.ts";
import { formatBytes } from "../../display/amounts.ts";
import { chooseSnapshot } from "../../jobs/choose-snapshot.ts";
import { drillStack, type StackDrill } from "../../jobs/drill-stack.ts";
import type { Context, Verb } from "../context.ts";
import { ProgressMonitor } from "../display/progress-monitor.ts";
import type { Output } from "../output.ts";
import { reportRestoreEvent, restoreStatusJson } from "../restore-report.ts";
import { tellChoice } from "./restore.ts";
import { worstExitCode } from "../../worst-exit-code.ts";
import { addStackOptions, addWaitOption, type StackOptions } from "./stack-options.ts";
import { Workspace } from "./workspace.ts";

interface DrillOptions extends StackOptions {
  sandbox?: string;
}

export const drillVerb: Verb<DrillOptions> = {
  describe(command: Command): void {
    command.description("Prove recovery points: restore them into a sandbox, compare, measure, and keep the proof.");
    addStackOptions(command);
    addWaitOption(command);
    command
      .option("--sandbox <folder>", "where to restore to for the time of the drill (default: in the state directory)")
      .addHelpText(
        "after",
        "\nWithout a name, all stacks. The proof is kept in the repository.\n\nExamples:\n  $ holdfast drill\n  $ holdfast drill mist --sandbox /srv/drills\n",
      );
  },

  async run(context: Context, words: readonly string[], options: DrillOptions): Promise<ExitCode> {
    using workspace = await Workspace.open(context, options);
    const names = words.length > 0 ? words : [...workspace.configuration.stacks.keys()];
    let worst: ExitCode = exitCodes.done;
    for (const name of names) {
      try {
        if (!(await drillOne(context, workspace, name, options))) worst = worstExitCode([worst, exitCodes.failed]);
      } catch (error) {
        // Alone it speaks for itself; otherwise the other stacks still get their turn.
        if (names.length === 1 || !(error instanceof HoldfastError)) throw error;
        const known = tellingError(error);
        if (known.code === "interrupted") throw known;
        context.output.failure(known, exitCodeOf(known.code));
        worst = worstExitCode([worst, exitCodeOf(known.code)]);
      }
    }
    return worst;
  },
};

async function drillOne(context: Context, workspace: Workspace, word: string, options: DrillOptions): Promise<boolean> {
  const { output } = context;
  const chosen = await chooseSnapshot(workspace, word, {});
  await using _session = chosen.session;
  tellChoice(chosen, output);
  using monitor = new ProgressMonitor(output, {
    clock: context.clock,
    framesPerSecond: context.globals.framesPerSecond,
    toJson: restoreStatusJson,
  });
  const directory = options.sandbox === undefined ? null : resolve(options.sandbox);
  const drill = await drillStack(chosen, directory, workspace.job, (event) =>
    reportRestoreEvent(event, output, monitor),
  );
  monitor[Symbol.dispose]();
  const prove = workspace.configuration.stacks.get(chosen.stack)?.prove;
  show(drill, { rtoMs: prove?.rtoMs ?? null, rpoMs: prove?.rpoMs ?? null }, output);
  return drill.proof.result === "passed";
}

function show(drill: StackDrill, aims: { rtoMs: number | null; rpoMs: number | null }, output: Output): void {
  const { proof, stack, restored, failure, sizeBytes } = drill;
  const differences = (restored ?? []).flatMap(({ source, differences: of }) =>
    of.map(({ what, problem }) => ({ source: source.name, what, problem })),
  );
  if (output.json) {
    output.jsonLine({
      message_type: "summary",
      stack,
      snapshot_id: proof.snapshotId,
      result: proof.result,
      sources: proof.sources,
      differences,
      failure: failure?.message ?? null,
      bytes: sizeBytes,
      rto_ms: proof.rtoMs,
      rpo_ms: proof.rpoMs,
      rto_aim_ms: aims.rtoMs,
      rpo_aim_ms: aims.rpoMs,
    });
  }
  for (const { source, what, problem } of differences) output.outcome(`  ${source}: ${what}: ${problem}`);
  if (failure !== null) output.outcome(`  ${failure.message}`);
  const rpo = proof.rpoMs === null ? "" : `, RPO ${seconds(proof.rpoMs)}`;
  output.outcome(
    `${stack}: ${proof.result === "passed" ? "proven" : "NOT proven"}: ${formatBytes(sizeBytes)} ` +
      `restored and compared, RTO ${seconds(proof.rtoMs)}${rpo}`,
  );
  if (aims.rtoMs !== null && proof.rtoMs > aims.rtoMs)
    output.warn(`${stack}: the recovery took longer than the ${seconds(aims.rtoMs)} that are aimed at`);
  if (aims.rpoMs !== null && proof.rpoMs !== null && proof.rpoMs > aims.rpoMs)
    output.warn(`${stack}: the recovery point is older than the ${seconds(aims.rpoMs)} that are aimed at`);
}

/** `4.2 s`, and whole minutes and more in words of hours. */
function seconds(durationMs: number): string {
  if (durationMs < 120_000) return `${(durationMs / 1000).toFixed(1)} s`;
  const minutes = Math.round(durationMs / 60_000);
  return minutes < 120 ? `${minutes} min` : `${(minutes / 60).toFixed(1)} h`;
}
