// What makes a stack suspicious, so that nothing of it is removed until somebody has looked.
import type { RecoveryPoint } from "../jobs/recovery-points.ts";
import { vanishedHint, vanishedMessage } from "../jobs/vanished-points.ts";
import type { KnownPoint } from "../state/known-points.ts";
import type { Operation, Run } from "../state/runs.ts";

/** What is known of a stack and of its points in one repository. */
export interface SuspicionFacts {
  readonly stack: string;
  readonly repository: string;
  /** Of this host, the oldest first. */
  readonly points: readonly RecoveryPoint[];
  /** Of this host, see `tellingRun`. */
  readonly lastBackup: Run | null;
  readonly lastCheck: Run | null;
  /** Points that this host knew, and that are gone, the oldest first. */
  readonly vanished: readonly KnownPoint[];
  /** Files of the repository that cannot be read: each may be a recovery point, or hold pins. */
  readonly unreadable: readonly string[];
  /** What this host remembers of the stack and the repository cannot be read: then the above says nothing. */
  readonly isStateUnreadable: boolean;
  /** Packs of the repository, still present, that were damaged when this host last read them. */
  readonly damagedPacks: readonly string[];
  /** The repository has packs, and not one snapshot. */
  readonly hasOnlyData: boolean;
  readonly now: Date;
}

/** Clocks are set now and then. */
const graceMs = 3_600_000;

export interface Halt {
  readonly message: string;
  /** What lifts it. */
  readonly hint: string;
}

/**
 * The run that tells how a stack is, among those of one operation, the newest first; null: there is none. A check that
 * was interrupted has not found that what failed before is well now; a backup that was interrupted is missing.
 */
export function tellingRun(operation: Operation, runs: readonly Run[]): Run | null {
  const hasTold = ({ outcome }: Run): boolean =>
    outcome !== "running" && !(operation === "check" && outcome === "interrupted");
  return runs.find(hasTold) ?? null;
}

/** Why nothing may be removed; empty: all is well. */
export function findHalts(facts: SuspicionFacts): Halt[] {
  const { stack, repository, vanished, unreadable } = facts;
  return [
    ...unreadable.map((message) => ({ message, hint: `run \`holdfast check ${stack}\`` })),
    ...(vanished.length === 0 ? [] : [{ message: vanishedMessage(vanished, repository), hint: vanishedHint(stack) }]),
    ...placeHalts(facts),
    ...pointHalts(facts),
    ...runHalts(facts),
    ...drillHalts(facts),
  ];
}

/** What concerns every stack in the repository, for nobody can tell whose it is. */
function placeHalts({ repository, isStateUnreadable, damagedPacks, hasOnlyData }: SuspicionFacts): Halt[] {
  const halts: Halt[] = [];
  if (isStateUnreadable) {
    const message = "the state of this host cannot be read: nobody can tell what has vanished or failed";
    halts.push({ message, hint: "see the warning of `holdfast prune`, and mend the state directory" });
  }
  const [first] = damagedPacks;
  if (first !== undefined) {
    const more = damagedPacks.length > 1 ? `, and ${damagedPacks.length - 1} more` : "";
    const message = `the pack ${first.slice(0, 8)}${more} of ${repository} was damaged when it was last read`;
    halts.push({ message, hint: "run `holdfast check --read-data`, and mend what it finds" });
  }
  if (hasOnlyData) {
    const lost = "see who removed the snapshots, and bring them back from a copy of the repository";
    const message = `the repository ${repository} has data and no snapshot`;
    halts.push({ message, hint: `${lost}; \`holdfast repo prune\` removes data that nobody needs` });
  }
  return halts;
}

function pointHalts({ stack, points, now }: SuspicionFacts): Halt[] {
  const newest = points.at(-1);
  if (newest === undefined) return [];
  const id = newest.snapshot.id.slice(0, 8);
  const halts: Halt[] = [];
  if (newest.problem !== null) {
    const message = `its newest recovery point, ${id}, cannot be read: ${newest.problem.message}`;
    halts.push({ message, hint: `run \`holdfast check ${stack}\`, then \`holdfast backup ${stack}\`` });
  } else if (newest.manifest?.outcome !== "good") {
    halts.push({ message: `its newest recovery point, ${id}, is partial`, hint: backupHint(stack) });
  }
  if (newest.time.getTime() > now.getTime() + graceMs) {
    const message = `its recovery point ${id} is from the future, ${newest.time.toISOString()}`;
    halts.push({ message, hint: "set the clocks of this host: until then everything looks older than it is" });
  }
  return halts;
}

function runHalts({ stack, lastBackup, lastCheck }: SuspicionFacts): Halt[] {
  const halts: Halt[] = [];
  if (lastBackup !== null && lastBackup.outcome !== "good")
    halts.push({ message: `its last backup ${endingOf(lastBackup)}`, hint: backupHint(stack) });
  if (lastCheck?.outcome === "failed")
    halts.push({ message: `its last check ${endingOf(lastCheck)}`, hint: `run \`holdfast check ${stack}\`` });
  return halts;
}

function backupHint(stack: string): string {
  return `see \`holdfast status ${stack}\`, mend what it names, then run \`holdfast backup ${stack}\``;
}

function endingOf({ outcome, message }: Run): string {
  const ending = outcome === "failed" ? "failed" : `was ${outcome}`;
  return message === null ? ending : `${ending}: ${message}`;
}

/** By the newest drill of all points, on whatever host. */
function drillHalts({ stack, points }: SuspicionFacts): Halt[] {
  const proofs = points.flatMap(({ record }) => record.proofs);
  const last = proofs.toSorted((a, b) => Date.parse(a.at) - Date.parse(b.at)).at(-1);
  if (last === undefined || last.result === "passed") return [];
  const message = `its last drill failed: ${last.snapshotId.slice(0, 8)} did not come back as it was captured`;
  return [{ message, hint: `see \`holdfast runs ${stack}\`, then run \`holdfast drill ${stack}\`` }];
}
