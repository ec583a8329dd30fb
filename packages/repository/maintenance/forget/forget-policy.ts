// Which snapshots a policy keeps, and why: restic's rules, as a plan that can be shown before it is carried out.
//
// Source: restic's `forget` and its documentation ("Removing backup snapshots"). Hours, days, weeks (ISO 8601), months
// and years are those of the clock on the wall where the snapshot was made, as its stored offset says.
import { HoldfastError } from "../../errors.ts";
import {
  before,
  formatCalendarSpan,
  wallTime,
  type CalendarSpan,
  type WallTime,
  type ZoneOffset,
} from "./calendar-span.ts";
import { groupSnapshots, hasTags, type GroupFacts, type GroupKey, type Grouping } from "./snapshot-groups.ts";

export const forgetPeriods = ["hourly", "daily", "weekly", "monthly", "yearly"] as const;
export type ForgetPeriod = (typeof forgetPeriods)[number];

/** What any of the rules keeps stays. 0: there is no such rule; Infinity: all of them. */
export interface ForgetPolicy {
  readonly last: number;
  readonly counts: Readonly<Record<ForgetPeriod, number>>;
  /** Of the newest snapshot of the group; null: there is no such rule. */
  readonly within: CalendarSpan | null;
  readonly withinPeriods: Readonly<Record<ForgetPeriod, CalendarSpan | null>>;
  /** Each list needs all its tags. */
  readonly tags: readonly (readonly string[])[];
}

const noCounts = { hourly: 0, daily: 0, weekly: 0, monthly: 0, yearly: 0 } as const;
const noSpans = { hourly: null, daily: null, weekly: null, monthly: null, yearly: null } as const;

/** No rule at all. */
export const emptyPolicy: ForgetPolicy = {
  last: 0,
  counts: noCounts,
  within: null,
  withinPeriods: noSpans,
  tags: [],
};

export interface ForgetFacts extends GroupFacts {
  readonly id: string;
  /** RFC 3339. */
  readonly time: string;
}

/** What each rule had left after a snapshot. */
export type ForgetCounters = Readonly<Record<"last" | ForgetPeriod, number>>;

export interface KeptSnapshot<Snapshot extends ForgetFacts> {
  readonly snapshot: Snapshot;
  /** In restic's words, as `daily snapshot`; at least one. */
  readonly reasons: readonly string[];
  readonly counters: ForgetCounters;
}

export interface ForgetGroup<Snapshot extends ForgetFacts> {
  readonly key: GroupKey;
  /** The newest first, as all lists of the plan. */
  readonly keep: readonly KeptSnapshot<Snapshot>[];
  readonly remove: readonly Snapshot[];
}

export interface ForgetPlan<Snapshot extends ForgetFacts> {
  /** What the policy does, in one line. */
  readonly policy: string;
  readonly groups: readonly ForgetGroup<Snapshot>[];
}

export interface ForgetContext {
  /** What is newer than this does not count as the newest. */
  readonly now: Date;
  readonly localZone: ZoneOffset;
}

export interface ForgetRequest {
  readonly policy: ForgetPolicy;
  readonly grouping: Grouping;
  /** Without any rule everything is removed: only with this said. */
  readonly mayRemoveAll: boolean;
}

/**
 * Changes nothing. Throws `usage` without a rule, and `refused` when the rules keep nothing of a group: whoever means
 * that says so instead of giving rules.
 */
