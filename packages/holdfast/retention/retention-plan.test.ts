// What stays of a stack: the rules over years, and what no rule may take away.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { StackConfiguration } from "../configuration/configuration.ts";
import type { RecoveryPoint } from "../jobs/recovery-points.ts";
import { dayMs, keptOf, ownHost, plan, point, stack, type PointFacts } from "./retention-fixture.ts";
import { planRetention, type RetentionPlan } from "./retention-plan.ts";

const start = Date.parse("2020-01-01T02:00:00Z");
const later = new Date("2040-01-01T00:00:00Z");
const day = (number: number): Date => new Date(start + number * dayMs);

function retention(
  points: readonly RecoveryPoint[],
  configuration: StackConfiguration,
  { halts = [], repository = "local" }: { halts?: { message: string; hint: string }[]; repository?: string } = {},
): RetentionPlan {
  return planRetention({
    stack: configuration,
    repository,
    points,
    hostname: ownHost,
    halts,
    now: later,
    localZone: () => 0,
  });
}

/** A point a day, each day followed by a prune: what is left after so many days. */
function live(days: number, configuration: StackConfiguration, everyMs = dayMs): RecoveryPoint[] {
  let points: RecoveryPoint[] = [];
  for (let time = start; time < start + days * dayMs; time += everyMs) {
    points = keptOf(retention([...points, point(new Date(time))], configuration));
  }
  return points;
}

const dates = (points: readonly RecoveryPoint[]): string[] => points.map(({ time }) => time.toISOString().slice(0, 10));
const last = (points: readonly RecoveryPoint[], count: number): string[] => dates(points).slice(-count);
const reasonsOf = (result: RetentionPlan, wanted: RecoveryPoint): readonly string[] =>
  result.decisions.find((each) => each.point === wanted)?.reasons ?? assert.fail("it is in no decision");

describe("the rules of plans, over years", () => {
  it("R142, R143, R146: seven days and four weeks leave just these after 400 days", () => {
    const left = live(400, stack(plan("daily", { local: { daily: 7, weekly: 4 } })));
    // Day 399 is Wednesday, 2021-02-03; the Sundays before it end their weeks.
    const weeks = ["2021-01-17", "2021-01-24"];
    const days = ["2021-01-28", "2021-01-29", "2021-01-30", "2021-01-31", "2021-02-01", "2021-02-02", "2021-02-03"];
    assert.deepEqual(dates(left), [...weeks, ...days]);
  });

  it("R144: twelve months at one repository, a week at the other, each by its own rules", () => {
    const points = Array.from({ length: 400 }, (_, number) => point(day(number)));
    const configuration = stack(plan("daily", { local: { daily: 7 }, archive: { monthly: 12 } }));
    assert.equal(keptOf(retention(points, configuration)).length, 7);
    const archived = keptOf(retention(points, configuration, { repository: "archive" }));
    assert.equal(archived.length, 12);
    assert.deepEqual(last(archived, 3), ["2020-12-31", "2021-01-31", "2021-02-03"]);
  });

  it("R145, R388: seven years stay of eight, though no job is a yearly one", () => {
    const left = live(8 * 365 + 2, stack(plan("daily", { local: { yearly: 7 } })), 7 * dayMs);
    assert.deepEqual(
      dates(left).map((date) => date.slice(0, 4)),
      ["2021", "2022", "2023", "2024", "2025", "2026", "2027"],
    );
  });

  it("R134: three days of a point every six hours are twelve", () => {
    const left = live(10, stack(plan("daily", { local: { withinMs: 3 * dayMs } })), dayMs / 4);
    assert.equal(left.length, 12);
  });

  it("R147, R152, R401: removes what is older than N days to the minute, for each N from 1 to 365", () => {
    for (let days = 1; days <= 365; days++) {
      const newest = point(day(1000));
      const younger = point(new Date(day(1000 - days).getTime() + 60_000));
      const older = point(new Date(day(1000 - days).getTime() - 60_000));
      const result = retention([older, younger, newest], stack(plan("daily", { local: { withinMs: days * dayMs } })));
      assert.deepEqual(keptOf(result), [younger, newest], `${days} days`);
      assert.deepEqual(reasonsOf(result, younger), [`within ${days}d`]);
      assert.deepEqual(reasonsOf(result, older), ["no rule of the plan daily keeps it"]);
    }
  });

  it("R153: nothing more goes when no new point comes, however long", () => {
    const configuration = stack(plan("daily", { local: { withinMs: 5 * dayMs, daily: 3 } }));
    const left = live(60, configuration);
    assert.deepEqual(keptOf(retention(left, configuration)), left);
    assert.equal(left.length, 5);
  });

  it("keep everything where there are none, where the plan is not known, or stores elsewhere", () => {
    const known = point(day(1), { plan: "all" });
    const gone = point(day(2), { plan: "gone" });
    const none = point(day(3), { plan: null });
    const elsewhere = point(day(4), { plan: "away" });
    const result = retention(
      [known, gone, none, elsewhere, point(day(5)), point(day(6))],
      stack(
        plan("all", { local: null }),
        plan("away", { offsite: { last: 1 } }),
        plan("daily", { local: { last: 1 } }),
      ),
    );
    assert.deepEqual(reasonsOf(result, known), ["the plan all keeps everything"]);
    assert.deepEqual(reasonsOf(result, gone), ["the plan gone is not in the configuration"]);
    assert.deepEqual(reasonsOf(result, none), ["it names no plan"]);
    assert.deepEqual(reasonsOf(result, elsewhere), ["the plan away does not store in local"]);
    assert.deepEqual(dates(keptOf(result)), ["2020-01-02", "2020-01-03", "2020-01-04", "2020-01-05", "2020-01-07"]);
  });

  it("judge each plan by itself, by tags too", () => {
    const tagged = point(day(1), { tags: ["release"] });
    const result = retention(
      [tagged, point(day(2)), point(day(3)), point(day(4), { plan: "weekly" }), point(day(5), { plan: "weekly" })],
      stack(plan("daily", { local: { last: 1, tags: ["other", "release"] } }), plan("weekly", { local: { last: 1 } })),
    );
    assert.deepEqual(dates(keptOf(result)), ["2020-01-02", "2020-01-04", "2020-01-06"]);
    assert.deepEqual(reasonsOf(result, tagged), ["has tags [release]"]);
  });
});

