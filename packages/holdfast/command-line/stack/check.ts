// `holdfast check`: looks for damage in the recovery points of stacks.
import type { CheckEvent } from "@holdfast/repository";
import type { Command } from "commander";
import type { RepositoryConfiguration } from "../../configuration/configuration.ts";
import { formatBytes, formatCount } from "../../display/amounts.ts";
import { exitCodes, type ExitCode } from "../../exit-codes.ts";
import { checkStacks, type StackCheck } from "../../jobs/check-stacks.ts";
import { checkProgress, checkStatusJson, findingJson, findingLines } from "../check-report.ts";
import type { Context, Verb } from "../context.ts";
import { printableText } from "../display/printable.ts";
import { ProgressMonitor } from "../display/progress-monitor.ts";
import type { Output } from "../output.ts";
import { worstExitCode } from "../worst-exit-code.ts";
import { addStackOptions, addWaitOption, type StackOptions } from "./stack-options.ts";
import { Workspace } from "./workspace.ts";

interface CheckOptions extends StackOptions {
  readData?: boolean;
}

export const checkVerb: Verb<CheckOptions> = {
  describe(command: Command): void {
    command.description(
      "Look for damage: in the repositories of stacks, and in each recovery point, compared with its manifest.",
    );
    addStackOptions(command);
    addWaitOption(command);
    command.option("--read-data", "read every byte of the repositories back and compare it").addHelpText(
      "after",
      `
Without a name, all stacks. Each repository is looked at once, and nobody else can write to it meanwhile.
Without --read-data, the contents of files are not read: only that they are there, and how databases begin.
The exit code is 1 for damage, 3 when the newest recovery point lacks a source.

Examples:
  $ holdfast check
  $ holdfast check mist --read-data --json
`,
    );
  },

  async run(context: Context, words: readonly string[], options: CheckOptions): Promise<ExitCode> {
    using workspace = await Workspace.open(context, options);
    const { configuration, job } = workspace;
    const { output } = context;
    const stacks =
      words.length > 0 ? [...new Set(words)].map((word) => workspace.stack(word)) : [...configuration.stacks.values()];
    const readData = options.readData ?? false;
    using monitor = new ProgressMonitor(output, {
      clock: context.clock,
      framesPerSecond: context.globals.framesPerSecond,
      toJson: checkStatusJson,
    });
    const request = { stacks, readData, listener: listenerOf(output, monitor) };
    const results = await checkStacks(configuration, request, job);
    monitor[Symbol.dispose]();
    for (const result of results) show(result, readData, output);
    const worst = worstExitCode(results.map(({ exitCode }) => exitCode));
    if (output.json) output.jsonLine({ message_type: "summary", stacks: results.length, exit_code: worst });
    return worst;
  },
};

/** What hurts a stack is said of the stack, below; here only what hurts none. */
function listenerOf(
  output: Output,
  monitor: ProgressMonitor,
): (repository: RepositoryConfiguration, event: CheckEvent) => void {
  let errors = 0;
  return (repository, event) => {
    if (event.kind === "progress") return monitor.update(checkProgress(event, errors));
    const { finding } = event;
    if (finding.severity === "error") errors++;
    if (output.json) output.jsonLine({ ...findingJson(finding), repository: repository.name });
    else if (finding.severity !== "error") {
      for (const line of findingLines(finding)) output.detail(`${repository.name}: ${line}`);
    }
  };
}

const verdicts: Readonly<Record<string, string>> = {
  [exitCodes.done]: "no damage was found",
  [exitCodes.partial]: "incomplete",
};

function show(result: StackCheck, readData: boolean, output: Output): void {
  if (output.json) return output.jsonLine(checkJson(result, readData));
  const { stack, points, findings, failed, bytesRead, exitCode } = result;
  const isDamaged = findings.some(({ kind }) => kind === "damage");
  const verdict = isDamaged
    ? "damaged"
    : (verdicts[exitCode] ?? (failed.length > 0 ? "could not be checked" : "incomplete"));
  const read = readData
    ? `, ${formatBytes(bytesRead)} read back and compared`
    : "; contents were not read (see --read-data)";
  const line = `${stack}: ${verdict}, ${formatCount(points.length, "recovery point")}${read}`;
  if (exitCode === exitCodes.done) output.note(line);
  else output.line(line);
  for (const { repository, error } of failed) {
    output.line(printableText(`  the repository ${repository.name} cannot be checked: ${error.message}`));
    if (error.hint !== "") output.line(printableText(`    → ${error.hint}`));
  }
  for (const { kind, repository, message, snapshots, sources, mayHurtMore } of findings) {
    output.line(printableText(`  ${kind} in ${repository}: ${message}`));
    if (snapshots.length === 0 && kind === "damage") output.line("    which recovery points it hurts cannot be told");
    if (snapshots.length > 0) output.line(`    recovery points: ${snapshots.map((id) => id.slice(0, 8)).join(", ")}`);
    if (sources.length > 0)
      output.line(printableText(`    sources: ${sources.join(", ")}${mayHurtMore ? ", and perhaps others" : ""}`));
  }
}

function checkJson({ stack, points, findings, failed, bytesRead, exitCode }: StackCheck, readData: boolean): object {
  return {
    message_type: "stack_check",
    stack,
    exit_code: exitCode,
    read_data: readData,
    bytes_read: bytesRead,
    recovery_points: points.map(({ snapshot }) => snapshot.id),
    findings: findings.map(({ mayHurtMore, ...finding }) => ({ ...finding, may_hurt_more: mayHurtMore })),
    failed: failed.map(({ repository, error }) => ({
      repository: repository.name,
      message: error.message,
      error_code: error.code,
      hint: error.hint,
    })),
  };
}
