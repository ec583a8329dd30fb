// The rules of `forget`: what holds for any snapshots and any policy, and what the words of a plan are.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { hasCode } from "../../errors.ts";
import { before, formatCalendarSpan, parseCalendarSpan, wallTime, type CalendarSpan } from "./calendar-span.ts";
import {
  describePolicy,
  emptyPolicy,
  forgetPeriods,
  isEmptyPolicy,
  planForget,
  type ForgetFacts,
  type ForgetPlan,
  type ForgetPolicy,
} from "./forget-policy.ts";
import type { Grouping } from "./snapshot-groups.ts";

const utc = { now: new Date("2030-01-01T00:00:00Z"), localZone: () => 0 };
const ungrouped: Grouping = { host: false, paths: false, tags: false };

const spans = fc.record(
  {
    years: fc.integer({ min: 0, max: 3 }),
    months: fc.integer({ min: 0, max: 14 }),
    days: fc.integer({ min: 0, max: 40 }),
    hours: fc.integer({ min: 0, max: 50 }),
  },
  { noNullPrototype: true },
);
const counts = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 6 }), fc.constant(Infinity));
const perPeriod = <Value>(value: fc.Arbitrary<Value>) =>
  fc.record({ hourly: value, daily: value, weekly: value, monthly: value, yearly: value });
const tagNames = fc.constantFrom("red", "blue", "gold");
const policies: fc.Arbitrary<ForgetPolicy> = fc
  .record({
    last: counts,
    counts: perPeriod(counts),
    within: fc.option(spans),
    withinPeriods: perPeriod(fc.option(spans, { freq: 1 })),
    tags: fc.array(fc.array(tagNames, { minLength: 1, maxLength: 2 }), { maxLength: 2 }),
  })
  .filter((policy) => !isEmptyPolicy(policy));

const offsets = fc.constantFrom("Z", "+00:00", "+01:00", "-03:30", "+13:45");
const facts: fc.Arbitrary<Omit<ForgetFacts, "id">> = fc.record({
  time: fc
    .tuple(
      // Close together and far apart, so that hours, days and years are shared.
      fc.oneof(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 0, max: 60_000 })),
      fc.constantFrom("", ".5", ".000000001"),
      offsets,
    )
    .map(([hours, fraction, offset]) => {
      const wall = new Date(Date.UTC(2019, 0, 1) + hours * 3_600_000).toISOString().slice(0, 19);
      return `${wall}${fraction}${offset}`;
    }),
  hostname: fc.constantFrom("alpha", "beta"),
  paths: fc.constantFrom(["/a"], ["/a", "/b"], ["/b", "/a"]),
  tags: fc.uniqueArray(tagNames, { maxLength: 3 }),
});
const lists: fc.Arbitrary<ForgetFacts[]> = fc
  .array(facts, { maxLength: 40 })
  .map((all) => all.map((each, number) => ({ ...each, id: number.toString(16).padStart(64, "0") })));
const groupings = fc.record({ host: fc.boolean(), paths: fc.boolean(), tags: fc.boolean() });

/** Tags alone may keep nothing, which is refused: then nothing is to be looked at. */
function planOrNull(
  snapshots: ForgetFacts[],
  policy: ForgetPolicy,
  grouping: Grouping,
): ForgetPlan<ForgetFacts> | null {
  try {
    return planForget(snapshots, { policy, grouping, mayRemoveAll: false }, utc);
  } catch (error) {
    if (hasCode(error, "refused")) return null;
    throw error;
  }
}

const keptOf = ({ groups }: ForgetPlan<ForgetFacts>): string[] =>
  groups.flatMap(({ keep }) => keep.map(({ snapshot }) => snapshot.id)).sort();
const removedOf = ({ groups }: ForgetPlan<ForgetFacts>): string[] =>
  groups.flatMap(({ remove }) => remove.map(({ id }) => id)).sort();

/** A rule more, or one that keeps more. */
function moreGenerous(policy: ForgetPolicy, by: number): ForgetPolicy {
  return {
    ...policy,
    last: policy.last + by,
    counts: Object.fromEntries(forgetPeriods.map((period) => [period, policy.counts[period] + by])) as never,
    within: policy.within === null ? { years: 0, months: 0, days: by, hours: 0 } : longer(policy.within, by),
    withinPeriods: Object.fromEntries(
      forgetPeriods.map((period) => {
        const span = policy.withinPeriods[period];
        return [period, span && longer(span, by)];
      }),
    ) as never,
    tags: [...policy.tags, ["red"]],
  };
}

const longer = (span: CalendarSpan, days: number): CalendarSpan => ({ ...span, days: span.days + days });

