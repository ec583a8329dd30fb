// What is to be said of a stack: from facts to remarks. Pure, and never good by default.
import type { ClosedRepository } from "../access/open-repositories.ts";
import { parseCron } from "../configuration/cron-schedule.ts";
import type { PlanConfiguration, ProveConfiguration, StackConfiguration } from "../configuration/configuration.ts";
import { formatAge } from "../display/ages.ts";
import { exitCodeOf, exitCodes, type ExitCode } from "../exit-codes.ts";
import type { Proof } from "../records/stack-record.ts";
import { planOf } from "../records/tags.ts";
import type { Run } from "../state/runs.ts";
import type { RecoveryPoint } from "./recovery-points.ts";
import { vanishedHint, vanishedMessage, type VanishedPoint } from "./vanished-points.ts";

export interface StackFacts {
  readonly stack: StackConfiguration;
  /** The newest of this host; null when there was none. */
  readonly lastBackup: Run | null;
  readonly lastCheck: Run | null;
  /** The newest good one after which every pack had been read back, by itself or by those before. */
  readonly lastVerification: Run | null;
  /** Recovery points that this host knew, and that are gone. */
  readonly vanished: readonly VanishedPoint[];
  /** In all repositories that could be opened, the oldest first. */
  readonly points: readonly RecoveryPoint[];
  /** Its repositories that could not be opened. */
  readonly failed: readonly ClosedRepository[];
  /** What a look at its sources says, in plain words. */
  readonly sourceProblems: readonly { readonly source: string; readonly problem: string; readonly optional: boolean }[];
  readonly now: Date;
}

export interface Remark {
  /** A word for programs. */
  readonly kind: string;
  /** What the shell is told; `done`: worth knowing, and no more. */
  readonly exitCode: ExitCode;
  readonly message: string;
  /** What to do about it; empty when nothing is to be done. */
  readonly hint: string;
}

export interface Overdue {
  readonly what: "backup" | "proof";
  readonly dueAt: Date;
  readonly reason: string;
}

export interface StackStatus {
  readonly stack: string;
  readonly ran: Run | null;
  /** False: a repository could not be opened, and may have more than what is known here. */
  readonly isComplete: boolean;
  /** The newest good recovery point. */
  readonly stored: RecoveryPoint | null;
  /** One that is newer and not good. */
  readonly newerPartial: RecoveryPoint | null;
  /** Up to the snapshot, everything was read back at that time or later. */
  readonly verified: { readonly at: Date; readonly snapshotId: string | null } | null;
  /** The last drill that was passed. */
  readonly proven: Proof | null;
  readonly overdue: readonly Overdue[];
  readonly remarks: readonly Remark[];
}

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
/** A run that begins late, or is still at work, is not overdue at once. */
const graceMs = hourMs;
const periodMs: Readonly<Record<NonNullable<ProveConfiguration["restore"]>, number>> = {
  daily: dayMs,
  weekly: 7 * dayMs,
  monthly: 31 * dayMs,
  quarterly: 92 * dayMs,
  yearly: 366 * dayMs,
};

export function judgeStack(facts: StackFacts): StackStatus {
  const { points, lastBackup, lastVerification } = facts;
  const good = points.filter(({ manifest }) => manifest?.outcome === "good");
  const stored = good.at(-1) ?? null;
  const newerPartial =
    points.findLast((point) => point.manifest?.outcome === "partial" && point.time >= (stored?.time ?? new Date(0))) ??
    null;
  const proofs = points.flatMap(({ record }) => record.proofs).toSorted((a, b) => Date.parse(a.at) - Date.parse(b.at));
  const proven = proofs.findLast(({ result }) => result === "passed") ?? null;
  const overdue = [...overdueBackups(facts, good), ...overdueProof(facts, good[0], proven)];
  return {
    stack: facts.stack.name,
    ran: lastBackup,
    isComplete: facts.failed.length === 0,
    stored,
    newerPartial,
    verified: lastVerification && {
      at: new Date(lastVerification.counts["verifiedSinceMs"] ?? lastVerification.startedAt),
      snapshotId: lastVerification.snapshotIds.at(-1) ?? null,
    },
    proven,
    overdue,
    remarks: [
      ...repositoryRemarks(facts),
      ...vanishedRemarks(facts),
      ...storedRemarks(facts, stored, newerPartial),
      ...clockRemarks(facts),
      ...runRemarks(facts),
      ...proofRemarks(facts, proofs),
      ...overdue.map(({ what, reason }) => ({
        kind: `${what}-overdue`,
        exitCode: exitCodes.failed,
        message: reason,
        hint: what === "backup" ? scheduleHint(facts) : `run \`holdfast drill ${facts.stack.name}\``,
      })),
      ...sourceRemarks(facts),
    ],
  };
}

