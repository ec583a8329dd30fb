// `holdfast snapshots`: lists the recovery points of stacks.
import type { Command } from "commander";
import { formatBytes, formatCount } from "../../display/amounts.ts";
import type { ExitCode } from "../../exit-codes.ts";
import { listPoints } from "../../jobs/list-points.ts";
import { provenAt, type RecoveryPoint } from "../../jobs/recovery-points.ts";
import { planOf } from "../../records/tags.ts";
import type { Context, Verb } from "../context.ts";
import { printableName } from "../display/printable.ts";
import { renderTable, type Column } from "../display/table.ts";
import { formatTime } from "../values/times.ts";
import { marksOf, pointJson, reportProblems } from "./point-report.ts";
import { addStackOptions, type StackOptions } from "./stack-options.ts";
import { Workspace } from "./workspace.ts";

export const snapshots: Verb<StackOptions> = {
  describe(command: Command): void {
    command.description("List the recovery points of stacks, the newest last.");
    addStackOptions(command);
    command.addHelpText(
      "after",
      "\nWithout a name, those of all stacks of the configuration. Proven: when a drill restored this very one and found\nit equal to what was captured.\n\nExamples:\n  $ holdfast snapshots\n  $ holdfast snapshots mist --json\n",
    );
  },

  async run(context: Context, words: readonly string[], options: StackOptions): Promise<ExitCode> {
    using workspace = await Workspace.open(context, options);
    const { output } = context;
    const list = await listPoints(workspace, words, context.now());
    if (output.json) for (const point of list.points) output.jsonLine(pointJson(point));
    else {
      for (const line of tableLines(list.points, workspace.configuration.repositories.size > 1)) output.line(line);
      if (list.otherStacks.length > 0 && words.length === 0) {
        output.note(
          `not in the configuration, but in its repositories: ${list.otherStacks.map(printableName).join(", ")}`,
        );
      }
    }
    return reportProblems(list, output);
  },
};

function tableLines(points: readonly RecoveryPoint[], withRepository: boolean): string[] {
  if (points.length === 0) return ["0 recovery points"];
  const columns: Column<RecoveryPoint>[] = [
    { title: "ID", cell: ({ snapshot }) => snapshot.id.slice(0, 8) },
    { title: "Time", cell: ({ time }) => formatTime(time) },
    { title: "Stack", cell: ({ stack, snapshot }) => printableName(`${stack}/${planOf(snapshot) ?? ""}`) },
    { title: "Host", cell: ({ snapshot }) => printableName(snapshot.hostname) },
    ...(withRepository ? [{ title: "Repository", cell: ({ repository }: RecoveryPoint) => repository.name }] : []),
    { title: "Outcome", cell: ({ manifest }) => manifest?.outcome ?? "damaged" },
    { title: "Consistency", cell: ({ manifest }) => manifest?.consistency ?? "" },
    {
      title: "Size",
      right: true,
      cell: ({ snapshot }) => (snapshot.summary === null ? "" : formatBytes(snapshot.summary.totalBytesProcessed)),
    },
    {
      title: "Proven",
      cell: (point) => {
        const time = provenAt(point);
        return time === null ? "never" : formatTime(time);
      },
    },
    { title: "Sources", cell: (point) => sourcesCell(point) },
  ];
  if (points.some((point) => marksOf(point).length > 0)) {
    columns.splice(-1, 0, { title: "Kept", cell: (point) => marksOf(point).join(", ") });
  }
  return renderTable(columns, points, [formatCount(points.length, "recovery point")]);
}

/** `database, mail (failed)`: what is good needs no word. */
function sourcesCell({ manifest }: RecoveryPoint): string {
  return Object.entries(manifest?.sources ?? {})
    .map(([name, { outcome }]) => (outcome === "good" ? name : `${name} (${outcome})`))
    .join(", ");
}
