// `holdfast check`: looks for damage in the recovery points of stacks.
import { HoldfastError, type CheckEvent } from "@holdfast/repository";
import type { Command } from "commander";
import type { RepositoryConfiguration } from "../../configuration/configuration.ts";
import { formatBytes, formatCount } from "../../display/amounts.ts";
import { exitCodes, type ExitCode } from "../../exit-codes.ts";
import { checkStacks, type CheckRequest, type StackCheck } from "../../jobs/check-stacks.ts";
import type { StackFinding } from "../../jobs/stack-finding.ts";
import { vanishedHint } from "../../jobs/vanished-points.ts";
import { checkProgress, checkStatusJson, findingJson, findingLines, shortIds } from "../check-report.ts";
import type { Context, Verb } from "../context.ts";
import { printableText } from "../display/printable.ts";
import { ProgressMonitor } from "../display/progress-monitor.ts";
import type { Output } from "../output.ts";
import { parsePackSubset } from "../values/pack-subsets.ts";
import { formatTime } from "../values/times.ts";
import { worstExitCode } from "../../worst-exit-code.ts";
import { addStackOptions, addWaitOption, type StackOptions } from "./stack-options.ts";
import { Workspace } from "./workspace.ts";

interface CheckOptions extends StackOptions {
  readData?: boolean;
  readDataSubset?: string;
  acceptVanished?: boolean;
}

export const checkVerb: Verb<CheckOptions> = {
  describe(command: Command): void {
    command.description(
      "Look for damage: in the repositories of stacks, and in each recovery point, compared with its manifest.",
    );
    addStackOptions(command);
    addWaitOption(command);
    command
      .option("--read-data", "read every byte of the repositories back and compare it")
      .option("--read-data-subset <subset>", "read back what was not for the longest time: n%, a size, or part n/t")
      .option("--accept-vanished", "miss recovery points no more that are gone: they were removed on purpose")
      .addHelpText(
        "after",
        `
Without a name, all stacks. Each repository is looked at once, and nobody else can write to it meanwhile.
Without --read-data, the contents of files are not read: only that they are there, and how databases begin.
With --read-data-subset 10% each run reads a tenth, and ten runs read everything, whatever is added or removed in
between: this host remembers what was read back when (see holdfast status). What was damaged is always read again.
The exit code is 1 for damage and for recovery points that this host knew and that are gone, 3 when the newest
recovery point lacks a source.

Examples:
  $ holdfast check
  $ holdfast check mist --read-data --json
  $ holdfast check --read-data-subset 10%
`,
      );
  },

  async run(context: Context, words: readonly string[], options: CheckOptions): Promise<ExitCode> {
    using workspace = await Workspace.open(context, options);
    const { configuration, job } = workspace;
    const { output } = context;
    const stacks =
      words.length > 0 ? [...new Set(words)].map((word) => workspace.stack(word)) : [...configuration.stacks.values()];
    const readData = wishOf(options);
    using monitor = new ProgressMonitor(output, {
      clock: context.clock,
      framesPerSecond: context.globals.framesPerSecond,
      toJson: checkStatusJson,
    });
    const { acceptVanished = false } = options;
    const request = { stacks, readData, acceptVanished, listener: listenerOf(output, monitor) };
    const results = await checkStacks(configuration, request, job);
    monitor[Symbol.dispose]();
    for (const result of results) show(result, output);
    const worst = worstExitCode(results.map(({ exitCode }) => exitCode));
    if (output.json) output.jsonLine({ message_type: "summary", stacks: results.length, exit_code: worst });
    return worst;
  },
};

function wishOf({ readData = false, readDataSubset }: CheckOptions): CheckRequest["readData"] {
  if (readDataSubset === undefined) return readData ? "all" : "nothing";
  if (readData) throw new HoldfastError("usage", "--read-data and --read-data-subset cannot be given together");
  return parsePackSubset(readDataSubset, "--read-data-subset");
}

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

function show(result: StackCheck, output: Output): void {
  if (output.json) return output.jsonLine(checkJson(result));
  const { stack, points, findings, failed, exitCode } = result;
  const has = (wanted: StackFinding["kind"]): boolean => findings.some(({ kind }) => kind === wanted);
  const verdict = has("damage")
    ? "damaged"
    : has("vanished")
      ? "recovery points have vanished"
      : (verdicts[exitCode] ?? (failed.length > 0 ? "could not be checked" : "incomplete"));
  const line = `${stack}: ${verdict}, ${formatCount(points.length, "recovery point")}${readText(result)}`;
  if (exitCode === exitCodes.done) output.note(line);
  else output.outcome(line);
  for (const { repository, error } of failed) {
    output.line(printableText(`  the repository ${repository.name} cannot be checked: ${error.message}`));
    if (error.hint !== "") output.line(printableText(`    → ${error.hint}`));
  }
  for (const { kind, repository, message, snapshots, snapshotCount, sources, mayHurtMore } of findings) {
    output.line(printableText(`  ${kind} in ${repository}: ${message}`));
    if (kind === "vanished") output.line(`    → ${vanishedHint(stack)}`);
    if (snapshots.length === 0 && kind === "damage") output.line("    which recovery points it hurts cannot be told");
    if (snapshots.length > 0) output.line(`    recovery points: ${shortIds(snapshots, snapshotCount)}`);
    if (sources.length > 0)
      output.line(printableText(`    sources: ${sources.join(", ")}${mayHurtMore ? ", and perhaps others" : ""}`));
  }
}

/** What was read by this check, and what by all up to now. */
function readText({ bytesRead, coverage }: StackCheck): string {
  if (coverage === null) return "; contents were not read (see --read-data)";
  const { packs, unverified, sinceMs } = coverage;
  const covered =
    sinceMs === null
      ? `; ${formatCount(unverified, "pack")} of ${packs} never verified`
      : `; everything since ${formatTime(new Date(sinceMs))}`;
  return `, ${formatBytes(bytesRead)} read back and compared${covered}`;
}

function checkJson({ stack, points, findings, failed, bytesRead, coverage, exitCode }: StackCheck): object {
  return {
    message_type: "stack_check",
    stack,
    exit_code: exitCode,
    read_data: coverage !== null,
    bytes_read: bytesRead,
    coverage: coverage && {
      packs: coverage.packs,
      unverified_packs: coverage.unverified,
      verified_since: coverage.sinceMs === null ? null : new Date(coverage.sinceMs).toISOString(),
    },
    recovery_points: points.map(({ snapshot }) => snapshot.id),
    findings: findings.map(({ mayHurtMore, snapshotCount, ...finding }) => ({
      ...finding,
      snapshot_count: snapshotCount,
      may_hurt_more: mayHurtMore,
    })),
    failed: failed.map(({ repository, error }) => ({
      repository: repository.name,
      message: error.message,
      error_code: error.code,
      hint: error.hint,
    })),
  };
}