export function planForget<Snapshot extends ForgetFacts>(
  snapshots: readonly Snapshot[],
  { policy, grouping, mayRemoveAll }: ForgetRequest,
  context: ForgetContext,
): ForgetPlan<Snapshot> {
  const isEmpty = isEmptyPolicy(policy);
  if (isEmpty && !mayRemoveAll) {
    throw new HoldfastError("usage", "no policy was given: nothing would say which snapshots are to be kept", {
      hint: "give at least one --keep option",
    });
  }
  const groups = groupSnapshots(snapshots, grouping).map(({ key, snapshots: members }) => ({
    key,
    ...applyPolicy(members, policy, context),
  }));
  const emptied = groups.find(({ keep }) => keep.length === 0);
  if (!isEmpty && emptied !== undefined) {
    const which = `${emptied.remove.length} snapshots${describeGroup(emptied.key)}`;
    throw new HoldfastError("refused", `the policy keeps none of the ${which}`, {
      hint: "give a rule that keeps some; to remove a whole group, name its snapshots by their ids",
    });
  }
  return { policy: describePolicy(policy), groups };
}

export function isEmptyPolicy({ last, counts, within, withinPeriods, tags }: ForgetPolicy): boolean {
  const noPeriod = forgetPeriods.every((period) => counts[period] === 0 && withinPeriods[period] === null);
  return last === 0 && noPeriod && within === null && tags.length === 0;
}

/** As restic says it: `keep 7 daily, all yearly snapshots and all snapshots within 30d of the newest`. */
export function describePolicy({ last, counts, within, withinPeriods, tags }: ForgetPolicy): string {
  const counted = [["latest", last] as const, ...forgetPeriods.map((period) => [period, counts[period]] as const)]
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${count === Infinity ? "all" : count} ${name}`);
  const spans = forgetPeriods.flatMap((period) => {
    const span = withinPeriods[period];
    return span === null ? [] : [`${period} snapshots within ${formatCalendarSpan(span)}`];
  });
  const rules = [...(counted.length > 0 ? [`${counted.join(", ")} snapshots`] : []), ...spans].join(", ");
  const others = [
    ...(tags.length > 0 ? [`all snapshots with tags [${tags.map(describeTags).join(" ")}]`] : []),
    ...(within === null ? [] : [`all snapshots within ${formatCalendarSpan(within)} of the newest`]),
  ];
  const all = [...(rules === "" ? [] : [rules]), ...others];
  return all.length === 0 ? "remove" : `keep ${all.join(" and ")}`;
}

/** What the policy keeps of one group, and what not; it may keep nothing. */
export function applyPolicy<Snapshot extends ForgetFacts>(
  members: readonly Snapshot[],
  policy: ForgetPolicy,
  { now, localZone }: ForgetContext,
): Pick<ForgetGroup<Snapshot>, "keep" | "remove"> {
  const sorted = newestFirst(members);
  const newest = newestUntil(sorted, BigInt(now.getTime()) * 1_000_000n);
  /** Whether a snapshot of that time is younger; all are when nobody knows how old the newest is. */
  const youngerBy = (span: CalendarSpan): ((time: WallTime) => boolean) => {
    const limit = newest === null ? null : before(newest, span, localZone);
    return (time) => limit === null || time.timeNs > limit;
  };
  const { within } = policy;
  const isWithin = within === null ? () => false : youngerBy(within);
  const rules = [
    new CountRule("last snapshot", policy.last, (_time, place) => place),
    ...forgetPeriods.map((period) => new CountRule(`${period} snapshot`, policy.counts[period], numberOf[period])),
  ];
  const spanRules = forgetPeriods.flatMap((period) => {
    const span = policy.withinPeriods[period];
    if (span === null) return [];
    const rule = new CountRule(`${period} within`, Infinity, numberOf[period]);
    return [{ span, rule, isYounger: youngerBy(span) }];
  });
  const keep: KeptSnapshot<Snapshot>[] = [];
  const remove: Snapshot[] = [];
  for (const [place, { snapshot, time }] of sorted.entries()) {
    const isOldest = place === sorted.length - 1;
    const reasons = [
      ...policy.tags.filter((list) => hasTags(snapshot, list)).map((list) => `has tags ${describeTags(list)}`),
      ...(within !== null && isWithin(time) ? [`within ${formatCalendarSpan(within)}`] : []),
      ...rules.flatMap((rule) => rule.keeps(time, place, isOldest) ?? []),
      ...spanRules.flatMap(({ span, rule, isYounger }) => {
        const reason = isYounger(time) ? rule.keeps(time, place, isOldest) : null;
        return reason === null ? [] : [`${reason} ${formatCalendarSpan(span)}`];
      }),
    ];
    if (reasons.length > 0) keep.push({ snapshot, reasons, counters: countersOf(rules) });
    else remove.push(snapshot);
  }
  return { keep, remove };
}

/** The newest of each hour, day, …: as many as it may keep. */
class CountRule {
  left: number;
  readonly #reason: string;
  readonly #numberOf: (time: WallTime, place: number) => number;
  /** Of the last one that it kept: the next must be of another hour, day, …. */
  #last: number | null = null;

  constructor(reason: string, count: number, number: (time: WallTime, place: number) => number) {
    this.#reason = reason;
    this.left = count;
    this.#numberOf = number;
  }

  /** The reason, or null. While there is something left, the oldest is kept, too: the longest history possible. */
  keeps(time: WallTime, place: number, isOldest: boolean): string | null {
    if (this.left === 0) return null;
    const number = this.#numberOf(time, place);
    const isNext = number !== this.#last;
    if (!isNext && !isOldest) return null;
    this.#last = number;
    this.left--;
    return isNext ? this.#reason : `oldest ${this.#reason}`;
  }
}