function repositoryRemarks({ failed, points }: StackFacts): Remark[] {
  return [
    ...failed.map(({ repository, error }) => ({
      kind: error.code,
      exitCode: exitCodeOf(error.code),
      message: `the repository ${repository.name} cannot be opened: ${error.message}`,
      hint: error.hint,
    })),
    ...points.flatMap(({ problem }) =>
      problem === null
        ? []
        : [{ kind: "damaged", exitCode: exitCodes.failed, message: problem.message, hint: "run `holdfast check`" }],
    ),
  ];
}

function vanishedRemarks({ stack, vanished }: StackFacts): Remark[] {
  return [...Map.groupBy(vanished, ({ repository }) => repository)].map(([repository, points]) => ({
    kind: "vanished",
    exitCode: exitCodes.failed,
    message: vanishedMessage(points, repository),
    hint: vanishedHint(stack.name),
  }));
}

function storedRemarks(
  { stack, points, failed, lastBackup }: StackFacts,
  stored: RecoveryPoint | null,
  newerPartial: RecoveryPoint | null,
): Remark[] {
  if (stored === null) {
    // What cannot be looked at is said above; it may have all that is missing here.
    if (failed.length > 0 && points.length === 0) return [];
    const never = points.length === 0 && lastBackup === null;
    return [
      {
        kind: never ? "never-ran" : "no-good-recovery-point",
        exitCode: exitCodes.failed,
        message: never
          ? "it was never backed up: nothing of it can be brought back"
          : `it has no good recovery point${points.length === 0 ? "" : `, only ${points.length} that are not`}`,
        hint: never
          ? `run \`holdfast backup ${stack.name}\``
          : `see \`holdfast runs ${stack.name}\` for the reason, then run \`holdfast backup ${stack.name}\``,
      },
    ];
  }
  if (newerPartial === null) return [];
  return [
    {
      kind: "partial",
      exitCode: exitCodes.partial,
      message: `its newest recovery point, ${newerPartial.snapshot.id.slice(0, 8)}, is partial: ${reasonOf(newerPartial)}`,
      hint: `mend what is named, then run \`holdfast backup ${stack.name}\``,
    },
  ];
}

function reasonOf({ manifest }: RecoveryPoint): string {
  return Object.entries(manifest?.sources ?? {})
    .filter(([, { outcome }]) => outcome === "failed" || outcome === "partial")
    .map(([name, { outcome, reason, errors }]) => `${name}: ${reason ?? errors[0] ?? outcome}`)
    .join("; ");
}

/** The age of what comes from the future says nothing. */
function clockRemarks({ points, now }: StackFacts): Remark[] {
  const newest = points.at(-1);
  if (newest === undefined || newest.time.getTime() <= now.getTime() + graceMs) return [];
  return [
    {
      kind: "future",
      exitCode: exitCodes.failed,
      message: `its recovery point ${newest.snapshot.id.slice(0, 8)} is from the future, ${newest.time.toISOString()}`,
      hint: "set the clocks of this host and of the one that made it: until then nobody can tell what is overdue",
    },
  ];
}

function runRemarks({ stack, lastBackup, lastCheck }: StackFacts): Remark[] {
  const remarks: Remark[] = [];
  if (lastBackup?.outcome === "failed" || lastBackup?.outcome === "interrupted") {
    const how = lastBackup.outcome === "failed" ? "failed" : "was interrupted";
    remarks.push({
      kind: "last-run-failed",
      exitCode: exitCodes.failed,
      message: `its last backup ${how}${lastBackup.message === null ? "" : `: ${lastBackup.message}`}`,
      hint: `mend the reason, then run \`holdfast backup ${stack.name}\``,
    });
  }
  if (lastCheck?.outcome === "failed") {
    remarks.push({
      kind: "check-failed",
      exitCode: exitCodes.failed,
      message: `its last check failed${lastCheck.message === null ? "" : `: ${lastCheck.message}`}`,
      hint: `run \`holdfast check ${stack.name}\` to see what is affected`,
    });
  }
  return remarks;
}

