// What `prune` says of stacks and repositories: lines for people, objects for programs.
import { formatBytes, formatCount } from "../../display/amounts.ts";
import type { PrunedRepository } from "../../jobs/prune-repository.ts";
import { failedOf, removedOf, type StackPart, type StackPrune } from "../../jobs/prune-stacks.ts";
import { planOf } from "../../records/tags.ts";
import type { RetentionDecision } from "../../retention/retention-plan.ts";
import { printableName, printableText } from "../display/printable.ts";
import { renderTable, type Column } from "../display/table.ts";
import { pruneSummaryJson } from "../prune-report.ts";
import { formatTime } from "../values/times.ts";

export interface Shown {
  readonly dryRun: boolean;
  /** False: of the recovery points only those that are removed. */
  readonly all: boolean;
}

export function stackPruneLines({ stack, parts, failed }: StackPrune, shown: Shown): string[] {
  return [
    ...parts.flatMap((part) => partLines(stack, part, shown)),
    ...failed.flatMap(({ repository, error }) => [
      printableText(`${stack}: ${repository.name} was not cleaned up: ${error.message}`),
      ...(error.hint === "" ? [] : [printableText(`  → ${error.hint}`)]),
    ]),
  ];
}

function partLines(stack: string, part: StackPart, { dryRun, all }: Shown): string[] {
  const { plan } = part;
  const removals = plan.decisions.filter(({ action }) => action === "remove");
  const gone = dryRun ? `${removals.length} to be removed` : `${removedOf(part).length} removed`;
  const kept = plan.decisions.length - removals.length;
  const rows = all ? plan.decisions : removals;
  return [
    `${stack} in ${plan.repository}: ${formatCount(kept, "recovery point")} kept, ${gone}`,
    ...plan.halts.flatMap(({ message, hint }) => [
      printableText(`  nothing is removed: ${message}`),
      printableText(`    → ${hint}`),
    ]),
    ...failedOf(part).map(({ id, error }) =>
      printableText(`  ${id.slice(0, 8)} could not be removed: ${error.message}; ${error.hint}`),
    ),
    ...(rows.length === 0 ? [] : renderTable(columns, rows, [])),
  ];
}

const columns: readonly Column<RetentionDecision>[] = [
  { title: "ID", cell: ({ point }) => point.snapshot.id.slice(0, 8) },
  { title: "Time", cell: ({ point }) => formatTime(point.time) },
  { title: "Plan", cell: ({ point }) => printableName(planOf(point.snapshot) ?? "") },
  { title: "Outcome", cell: ({ point }) => point.manifest?.outcome ?? "damaged" },
  { title: "", cell: ({ action }) => action },
  { title: "Reasons", cell: ({ reasons }) => printableText(reasons.join(", ")) },
];

export function stackPruneJson({ stack, parts, failed, exitCode }: StackPrune, dryRun: boolean): object {
  return {
    message_type: "stack_prune",
    stack,
    dry_run: dryRun,
    exit_code: exitCode,
    repositories: parts.map((part) => ({
      repository: part.plan.repository,
      halted: part.plan.halts,
      recovery_points: part.plan.decisions.map(({ point, action, reasons }) => ({
        id: point.snapshot.id,
        time: point.time.toISOString(),
        plan: planOf(point.snapshot),
        outcome: point.manifest?.outcome ?? "damaged",
        action,
        reasons,
      })),
      removed: removedOf(part),
      failed: failedOf(part).map(({ id, error }) => ({
        id,
        message: error.message,
        error_code: error.code,
        hint: error.hint,
      })),
    })),
    failed: failed.map(({ repository, error }) => ({
      repository: repository.name,
      message: error.message,
      error_code: error.code,
      hint: error.hint,
    })),
  };
}

/** With restic's figures of a prune; null when the data was left alone. */
export function repositoryPruneJson({ repository, statistics, halts }: PrunedRepository, dryRun: boolean): object {
  return {
    ...(statistics === null ? { blobs: null, bytes: null, packfiles: null } : pruneSummaryJson(statistics)),
    message_type: "repository_prune",
    repository: repository.name,
    dry_run: dryRun,
    halted: halts,
  };
}

/** Halts of stacks that were cleaned up stand with these; those of others here. */
export function repositoryPruneLines(
  { repository, statistics, halts, plans }: PrunedRepository,
  dryRun: boolean,
): string[] {
  if (statistics === null) {
    const said = new Set(plans.map(({ stack }) => stack));
    const halted = [...new Set(halts.map(({ stack }) => stack))].map(printableName).join(", ");
    const why = halted === "" ? "no snapshot could be removed" : `a stack in it is halted: ${halted}`;
    return [
      `${repository.name}: its data was left alone, for ${why}`,
      ...halts
        .filter(({ stack }) => !said.has(stack))
        .flatMap(({ stack, message, hint }) => [
          printableText(`  ${stack}: ${message}`),
          printableText(`    → ${hint}`),
        ]),
    ];
  }
  const { bytes } = statistics;
  const line = `${repository.name}: ${formatBytes(bytes.removeTotal)} ${dryRun ? "to be freed" : "freed"}, ${formatBytes(bytes.remaining)} remain`;
  return [line];
}
