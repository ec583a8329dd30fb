// `holdfast status`: what is known of each stack, and what to do about it.
import type { Command } from "commander";
import { formatAge } from "../../display/ages.ts";
import { exitCodes, type ExitCode } from "../../exit-codes.ts";
import type { StackStatus } from "../../jobs/judge-stack.ts";
import { statusOfStacks } from "../../jobs/status-of-stacks.ts";
import type { Context, Verb } from "../context.ts";
import { printableText } from "../display/printable.ts";
import { formatTime } from "../values/times.ts";
import { worstExitCode } from "../../worst-exit-code.ts";
import { reportUnreadable } from "./point-report.ts";
import { addStackOptions, type StackOptions } from "./stack-options.ts";
import { Workspace } from "./workspace.ts";

export const status: Verb<StackOptions> = {
  describe(command: Command): void {
    command.description("Show what is known of stacks: what ran, is stored, was verified and proven, and is overdue.");
    addStackOptions(command);
    command.addHelpText(
      "after",
      `
Without a name, all stacks of the configuration.

  ran       the last backup on this host ended so; that says nothing about what can be brought back
  stored    the newest recovery point with everything that is required
  verified  every byte up to then was read back and compared, none of it before the time that is shown (holdfast check
            --read-data, or --read-data-subset often enough, on this host)
  proven    a recovery point was restored and was what had been captured (holdfast drill, on any host)
  overdue   later than the schedule of a plan, prove.restore or prove.rpo say

The exit code is 0 only if every stack has a good recovery point, its last run was good and nothing is overdue.
`,
    );
  },

  async run(context: Context, words: readonly string[], options: StackOptions): Promise<ExitCode> {
    using workspace = await Workspace.open(context, options);
    const { output } = context;
    const stacks =
      words.length > 0
        ? [...new Set(words)].map((word) => workspace.stack(word))
        : [...workspace.configuration.stacks.values()];
    const { statuses, list } = await statusOfStacks(workspace, stacks);
    const now = context.now();
    const codes = statuses.map(exitCodeOfStatus);
    const worst = worstExitCode([...codes, reportUnreadable(list, output)]);
    for (const each of statuses) {
      if (output.json) output.jsonLine(statusJson(each, now));
      else for (const line of statusLines(each, now)) output.line(printableText(line));
    }
    if (output.json) output.jsonLine({ message_type: "summary", stacks: statuses.length, exit_code: worst });
    return worst;
  },
};

function exitCodeOfStatus({ remarks }: StackStatus): ExitCode {
  return worstExitCode(remarks.map(({ exitCode }) => exitCode));
}

function statusLines(status: StackStatus, now: Date): string[] {
  const { stack, ran, isComplete, stored, verified, proven, overdue, remarks } = status;
  const none = (text: string): string => (isComplete ? text : "not known");
  const ago = (time: Date): string => `${formatTime(time)}, ${formatAge(now.getTime() - time.getTime())} ago`;
  const row = (word: string, text: string): string => `  ${word.padEnd(8)}  ${text}`;
  const point = (id: string): string => id.slice(0, 8);
  return [
    stack,
    row("ran", ran === null ? "never on this host" : `${ago(ran.startedAt)}: ${ran.outcome}`),
    row(
      "stored",
      stored === null
        ? none("no good recovery point")
        : `${ago(stored.time)}: ${point(stored.snapshot.id)} in ${stored.repository.name}, consistency ${stored.manifest?.consistency}`,
    ),
    row(
      "verified",
      verified === null
        ? "never on this host"
        : `${ago(verified.at)}${verified.snapshotId === null ? "" : `: up to ${point(verified.snapshotId)}`}`,
    ),
    row("proven", proven === null ? none("never") : `${ago(new Date(proven.at))}: ${point(proven.snapshotId)}`),
    row("overdue", overdue.length === 0 ? none("nothing") : overdue.map(({ what }) => what).join(", ")),
    ...remarks.flatMap(({ exitCode, message, hint }) => [
      `  ${exitCode === exitCodes.done ? "note" : "problem"}: ${message}`,
      ...(hint === "" ? [] : [`    → ${hint}`]),
    ]),
  ];
}

function statusJson(status: StackStatus, now: Date): object {
  const { stack, ran, isComplete, stored, newerPartial, verified, proven, overdue, remarks } = status;
  return {
    message_type: "stack_status",
    stack,
    exit_code: exitCodeOfStatus(status),
    ran: ran && {
      operation: ran.operation,
      plan: ran.plan,
      outcome: ran.outcome,
      started_at: ran.startedAt.toISOString(),
      ended_at: ran.endedAt?.toISOString() ?? null,
      message: ran.message,
    },
    complete: isComplete,
    stored: stored && {
      snapshot_id: stored.snapshot.id,
      time: stored.time.toISOString(),
      age_ms: now.getTime() - stored.time.getTime(),
      repository: stored.repository.name,
      consistency: stored.manifest?.consistency ?? null,
    },
    newer_partial: newerPartial?.snapshot.id ?? null,
    verified: verified && { at: verified.at.toISOString(), snapshot_id: verified.snapshotId },
    proven: proven && { at: proven.at, snapshot_id: proven.snapshotId, rto_ms: proven.rtoMs, rpo_ms: proven.rpoMs },
    overdue: overdue.map(({ what, dueAt, reason }) => ({ what, due_at: dueAt.toISOString(), reason })),
    remarks: remarks.map(({ kind, exitCode, message, hint }) => ({ kind, exit_code: exitCode, message, hint })),
  };
}
