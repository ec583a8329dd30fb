// Which recovery points of a stack stay in a repository, and why: the rules of its plans, then what must stay anyhow.
//
// Good points are judged among the good ones of their plan, so that a partial one never takes the place of a good one;
// a partial point is judged among all of its plan. Protections come after the rules and always win.
import { applyPolicy, type KeptSnapshot, type StoredSnapshot } from "@holdfast/repository";
import type { PlanConfiguration, StackConfiguration } from "../configuration/configuration.ts";
import type { RecoveryPoint } from "../jobs/recovery-points.ts";
import { planOf } from "../records/tags.ts";
import type { Halt } from "./halts.ts";
import { policyOfKeep } from "./keep-policy.ts";

export interface RetentionFacts {
  readonly stack: StackConfiguration;
  /** The name of the repository that the points lie in. */
  readonly repository: string;
  /** All points of the stack in this repository, of any host and plan. */
  readonly points: readonly RecoveryPoint[];
  /** Points of other hosts are theirs to clean up. */
  readonly hostname: string;
  /** See `findHalts`: with any of them nothing is removed. */
  readonly halts: readonly Halt[];
  readonly now: Date;
  /** How far the local zone is ahead of UTC, in seconds, at a moment in seconds since the epoch. */
  readonly localZone: (seconds: number) => number;
}

export interface RetentionDecision {
  readonly point: RecoveryPoint;
  readonly action: "keep" | "remove";
  /** At least one, in words for people. */
  readonly reasons: readonly string[];
}

export interface RetentionPlan {
  readonly stack: string;
  readonly repository: string;
  readonly halts: readonly Halt[];
  /** The oldest first. */
  readonly decisions: readonly RetentionDecision[];
}

/** Pure. A plan that names nothing to keep (no `keep`) keeps everything. */
export function planRetention(facts: RetentionFacts): RetentionPlan {
  const { stack, repository, hostname, halts } = facts;
  const points = facts.points.toSorted((a, b) => a.time.getTime() - b.time.getTime());
  const own = points.filter(({ snapshot }) => snapshot.hostname === hostname);
  const rules = new Map([...stack.plans.values()].map((plan) => [plan.name, rulesOfPlan(plan, own, facts)]));
  const lastProven = own.findLast(isProven);
  const decisions = points.map((point): RetentionDecision => {
    if (point.snapshot.hostname !== hostname)
      return { point, action: "keep", reasons: [`it was made on the host ${point.snapshot.hostname}`] };
    const plan = planOf(point.snapshot);
    const ofPlan = plan === null ? undefined : rules.get(plan);
    const reasons = [
      ...(ofPlan === undefined ? [unknownPlan(plan)] : (ofPlan.get(point.snapshot.id) ?? [])),
      ...(point.problem === null ? [] : [`it cannot be read: ${point.problem.message}`]),
      ...(point === lastProven ? ["the last proven one"] : []),
      ...wishesFor(point),
    ];
    if (reasons.length > 0) return { point, action: "keep", reasons };
    if (halts.length > 0) return { point, action: "keep", reasons: ["nothing is removed for now"] };
    const what = point.manifest?.outcome === "good" ? "" : "it is partial, and ";
    return { point, action: "remove", reasons: [`${what}no rule of the plan ${plan} keeps it`] };
  });
  return { stack: stack.name, repository, halts, decisions };
}

/** By id: why the plan keeps its points, and what of them must stay whatever its rules say. */
function rulesOfPlan(
  plan: PlanConfiguration,
  own: readonly RecoveryPoint[],
  { repository, now, localZone }: RetentionFacts,
): ReadonlyMap<string, readonly string[]> {
  const members = own.filter(({ snapshot }) => planOf(snapshot) === plan.name);
  const destination = plan.destinations.find((each) => each.repository === repository);
  if (destination === undefined) return forAll(members, `the plan ${plan.name} does not store in ${repository}`);
  if (destination.keep === null) return forAll(members, `the plan ${plan.name} keeps everything`);
  const policy = policyOfKeep(destination.keep);
  const good = members.filter(({ manifest }) => manifest?.outcome === "good");
  const partial = members.filter(({ manifest }) => manifest?.outcome === "partial");
  const judge = (all: readonly RecoveryPoint[]): readonly KeptSnapshot<StoredSnapshot>[] =>
    applyPolicy(
      all.map(({ snapshot }) => snapshot),
      policy,
      { now, localZone },
    ).keep;
  const isPartial = new Set(partial.map(({ snapshot }) => snapshot.id));
  const kept = [...judge(good), ...judge([...good, ...partial]).filter(({ snapshot }) => isPartial.has(snapshot.id))];
  const reasons = new Map(kept.map((each) => [each.snapshot.id, each.reasons.map(inDays)]));
  const add = ({ snapshot }: RecoveryPoint, reason: string): void =>
    void reasons.set(snapshot.id, [...(reasons.get(snapshot.id) ?? []), reason]);
  const lastGood = good.at(-1);
  if (lastGood !== undefined) add(lastGood, `the last good one of the plan ${plan.name}`);
  for (const point of partial)
    if (lastGood === undefined || point.time > lastGood.time) add(point, "partial, and no good one is newer");
  return reasons;
}

function forAll(points: readonly RecoveryPoint[], reason: string): ReadonlyMap<string, readonly string[]> {
  return new Map(points.map(({ snapshot }) => [snapshot.id, [reason]]));
}

function unknownPlan(plan: string | null): string {
  return plan === null ? "it names no plan" : `the plan ${plan} is not in the configuration`;
}

/** Its last drill counts: one that failed later takes an earlier proof back. */
function isProven({ record }: RecoveryPoint): boolean {
  return record.proofs.toSorted((a, b) => Date.parse(a.at) - Date.parse(b.at)).at(-1)?.result === "passed";
}

function wishesFor({ record: { pins, holds } }: RecoveryPoint): string[] {
  const said = (what: string, note: string): string => (note === "" ? what : `${what}: ${note}`);
  return [
    ...pins.map(({ note }) => said("pinned", note)),
    ...holds.map(({ note, until }) => said(until === null ? "held" : `held until ${until.slice(0, 10)}`, note)),
  ];
}

/** `within 720h` is `within 30d` to those who wrote it so. */
function inDays(reason: string): string {
  return reason.replace(/^within (\d+)h$/, (all, hours: string) =>
    Number(hours) % 24 === 0 ? `within ${Number(hours) / 24}d` : all,
  );
}