describe("what no rule takes away", () => {
  const strict = stack(plan("daily", { local: { tags: ["never"] } }));

  it("R064: the last good one of each plan, though no rule keeps it", () => {
    const good = point(day(1));
    const result = retention([point(day(0)), good], strict);
    assert.deepEqual(keptOf(result), [good]);
    assert.deepEqual(reasonsOf(result, good), ["the last good one of the plan daily"]);
  });

  it("the last proven one; a drill that failed later takes the proof back", () => {
    const proven = point(day(1), { drills: ["failed", "passed"] });
    const disproven = point(day(2), { drills: ["passed", "failed"] });
    const older = point(day(0), { drills: ["passed"] });
    const newest = point(day(3));
    assert.deepEqual(keptOf(retention([older, proven, disproven, newest], strict)), [proven, newest]);
  });

  it("R076: what is pinned or held", () => {
    const pinned = point(day(0), { pinned: true });
    const held = point(day(1), { heldUntil: new Date("2041-01-31T00:00:00Z") });
    const heldForEver = point(day(2), { heldUntil: null });
    const result = retention([pinned, held, heldForEver, point(day(3)), point(day(4))], strict);
    assert.deepEqual(dates(keptOf(result)), ["2020-01-01", "2020-01-02", "2020-01-03", "2020-01-05"]);
    assert.deepEqual(
      [pinned, held, heldForEver].flatMap((each) => reasonsOf(result, each)),
      ["pinned", "held until 2041-01-31", "held"],
    );
  });

  it("what cannot be read, and what another host has made", () => {
    const unreadable = point(day(0), { outcome: "unreadable" });
    const foreign = point(day(1), { host: "elsewhere" });
    const result = retention([unreadable, foreign, point(day(2))], strict);
    assert.equal(keptOf(result).length, 3);
    assert.deepEqual(reasonsOf(result, unreadable), ["it cannot be read: its manifest is malformed"]);
    assert.deepEqual(reasonsOf(result, foreign), ["it was made on the host elsewhere"]);
  });

  it("partial ones that no good one has followed; older ones go by the rules, and never in the place of a good one", () => {
    const two = stack(plan("daily", { local: { daily: 2 } }));
    const points = [
      point(day(0)),
      point(day(1)),
      point(day(2), { outcome: "partial" }),
      point(day(3), { outcome: "partial" }),
      point(day(4)),
      point(day(5), { outcome: "partial" }),
      point(day(6), { outcome: "partial" }),
      point(day(7), { outcome: "partial" }),
    ];
    const result = retention(points, two);
    const good = ["2020-01-02", "2020-01-05"];
    assert.deepEqual(dates(keptOf(result)), [...good, "2020-01-06", "2020-01-07", "2020-01-08"]);
    assert.deepEqual(reasonsOf(result, points[3]!), ["it is partial, and no rule of the plan daily keeps it"]);
    assert.deepEqual(reasonsOf(result, points[5]!), ["partial, and no good one is newer"]);
  });

  it("anything, while the stack is halted", () => {
    const halts = [{ message: "its last backup failed", hint: "mend it" }];
    const points = [point(day(0)), point(day(1)), point(day(2))];
    const result = retention(points, strict, { halts });
    assert.deepEqual(keptOf(result), points);
    assert.deepEqual(reasonsOf(result, points[0]!), ["nothing is removed for now"]);
  });
});