describe("a plan to forget", () => {
  it("R140: says of each snapshot once whether it is kept, and why", () => {
    fc.assert(
      fc.property(lists, policies, groupings, (snapshots, policy, grouping) => {
        const plan = planOrNull(snapshots, policy, grouping);
        if (plan === null) return;
        assert.deepEqual([...keptOf(plan), ...removedOf(plan)].sort(), snapshots.map(({ id }) => id).sort());
        for (const { keep } of plan.groups) for (const { reasons } of keep) assert.ok(reasons.length > 0);
      }),
    );
  });

  it("is the same whatever the order of the snapshots", () => {
    fc.assert(
      fc.property(
        lists.chain((list) => fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length }))),
        policies,
        groupings,
        ([list, shuffled], policy, grouping) => {
          const [one, other] = [planOrNull(list, policy, grouping), planOrNull(shuffled, policy, grouping)];
          assert.deepEqual(one && keptOf(one), other && keptOf(other));
        },
      ),
    );
  });

  it("keeps the same again of what it has kept, but for the oldest that filled up a rule", () => {
    fc.assert(
      fc.property(lists, policies, groupings, (snapshots, policy, grouping) => {
        const plan = planOrNull(snapshots, policy, grouping);
        if (plan === null) return;
        const kept = new Set(keptOf(plan));
        const again = planOrNull(
          snapshots.filter(({ id }) => kept.has(id)),
          policy,
          grouping,
        );
        assert.deepEqual(again && removedOf(again), []);
      }),
    );
  });

  it("keeps no less with a more generous policy", () => {
    fc.assert(
      fc.property(lists, policies, groupings, fc.integer({ min: 1, max: 30 }), (snapshots, policy, grouping, by) => {
        const plan = planOrNull(snapshots, policy, grouping);
        const more = planOrNull(snapshots, moreGenerous(policy, by), grouping);
        if (plan === null) return;
        const kept = new Set(more === null ? [] : keptOf(more));
        // The oldest of all stays only while a rule is not used up: it is no matter of generosity.
        for (const { keep } of plan.groups) {
          for (const { snapshot, reasons } of keep) {
            if (!reasons.every((reason) => reason.startsWith("oldest")))
              assert.ok(kept.has(snapshot.id), snapshot.time);
          }
        }
      }),
    );
  });

  it("agrees with counting by hand: the newest of each hour, day, week, month and year", () => {
    const keyOf = {
      hourly: (wall: Date) => wall.toISOString().slice(0, 13),
      daily: (wall: Date) => wall.toISOString().slice(0, 10),
      weekly: (wall: Date) => isoWeek(wall),
      monthly: (wall: Date) => wall.toISOString().slice(0, 7),
      yearly: (wall: Date) => wall.toISOString().slice(0, 4),
    };
    const inUtc = lists.map((list) =>
      list.map((each) => ({ ...each, time: each.time.replace(/(Z|[+-]..:..)$/, "Z") })),
    );
    fc.assert(
      fc.property(inUtc, fc.constantFrom(...forgetPeriods), fc.integer({ min: 1, max: 9 }), (list, period, count) => {
        const policy = { ...emptyPolicy, counts: { ...emptyPolicy.counts, [period]: count } };
        const newestFirst = list.toSorted((a, b) => {
          const [left, right] = [wallTime(a.time).timeNs, wallTime(b.time).timeNs];
          return left === right ? (a.id < b.id ? -1 : 1) : left > right ? -1 : 1;
        });
        const firstOfEach = new Map<string, string>();
        for (const { id, time } of newestFirst) {
          const key = keyOf[period](new Date(`${time.slice(0, 19)}Z`));
          if (!firstOfEach.has(key)) firstOfEach.set(key, id);
        }
        const expected = new Set([...firstOfEach.values()].slice(0, count));
        const oldest = newestFirst.at(-1);
        if (firstOfEach.size < count && oldest !== undefined) expected.add(oldest.id);
        const plan = planOrNull(list, policy, ungrouped);
        assert.deepEqual(plan && keptOf(plan), [...expected].sort());
      }),
    );
  });

  /** Of the Thursday of its week, by ISO 8601: written apart from the rules. */
  function isoWeek(wall: Date): string {
    const thursday = new Date(wall);
    thursday.setUTCDate(wall.getUTCDate() + 4 - (wall.getUTCDay() || 7));
    const year = thursday.getUTCFullYear();
    return `${year}-${Math.ceil(((thursday.getTime() - Date.UTC(year, 0, 1)) / 86_400_000 + 1) / 7)}`;
  }

  it("is refused without a rule, and when nothing of a group would be left", () => {
    const list = [{ id: "1", time: "2024-01-01T00:00:00Z", hostname: "a", paths: ["/x"], tags: [] }];
    const request = { policy: emptyPolicy, grouping: ungrouped, mayRemoveAll: false };
    assert.throws(
      () => planForget(list, request, utc),
      (error) => hasCode(error, "usage"),
    );
    assert.deepEqual(removedOf(planForget(list, { ...request, mayRemoveAll: true }, utc)), ["1"]);
    const policy = { ...emptyPolicy, tags: [["gold"]] };
    for (const mayRemoveAll of [false, true]) {
      assert.throws(
        () => planForget(list, { policy, grouping: { ...ungrouped, host: true }, mayRemoveAll }, utc),
        (error) => hasCode(error, "refused") && error.message.includes('1 snapshots of host "a"'),
      );
    }
    assert.deepEqual(planForget([], { ...request, policy }, utc).groups, []);
  });

  it("counts down what each rule has left", () => {
    const list = ["01", "02", "03"].map((day) => ({
      id: day,
      time: `2024-01-${day}T00:00:00Z`,
      hostname: "a",
      paths: [],
      tags: [],
    }));
    const policy = { ...emptyPolicy, last: 1, counts: { ...emptyPolicy.counts, daily: 2, yearly: Infinity } };
    const [group] = planForget(list, { policy, grouping: ungrouped, mayRemoveAll: false }, utc).groups;
    assert.deepEqual(
      group?.keep.map(({ snapshot, reasons, counters }) => [snapshot.id, reasons, counters.last, counters.daily]),
      [
        ["03", ["last snapshot", "daily snapshot", "yearly snapshot"], 0, 1],
        ["02", ["daily snapshot"], 0, 0],
        ["01", ["oldest yearly snapshot"], 0, 0],
      ],
    );
    assert.equal(group?.keep[0]?.counters.yearly, Infinity);
  });

  it("R147: keeps by exact age, to the nanosecond, whatever the zone", () => {
    const at = (time: string) => ({ id: time, time, hostname: "a", paths: [], tags: [] });
    const list = [
      at("2024-03-31T12:00:00.5+02:00"),
      at("2024-03-30T11:00:00.500000001+01:00"),
      at("2024-03-30T11:00:00.5+01:00"),
      at("2024-03-30T09:59:00Z"),
    ];
    const policy = { ...emptyPolicy, within: { years: 0, months: 0, days: 0, hours: 24 } };
    const plan = planForget(list, { policy, grouping: ungrouped, mayRemoveAll: false }, utc);
    assert.deepEqual(removedOf(plan), ["2024-03-30T09:59:00Z", "2024-03-30T11:00:00.5+01:00"]);
  });

  it("describes its policy in restic's words", () => {
    const policy: ForgetPolicy = {
      last: 3,
      counts: { ...emptyPolicy.counts, daily: 7, yearly: Infinity },
      within: parseCalendarSpan("30d"),
      withinPeriods: { ...emptyPolicy.withinPeriods, weekly: parseCalendarSpan("1y2m") },
      tags: [["a", "b"], ["c"]],
    };
    assert.equal(
      describePolicy(policy),
      "keep 3 latest, 7 daily, all yearly snapshots, weekly snapshots within 1y2m" +
        " and all snapshots with tags [[a, b] [c]] and all snapshots within 30d of the newest",
    );
    assert.equal(describePolicy(emptyPolicy), "remove");
  });
});