function proofRemarks({ stack }: StackFacts, proofs: readonly Proof[]): Remark[] {
  const last = proofs.at(-1);
  if (last === undefined) return [];
  const id = last.snapshotId.slice(0, 8);
  const { rtoMs } = stack.prove;
  if (last.result === "failed") {
    return [
      {
        kind: "drill-failed",
        exitCode: exitCodes.failed,
        message: `its last drill failed: ${id} did not come back as it was captured`,
        hint: `see \`holdfast runs ${stack.name}\`, then run \`holdfast drill ${stack.name}\``,
      },
    ];
  }
  if (rtoMs === null || last.rtoMs <= rtoMs) return [];
  return [
    {
      kind: "too-slow",
      exitCode: exitCodes.failed,
      message: `its last drill took ${formatAge(last.rtoMs)}, and no more than ${formatAge(rtoMs)} are allowed`,
      hint: "restore from a nearer repository, or allow more as prove.rto",
    },
  ];
}

function sourceRemarks({ stack, sourceProblems }: StackFacts): Remark[] {
  const remarks = sourceProblems.map(({ source, problem, optional }) => ({
    kind: "source-missing",
    exitCode: exitCodes.done,
    message: `the source ${source}${optional ? ", which is optional" : ""}: ${problem}`,
    hint: optional ? "" : "mount or make what is missing, or mend its path in the configuration",
  }));
  if ([...stack.plans.values()].some(({ schedule }) => schedule !== null)) return remarks;
  const message = "no plan of it has a schedule: it is captured only when somebody asks for it";
  return [...remarks, { kind: "no-schedule", exitCode: exitCodes.done, message, hint: "" }];
}

/** By the recovery point objective, and by the schedule of each plan as far as it says on which days it runs. */
function overdueBackups({ stack, now, lastBackup }: StackFacts, good: readonly RecoveryPoint[]): Overdue[] {
  const found: Overdue[] = [];
  const { rpoMs } = stack.prove;
  const newest = good.at(-1);
  const add = (last: Date, allowedMs: number, why: string): void => {
    const dueAt = new Date(last.getTime() + allowedMs);
    if (now <= dueAt) return;
    const age = formatAge(now.getTime() - last.getTime());
    found.push({ what: "backup", dueAt, reason: `the newest good recovery point ${why} is ${age} old` });
  };
  if (newest !== undefined && rpoMs !== null) add(newest.time, rpoMs, `(rpo: ${formatAge(rpoMs)})`);
  for (const plan of stack.plans.values()) {
    const last = good.findLast(({ snapshot }) => planOf(snapshot) === plan.name);
    const isRunning = lastBackup?.outcome === "running" && lastBackup.plan === plan.name;
    const gapMs = longestGapMs(plan);
    if (last === undefined || isRunning || gapMs === null) continue;
    add(last.time, gapMs + graceMs, `of the plan ${plan.name} (schedule: ${plan.schedule})`);
  }
  return found;
}

function longestGapMs({ schedule }: PlanConfiguration): number | null {
  const rhythm = schedule === null ? "" : parseCron(schedule);
  return typeof rhythm === "string" || !Number.isFinite(rhythm.longestGapDays) ? null : rhythm.longestGapDays * dayMs;
}

function overdueProof({ stack, now }: StackFacts, oldest: RecoveryPoint | undefined, proven: Proof | null): Overdue[] {
  const period = stack.prove.restore;
  const since = proven === null ? oldest?.time : new Date(proven.at);
  if (period === null || since === undefined) return [];
  const dueAt = new Date(since.getTime() + periodMs[period]);
  if (now <= dueAt) return [];
  const age = formatAge(now.getTime() - since.getTime());
  const reason =
    proven === null
      ? `no drill was ever passed, and the oldest good recovery point is ${age} old (prove: ${period})`
      : `the last drill was passed ${age} ago (prove: ${period})`;
  return [{ what: "proof", dueAt, reason }];
}

function scheduleHint({ stack }: StackFacts): string {
  const scheduled = [...stack.plans.values()].some(({ schedule }) => schedule !== null);
  const run = `run \`holdfast backup ${stack.name}\``;
  return scheduled ? `see that cron or a timer still runs it (\`holdfast runs\`), or ${run}` : run;
}
