// `forget` decides as restic does: the same snapshots kept for the same reasons, whatever the zone and the calendar.
import assert from "node:assert/strict";
import { existsSync, rmSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import {
  emptyPolicy,
  planForget,
  type CalendarSpan,
  type ForgetPlan,
  type ForgetPolicy,
  type Grouping,
  type StoredSnapshot,
} from "@holdfast/repository";
import { forgeSnapshots, offsetSeconds, timeInZone, type ForgedSnapshot } from "./support/forged-snapshots.ts";
import { expectStatus, isLong, message } from "./support/programs.ts";
import { noise } from "./support/sample-tree.ts";
import { Workplace } from "./support/workplace.ts";

const byHostAndPath: Grouping = { host: true, paths: true, tags: false };
const span = (part: Partial<CalendarSpan>): CalendarSpan => ({ years: 0, months: 0, days: 0, hours: 0, ...part });
const counts = (part: Partial<ForgetPolicy["counts"]>): Partial<ForgetPolicy> => ({
  counts: { ...emptyPolicy.counts, ...part },
});
const withins = (part: Partial<ForgetPolicy["withinPeriods"]>): Partial<ForgetPolicy> => ({
  withinPeriods: { ...emptyPolicy.withinPeriods, ...part },
});

/** restic's options, and the same as a policy. */
interface Case {
  readonly words: string;
  readonly policy: Partial<ForgetPolicy>;
  readonly grouping?: Grouping;
}

const cases: readonly Case[] = [
  { words: "--keep-last 5", policy: { last: 5 } },
  { words: "--keep-last 5 --group-by host", policy: { last: 5 }, grouping: { host: true, paths: false, tags: false } },
  { words: "--keep-last 2 --group-by tags", policy: { last: 2 }, grouping: { host: false, paths: false, tags: true } },
  { words: "--keep-hourly 30", policy: counts({ hourly: 30 }) },
  { words: "--keep-daily 20", policy: counts({ daily: 20 }) },
  { words: "--keep-weekly 60", policy: counts({ weekly: 60 }) },
  { words: "--keep-monthly 40", policy: counts({ monthly: 40 }) },
  { words: "--keep-yearly 3", policy: counts({ yearly: 3 }) },
  { words: "--keep-yearly 100", policy: counts({ yearly: 100 }) },
  { words: "--keep-monthly unlimited", policy: counts({ monthly: Infinity }) },
  {
    words: "--keep-last 3 --keep-daily 7 --keep-weekly 4 --keep-monthly 12 --keep-yearly 7",
    policy: { last: 3, ...counts({ daily: 7, weekly: 4, monthly: 12, yearly: 7 }) },
  },
  { words: "--keep-within 1m", policy: { within: span({ months: 1 }) } },
  { words: "--keep-within 1y5m7d2h", policy: { within: span({ years: 1, months: 5, days: 7, hours: 2 }) } },
  {
    words: "--keep-within 2h --keep-within-hourly 36h",
    policy: { within: span({ hours: 2 }), ...withins({ hourly: span({ hours: 36 }) }) },
  },
  { words: "--keep-within-daily 31d", policy: withins({ daily: span({ days: 31 }) }) },
  { words: "--keep-within-weekly 14m", policy: withins({ weekly: span({ months: 14 }) }) },
  { words: "--keep-within-monthly 2y", policy: withins({ monthly: span({ years: 2 }) }) },
  { words: "--keep-within-yearly 50y1d", policy: withins({ yearly: span({ years: 50, days: 1 }) }) },
  { words: "--keep-within 9000y", policy: { within: span({ years: 9000 }) } },
  {
    words: "--keep-tag gold --keep-tag red,blue --keep-last 1",
    policy: { last: 1, tags: [["gold"], ["red", "blue"]] },
  },
  { words: "--keep-tag , --keep-last 1", policy: { last: 1, tags: [["", ""]] } },
];

const zones = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/St_Johns", "Pacific/Apia", "UTC"];
/** In the other zones only what depends on the zone. */
const zoneWords = /hourly 30|daily 20|weekly 60|keep-within 1m|within-daily|within-hourly/;
const moreZones = ["Europe/London", "Asia/Kathmandu", "Africa/Casablanca", "America/Sao_Paulo", "Africa/Monrovia"];

/** The moments that calendars are difficult at: ends of years and months, leap days, weeks 52, 53 and 1, changes of clocks. */
const corners =
  "2015-12-31 2016-01-03 2016-02-29 2016-03-01 2018-12-30 2018-12-31 2019-01-06 2020-02-28 2020-02-29 " +
  "2020-12-27 2020-12-31 2021-01-01 2021-01-03 2021-01-04 2011-12-29 2011-12-30 2011-12-31 2024-02-29 2024-03-31 2024-10-27 2024-11-03 2024-04-07";

/** A few hundred: some for each corner, one a day for a while, and many hours around changes of the clocks. */
function manySnapshots(zone: string): ForgedSnapshot[] {
  const moments = new Set<number>();
  for (const day of corners.split(" ")) {
    const noon = Date.parse(`${day}T12:00:00Z`) / 1000;
    for (const hours of [-13, -12.5, -12, -0.25, 0, 10.75, 11.5, 12, 13]) moments.add(noon + hours * 3600);
  }
  for (let day = 0; day < 75; day++) moments.add(Date.parse("2024-12-31T22:30:00Z") / 1000 - day * 86_400);
  // Both directions, north and south.
  for (const change of [
    "2024-03-31T01:00:00Z",
    "2024-10-27T01:00:00Z",
    "2024-11-03T06:00:00Z",
    "2024-04-06T15:00:00Z",
  ]) {
    for (let half = -8; half <= 8; half++) moments.add(Date.parse(change) / 1000 + half * 1800);
  }
  const tags = [undefined, ["gold"], ["blue", "red"], ["red"], ["red", "blue", "gold"]];
  return [...moments].flatMap((moment, number): ForgedSnapshot[] => {
    const own = tags[number % tags.length];
    const main: ForgedSnapshot = {
      // Now and then one that was made in another zone.
      time: timeInZone(number % 11 === 3 ? "Asia/Tokyo" : number % 13 === 5 ? "UTC" : zone, moment),
      hostname: number % 4 === 0 ? "beta" : "alpha",
      ...(number % 9 === 2 ? { paths: ["/srv", "/home"] } : number % 9 === 4 ? { paths: ["/home", "/srv"] } : {}),
      ...(own === undefined ? {} : { tags: own }),
    };
    return [main];
  });
}

interface Decision {
  readonly host: string;
  readonly paths: readonly string[] | null;
  readonly tags: readonly string[] | null;
  readonly keep: readonly { readonly id: string; readonly matches: readonly string[] }[];
  readonly remove: readonly string[];
}

function resticDecisions(place: Workplace, words: readonly string[], zone: string): Decision[] {
  interface Listed {
    readonly id: string;
  }
  interface Group extends Pick<Decision, "host" | "paths" | "tags"> {
    readonly remove: Listed[] | null;
    readonly reasons: { readonly snapshot: Listed; readonly matches: string[] }[] | null;
  }
  const options = { environment: { TZ: zone } };
  const outcome = expectStatus(place.restic(["forget", "--dry-run", "--json", "--no-lock", ...words], options), 0);
  const groups = JSON.parse(outcome.stdout.toString()) as Group[];
  return sorted(
    groups.map(({ host, paths, tags, remove, reasons }) => ({
      host,
      paths,
      tags,
      keep: (reasons ?? []).map(({ snapshot, matches }) => ({ id: snapshot.id, matches })),
      remove: (remove ?? []).map(({ id }) => id),
    })),
  );
}

function ownDecisions({ groups }: ForgetPlan<StoredSnapshot>): Decision[] {
  return sorted(
    groups.map(({ key, keep, remove }) => ({
      host: key.hostname,
      paths: key.paths,
      // restic has no list where there are none.
      tags: key.tags?.length === 0 ? null : key.tags,
      keep: keep.map(({ snapshot, reasons }) => ({ id: snapshot.id, matches: reasons })),
      remove: remove.map(({ id }) => id),
    })),
  );
}

/** restic's groups come in any order. */
function sorted(decisions: Decision[]): Decision[] {
  const key = ({ host, paths, tags }: Decision): string => JSON.stringify([host, paths, tags]);
  return decisions.toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
}

for (const zone of isLong ? [...zones, ...moreZones] : zones) {
  describe(`forget in the zone ${zone}`, () => {
    const place = new Workplace("restic-forget");
    let snapshots: StoredSnapshot[] = [];
    before(async () => {
      assert.ok(existsSync("/usr/share/zoneinfo/Europe/Berlin"), "restic needs the zones of the package tzdata");
      place.init();
      snapshots = await forgeSnapshots(place.repository, manySnapshots(zone));
      assert.ok(snapshots.length > 250, `${snapshots.length} snapshots`);
    });
    after(() => place[Symbol.dispose]());

    const chosen = isLong || zone === zones[0] ? cases : cases.filter(({ words }) => zoneWords.test(words));
    for (const { words, policy, grouping = byHostAndPath } of chosen) {
      it(`R140: ${words}`, () => {
        const plan = planForget(
          snapshots,
          { policy: { ...emptyPolicy, ...policy }, grouping, mayRemoveAll: false },
          { now: new Date(), localZone: (seconds) => offsetSeconds(zone, seconds) },
        );
        const restic = resticDecisions(place, words.split(" "), zone);
        assert.deepEqual(ownDecisions(plan), restic);
        assert.ok(restic.some(({ remove }) => remove.length > 0) || /unlimited|9000y/.test(words), "it removes some");
      });
    }
  });
}

describe("forget where times say little", () => {
  const place = new Workplace("restic-forget-times");
  let snapshots: StoredSnapshot[] = [];
  before(async () => {
    place.init();
    const inDays = (days: number): string => new Date(Date.now() + days * 86_400_000).toISOString();
    const equal = Array.from({ length: 6 }, () => "2024-05-05T05:05:05.123456789+02:00");
    const sameMoment = ["2024-05-04T10:00:00+02:00", "2024-05-04T08:00:00Z", "2024-05-04T13:45:00+05:45"];
    const close = ["2024-05-05T05:05:05.123456788+02:00", "2024-05-05T05:05:05.12345679+02:00"];
    const times = [...equal, ...sameMoment, ...close, inDays(30), inDays(31), inDays(400)];
    snapshots = await forgeSnapshots(
      place.repository,
      times.flatMap((time) => [{ time }, { time, hostname: "twin" }]).concat({ time: inDays(3), hostname: "ahead" }),
    );
  });
  after(() => place[Symbol.dispose]());

  /** Which of several with one time it is, restic leaves to chance. */
  function byTime(decisions: readonly Decision[]): unknown {
    const timeOf = (id: string): string => snapshots.find((each) => each.id === id)?.time ?? id;
    return decisions.map(({ host, keep, remove }) => ({
      host,
      keep: keep.map(({ id, matches }) => [Date.parse(timeOf(id)), matches]),
      remove: remove.map((id) => Date.parse(timeOf(id))),
    }));
  }

  const some: readonly Case[] = [
    { words: "--keep-last 4", policy: { last: 4 } },
    { words: "--keep-daily 2", policy: counts({ daily: 2 }) },
    { words: "--keep-within 1h", policy: { within: span({ hours: 1 }) } },
    { words: "--keep-within-hourly 3d", policy: withins({ hourly: span({ days: 3 }) }) },
    { words: "--keep-monthly 9", policy: counts({ monthly: 9 }) },
  ];
  for (const { words, policy } of some) {
    it(`equal ones, and such as are still to come: ${words}`, () => {
      const plan = planForget(
        snapshots,
        { policy: { ...emptyPolicy, ...policy }, grouping: byHostAndPath, mayRemoveAll: false },
        { now: new Date(), localZone: () => 0 },
      );
      assert.deepEqual(byTime(ownDecisions(plan)), byTime(resticDecisions(place, words.split(" "), "UTC")));
    });
  }
});

describe("repo forget", () => {
  const place = new Workplace("repo-forget");
  before(async () => {
    place.init();
    await forgeSnapshots(place.repository, manySnapshots("Europe/Berlin").slice(0, 120));
  });
  after(() => place[Symbol.dispose]());

  const environment = { TZ: "Europe/Berlin" };

  /** Its groups and the lists in them in one order; restic sorts the tags and paths that it prints. */
  function groupsOf(stdout: Buffer): unknown {
    type Listed = { id: string; tags?: string[]; paths: string[] };
    type Group = { keep: Listed[]; remove: Listed[]; reasons: { snapshot: Listed; matches: string[] }[] };
    const groups = JSON.parse(stdout.toString()) as Group[];
    for (const { keep, remove, reasons } of groups) {
      for (const each of [...keep, ...(remove ?? []), ...reasons.map(({ snapshot }) => snapshot)]) {
        each.paths.sort();
        each.tags?.sort();
      }
    }
    return groups.toSorted((a, b) => (JSON.stringify(a.keep) < JSON.stringify(b.keep) ? -1 : 1));
  }

  it("prints restic's JSON, field for field", () => {
    for (const words of [
      ["--keep-last", "2", "--keep-within-weekly", "1y2m", "--group-by", "host,tags"],
      ["--keep-daily", "3", "--host", "beta", "--tag", "gold", "--group-by", ""],
      ["-l", "1", "-H", "2", "-d", "3", "-w", "4", "-m", "5", "-y", "6", "--path", "/home"],
    ]) {
      const all = ["forget", "--dry-run", "--json", ...words];
      const own = expectStatus(place.holdfast(all, { environment }), 0);
      const restic = expectStatus(place.restic(all, { environment }), 0);
      assert.deepEqual(groupsOf(own.stdout), groupsOf(restic.stdout), words.join(" "));
    }
  });

  it("refuses what restic refuses, and removes nothing", () => {
    const before = place.snapshots().length;
    const refused: readonly (readonly [string[], number])[] = [
      [[], 2],
      [["--unsafe-allow-remove-all"], 2],
      [["--keep-tag", "never"], 1],
      [["--keep-tag", "never", "--unsafe-allow-remove-all", "--host", "beta"], 1],
      [["--keep-last", "-2"], 2],
      [["--keep-within", "5x"], 2],
      [["--keep-last", "1", "--no-lock"], 2],
    ];
    expectStatus(place.holdfast(["forget", "no-such-snapshot"]), 1);
    for (const [words, status] of refused) {
      const outcome = expectStatus(place.holdfast(["forget", ...words]), status);
      assert.match(outcome.stderr, /→/, `${words.join(" ")}: the remedy is named`);
      assert.notEqual(place.restic(["forget", ...words]).status, 0, words.join(" "));
    }
    // Nobody knows what it is, and of which group.
    const unreadable = place.write(`repository/snapshots/${"0".repeat(64)}`, "no snapshot");
    const outcome = expectStatus(place.holdfast(["forget", "--keep-last", "1"]), 1);
    assert.match(outcome.stderr, /the snapshot 0{64} cannot be read[^]*→/);
    rmSync(unreadable);
    assert.equal(place.snapshots().length, before);
  });

  it("R151: removes the snapshots that are named, those that no rule keeps, and a whole host where that is asked", () => {
    const all = place.snapshots();
    const [first = "", second = ""] = all;
    const dry = expectStatus(place.holdfast(["forget", "--dry-run", first.slice(0, 12)]), 0);
    assert.match(dry.stdout.toString(), new RegExp(`1 snapshot would be removed: ${first.slice(0, 8)}`));
    assert.deepEqual(place.snapshots(), all);
    place.done("forget", first.slice(0, 12), second);
    assert.deepEqual(place.snapshots(), all.slice(2));
    const groups = JSON.parse(
      expectStatus(place.holdfast(["forget", "--json", "--keep-weekly", "5"], { environment }), 0).stdout.toString(),
    ) as { keep: { id: string }[] }[];
    const kept = groups.flatMap(({ keep }) => keep.map(({ id }) => id));
    assert.deepEqual(place.snapshots().toSorted(), kept.toSorted());
    const again = expectStatus(place.holdfast(["forget", "--keep-weekly", "5"], { environment }), 0);
    assert.match(again.stdout.toString(), /0 snapshots removed/);
    place.done("forget", "--unsafe-allow-remove-all", "--host", "beta");
    const left = JSON.parse(place.done("snapshots", "--json").stdout.toString()) as { hostname: string }[];
    assert.ok(left.length > 0 && left.every(({ hostname }) => hostname === "alpha"));
  });
});

describe("repo forget --prune", () => {
  const place = new Workplace("repo-forget-prune");
  before(() => place.init());
  after(() => place[Symbol.dispose]());

  it("removes the data too, and with --dry-run tells how much that would be", () => {
    for (const part of ["one", "two", "three"]) {
      place.write("data/file", noise(part, 200_000));
      place.backup(place.at("data"));
    }
    const [, , last = ""] = place.snapshots();
    const bytes = place.storeBytes();
    const dry = place.done("forget", "--keep-last", "1", "--prune", "--dry-run", "--json");
    const { bytes: planned } = message(dry, "summary") as { bytes: { remove_total: number } };
    assert.ok(planned.remove_total > 400_000);
    assert.equal(place.storeBytes(), bytes);
    place.done("forget", "--keep-last", "1", "--prune", "--max-unused", "0");
    assert.deepEqual(place.snapshots(), [last]);
    assert.ok(place.storeBytes() < bytes - 400_000);
    assert.equal(place.check("--read-data").verdict, "clean");
    place.resticChecks();
  });
});