describe("a span of the calendar", () => {
  it("is written as it is read", () => {
    fc.assert(
      fc.property(spans, (span) => {
        assert.deepEqual(parseCalendarSpan(formatCalendarSpan(span)), span);
      }),
    );
    assert.deepEqual(parseCalendarSpan(" 2h1y3h "), { years: 1, months: 0, days: 0, hours: 3 });
    for (const text of ["-5d", "5", "5x", "d", "1.5d", "5 d", "9999999d"]) assert.equal(parseCalendarSpan(text), null);
  });

  it("goes back by the calendar where the time was written, changes of the clock included", () => {
    // Berlin: summer time from 2024-03-31T01:00:00Z to 2024-10-27T01:00:00Z.
    const summer = [Date.parse("2024-03-31T01:00:00Z") / 1000, Date.parse("2024-10-27T01:00:00Z") / 1000] as const;
    const berlin = (seconds: number): number => (seconds >= summer[0] && seconds < summer[1] ? 7200 : 3600);
    const back = (time: string, span: string): string => {
      const parsed = parseCalendarSpan(span);
      assert.ok(parsed);
      const moment = before(wallTime(time), parsed, berlin);
      return moment === null ? "long ago" : new Date(Number(moment / 1_000_000n)).toISOString();
    };
    assert.equal(back("2024-04-01T12:00:00+02:00", "1d"), "2024-03-31T10:00:00.000Z");
    assert.equal(back("2024-04-01T12:00:00+02:00", "2d"), "2024-03-30T11:00:00.000Z", "a day of 25 hours");
    assert.equal(back("2024-04-01T12:00:00+02:00", "48h"), "2024-03-30T10:00:00.000Z");
    assert.equal(back("2024-04-01T12:00:00-02:00", "2d"), "2024-03-30T14:00:00.000Z", "of no zone with changes");
    assert.equal(back("2024-04-01T10:00:00Z", "2d"), "2024-03-30T10:00:00.000Z");
    assert.equal(back("2024-03-31T12:00:00+02:00", "1m"), "2024-03-02T11:00:00.000Z", "February has no 31st");
    assert.equal(back("2024-02-29T12:00:00+01:00", "1y"), "2023-03-01T11:00:00.000Z");
    assert.equal(back("2024-04-01T02:30:00+02:00", "1d"), "2024-03-31T01:30:00.000Z", "half past two was left out");
    assert.equal(back("2024-10-28T02:30:00+01:00", "1d"), "2024-10-27T01:30:00.000Z", "half past two came twice");
    assert.equal(back("2024-04-01T12:00:00+02:00", "999999y"), "long ago");
  });
});