/** A number that all snapshots of one hour, day, … share. */
const numberOf: Readonly<Record<ForgetPeriod, (time: WallTime) => number>> = {
  hourly: ({ wall }) => Math.floor(wall.getTime() / 3_600_000),
  daily: ({ wall }) => Math.floor(wall.getTime() / dayMs),
  // Weeks begin on Monday, and the epoch was a Thursday.
  weekly: ({ wall }) => Math.floor((wall.getTime() / dayMs + 3) / 7),
  monthly: ({ wall }) => wall.getUTCFullYear() * 12 + wall.getUTCMonth(),
  yearly: ({ wall }) => wall.getUTCFullYear(),
};
const dayMs = 86_400_000;

function countersOf([last, ...periods]: readonly CountRule[]): ForgetCounters {
  const left = Object.fromEntries(forgetPeriods.map((period, index) => [period, periods[index]?.left ?? 0]));
  return { last: last?.left ?? 0, ...(left as Record<ForgetPeriod, number>) };
}

interface TimedSnapshot<Snapshot> {
  readonly snapshot: Snapshot;
  readonly time: WallTime;
}

/** Of equal times the lower id first, so that the same snapshots always give the same plan. */
function newestFirst<Snapshot extends ForgetFacts>(members: readonly Snapshot[]): TimedSnapshot<Snapshot>[] {
  return members
    .map((snapshot) => ({ snapshot, time: wallTime(snapshot.time) }))
    .sort((a, b) => {
      if (a.time.timeNs !== b.time.timeNs) return a.time.timeNs > b.time.timeNs ? -1 : 1;
      return a.snapshot.id < b.snapshot.id ? -1 : 1;
    });
}

/** Null when all are from the future: then nobody knows how old any of them is. */
function newestUntil(sorted: readonly TimedSnapshot<unknown>[], nowNs: bigint): WallTime | null {
  return sorted.find(({ time }) => time.timeNs < nowNs)?.time ?? null;
}

function describeTags(list: readonly string[]): string {
  return `[${list.join(", ")}]`;
}

function describeGroup({ hostname, paths, tags }: GroupKey): string {
  const parts = [
    ...(hostname === "" ? [] : [`host ${JSON.stringify(hostname)}`]),
    ...(paths === null || paths.length === 0 ? [] : [`paths ${paths.map((path) => JSON.stringify(path)).join(", ")}`]),
    ...(tags === null || tags.length === 0 ? [] : [`tags ${tags.map((tag) => JSON.stringify(tag)).join(", ")}`]),
  ];
  return parts.length === 0 ? "" : ` of ${parts.join(", ")}`;
}
