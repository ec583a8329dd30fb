// `holdfast runs`: lists what was done on this host.
import { HoldfastError } from "@holdfast/repository";
import type { Command } from "commander";
import { nameHint } from "../../configuration/nearest-name.ts";
import { formatBytes, formatCount, formatDuration } from "../../display/amounts.ts";
import { exitCodes, type ExitCode } from "../../exit-codes.ts";
import type { Run } from "../../state/runs.ts";
import type { Context, Verb } from "../context.ts";
import { printableText } from "../display/printable.ts";
import { renderTable, type Column } from "../display/table.ts";
import { parseCount } from "../values/sizes.ts";
import { formatTime } from "../values/times.ts";
import { addStackOptions, type StackOptions } from "./stack-options.ts";
import { Workspace } from "./workspace.ts";

interface RunsOptions extends StackOptions {
  limit: string;
}

export const runs: Verb<RunsOptions> = {
  describe(command: Command): void {
    command.description("List the runs of jobs on this host, the newest last.");
    addStackOptions(command);
    command
      .option("--limit <n>", "the newest so many", "20")
      .addHelpText(
        "after",
        "\nWithout a name, those of all stacks. A run whose process is gone without a word is shown as interrupted.\n\nExamples:\n  $ holdfast runs\n  $ holdfast runs mist --limit 5\n",
      );
  },

  async run(context: Context, words: readonly string[], options: RunsOptions): Promise<ExitCode> {
    using workspace = await Workspace.open(context, options);
    const { output } = context;
    const { stacks } = workspace.configuration;
    const limit = parseCount(options.limit, "--limit");
    const found = words.length === 0 ? workspace.job.state.runs.listRuns({ limit }) : words.flatMap(ofStack);
    const shown = found.toSorted((a, b) => b.startedAt.getTime() - a.startedAt.getTime()).slice(0, limit);
    shown.reverse();
    if (output.json) for (const run of shown) output.jsonLine(runJson(run));
    else for (const line of tableLines(shown)) output.line(line);
    return exitCodes.done;

    /** A stack that was taken out of the configuration still has its runs. */
    function ofStack(stack: string): Run[] {
      const ofOne = workspace.job.state.runs.listRuns({ stack, limit });
      if (ofOne.length > 0 || stacks.has(stack)) return ofOne;
      throw new HoldfastError("usage", `there is no stack ${JSON.stringify(stack)}, and no run of one`, {
        hint: nameHint(stack, [...stacks.keys()]),
      });
    }
  },
};

function runJson(run: Run): object {
  return {
    message_type: "run",
    id: run.id,
    operation: run.operation,
    stack: run.stack,
    plan: run.plan,
    outcome: run.outcome,
    exit_code: run.exitCode,
    started_at: run.startedAt.toISOString(),
    ended_at: run.endedAt?.toISOString() ?? null,
    duration_ms: run.endedAt === null ? null : run.endedAt.getTime() - run.startedAt.getTime(),
    snapshot_ids: run.snapshotIds,
    counts: run.counts,
    bytes: run.bytes,
    message: run.message,
    pid: run.pid,
  };
}

function tableLines(shown: readonly Run[]): string[] {
  if (shown.length === 0) return ["0 runs"];
  const columns: Column<Run>[] = [
    { title: "Started", cell: ({ startedAt }) => formatTime(startedAt) },
    { title: "Stack", cell: ({ stack, plan }) => (plan === null ? stack : `${stack}/${plan}`) },
    { title: "Operation", cell: ({ operation }) => operation },
    { title: "Outcome", cell: ({ outcome }) => outcome },
    {
      title: "Took",
      right: true,
      cell: ({ startedAt, endedAt }) =>
        endedAt === null ? "" : formatDuration(endedAt.getTime() - startedAt.getTime()),
    },
    { title: "Size", right: true, cell: ({ bytes }) => (bytes === null ? "" : formatBytes(bytes)) },
    { title: "Recovery points", cell: ({ snapshotIds }) => idsCell(snapshotIds) },
    { title: "Message", cell: ({ message }) => printableText(message ?? "").replaceAll("\n", " ") },
  ];
  return renderTable(columns, shown, [formatCount(shown.length, "run")]);
}

function idsCell(ids: readonly string[]): string {
  const newest = ids.at(-1);
  if (newest === undefined) return "";
  return ids.length === 1 ? newest.slice(0, 8) : `${newest.slice(0, 8)} and ${ids.length - 1} more`;
}