describe("any stack", () => {
  const facts: fc.Arbitrary<PointFacts & { number: number }> = fc.record({
    number: fc.integer({ min: 0, max: 900 }),
    plan: fc.constantFrom("daily", "weekly", "gone", null),
    host: fc.constantFrom(ownHost, ownHost, ownHost, "elsewhere"),
    outcome: fc.constantFrom("good", "good", "good", "partial", "unreadable"),
    pinned: fc.constantFrom(false, false, true),
    drills: fc.array(fc.constantFrom("passed", "failed"), { maxLength: 2 }),
  });
  const stacks = fc
    .tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 40 }))
    .map(([daily, weekly, days]) =>
      stack(plan("daily", { local: { daily, withinMs: days * dayMs } }), plan("weekly", { local: { weekly } })),
    );
  const lists = fc
    .uniqueArray(facts, { maxLength: 40, selector: ({ number }) => number })
    .map((all) => all.map(({ number, ...rest }) => point(day(number), rest)));
  const isGood = ({ manifest }: RecoveryPoint): boolean => manifest?.outcome === "good";
  const newestFirst = (points: readonly RecoveryPoint[]): RecoveryPoint[] =>
    points.toSorted((a, b) => b.time.getTime() - a.time.getTime());

  it("has each point in the plan once, and keeps the last good, the pinned and the foreign", () => {
    fc.assert(
      fc.property(lists, stacks, (points, configuration) => {
        const result = retention(points, configuration);
        assert.deepEqual(new Set(result.decisions.map((each) => each.point)), new Set(points));
        assert.equal(result.decisions.length, points.length);
        for (const { reasons } of result.decisions) assert.ok(reasons.length > 0);
        const kept = new Set(keptOf(result));
        const own = newestFirst(points).filter(({ snapshot }) => snapshot.hostname === ownHost);
        for (const each of points) {
          const must = each.record.pins.length > 0 || !own.includes(each) || each.problem !== null;
          assert.ok(!must || kept.has(each));
        }
        const lastGood = own.find(isGood);
        assert.ok(lastGood === undefined || kept.has(lastGood));
        const proven = own.find(({ record }) => record.proofs.at(-1)?.result === "passed");
        assert.ok(proven === undefined || kept.has(proven));
      }),
    );
  });

  it("decides of good points as if there were no partial ones", () => {
    fc.assert(
      fc.property(lists, stacks, (points, configuration) => {
        const isOther = (each: RecoveryPoint): boolean => each.manifest?.outcome !== "partial";
        const provenPartial = points.some((each) => !isOther(each) && each.record.proofs.length > 0);
        fc.pre(!provenPartial);
        const all = keptOf(retention(points, configuration)).filter(isOther);
        assert.deepEqual(all, keptOf(retention(points.filter(isOther), configuration)));
      }),
    );
  });

  it("removes nothing more at the second time", () => {
    fc.assert(
      fc.property(lists, stacks, (points, configuration) => {
        const left = keptOf(retention(points, configuration));
        assert.deepEqual(keptOf(retention(left, configuration)), left);
      }),
    );
  });
});
