// The verbs about stacks that list or annotate, as programs: snapshots, ls, runs, pin, hold.
import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { message } from "./support/programs.ts";
import type { StackPlace } from "./support/stack-place.ts";
import { password } from "./support/workplace.ts";
import { forgedPoint, linesOf, partialPoint, smallPlace, type Json } from "./support/stack-points.ts";

describe("recovery points of a stack", () => {
  let place: StackPlace;
  let first: string;
  let second: string;
  let partial: string;

  before(() => {
    place = smallPlace("stack-verbs");
    first = place.point();
    place.application.become("second");
    second = place.point();
    partial = partialPoint(place);
  });
  after(() => place[Symbol.dispose]());

  const pointsOf = (...words: string[]): Json[] =>
    linesOf(place.ends(0, "snapshots", "--json", ...words), "recovery_point");

  it("R197: snapshots lists them with outcome, sources and plan, for people and for programs", () => {
    const points = pointsOf();
    assert.deepEqual(
      points.map(({ id, stack, plan, outcome }) => ({ id, stack, plan, outcome })),
      [
        { id: first, stack: "app", plan: "daily", outcome: "good" },
        { id: second, stack: "app", plan: "daily", outcome: "good" },
        { id: partial, stack: "app", plan: "daily", outcome: "partial" },
      ],
    );
    const [good, , bad] = points.map(({ sources }) => sources as Record<string, Json>);
    assert.equal(good?.["database"]?.["outcome"], "good");
    assert.equal(bad?.["database"]?.["outcome"], "failed");
    const shown = place.ends(0, "snapshots", "app").stdout.toString();
    assert.match(shown, new RegExp(`${second.slice(0, 8)}.*app/daily.*good.*never.*database, uploads, settings`));
    assert.match(shown, new RegExp(`${partial.slice(0, 8)}.*partial.*database \\(failed\\)`));
    assert.match(shown, /3 recovery points/);
  });

  it("a stack that nobody knows is named with its nearest", () => {
    assert.match(place.ends(2, "snapshots", "apq").stderr, /no stack "apq"[^]*did you mean "app"/);
    assert.match(place.ends(1, "ls", "apq").stderr, /no stack and no recovery point "apq"[^]*"app"/);
    for (const verb of ["runs", "status", "check"]) place.ends(2, verb, "apq");
  });

  it("a stack that is no longer in the configuration is still found by its name", () => {
    const text = readFileSync(place.configurationFile, "utf8");
    writeFileSync(place.configurationFile, text.replace('"app":', '"other":'));
    try {
      assert.match(place.ends(0, "snapshots").stdout.toString(), /0 recovery points[^]*not in the configuration.*app/);
      assert.equal(pointsOf("app").length, 3);
      assert.match(place.ends(0, "ls", "app").stdout.toString(), new RegExp(second.slice(0, 8)));
    } finally {
      writeFileSync(place.configurationFile, text);
    }
  });

  it("ls of a stack is its newest good one, and says that there is a newer partial one", () => {
    const outcome = place.ends(0, "ls", "app");
    const shown = outcome.stdout.toString();
    const { uploads, database, settings } = place.application;
    assert.match(
      shown,
      new RegExp(`app as of .*: snapshot ${second.slice(0, 8)} in local\n  database: sqlite, good, transaction\n`),
    );
    for (const entry of [`uploads:${uploads}/below/deep`, `database:${database}`, `settings:${settings}`]) {
      assert.ok(shown.split("\n").includes(entry), entry);
    }
    assert.doesNotMatch(shown, /holdfast\.json/);
    assert.match(outcome.stderr, new RegExp(`newer recovery point, ${partial.slice(0, 8)}, which is partial`));
  });

  it("ls of an id takes any outcome, and a source or a folder of it", () => {
    assert.doesNotMatch(place.ends(0, "ls", partial.slice(0, 10)).stdout.toString(), /app\.db$/m);
    const { uploads } = place.application;
    const ends = (...words: string[]): string[] =>
      linesOf(place.ends(0, "ls", "--json", first, ...words), "node").map(({ source, path }) => {
        assert.equal(source, "uploads");
        return String(path).replace(uploads, "");
      });
    const numbers = Array.from({ length: 40 }, (_, at) => `/${at}`).toSorted();
    assert.deepEqual(ends("uploads"), ["", ...numbers, "/below", "/below/deep"]);
    assert.deepEqual(ends(uploads), ["", ...numbers, "/below"]);
    assert.deepEqual(ends(`uploads:${uploads}/below/`), ["/below", "/below/deep"]);
    assert.match(place.ends(1, "ls", first, `database:${uploads}`).stderr, /nothing at[^]*it has: /);
    place.ends(2, "ls", first, "nothing");
  });

  it("ls --at takes the newest good one up to a time", () => {
    const at = String(pointsOf()[1]?.["time"]);
    const justBefore = new Date(Date.parse(at) - 1).toISOString();
    const idAt = (time: string): unknown =>
      message(place.ends(0, "ls", "app", "--json", "--at", time), "recovery_point")["id"];
    assert.equal(idAt(at), second);
    assert.equal(idAt(justBefore), first);
    const { stderr } = place.ends(1, "ls", "app", "--at", "2020-01-01 00:00:00");
    assert.match(stderr, /no good recovery point up to that time/);
    place.ends(2, "ls", first, "--at", at);
  });

  it("runs lists what was done here, the newest last", () => {
    assert.deepEqual(
      linesOf(place.ends(0, "runs", "--json"), "run").map(({ operation, outcome, snapshot_ids: ids }) => [
        operation,
        outcome,
        ids,
      ]),
      [
        ["backup", "good", [first]],
        ["backup", "good", [second]],
        ["backup", "failed", [partial]],
      ],
    );
    const newest = linesOf(place.ends(0, "runs", "app", "--limit", "2", "--json"), "run");
    assert.deepEqual(
      newest.map(({ outcome }) => outcome),
      ["good", "failed"],
    );
    assert.match(place.ends(0, "runs").stdout.toString(), /app\/daily +backup +failed.*database: .*does not exist/);
  });

  it("a pin and a hold are kept in the repository, once each, until they are removed", () => {
    place.ends(0, "pin", first, "--note", "before the upgrade");
    assert.match(place.ends(0, "pin", first, "--note", "before the upgrade").stdout.toString(), /already/);
    place.ends(0, "hold", first.slice(0, 12), "--until", "2100-01-31");
    rmSync(place.stateDirectory, { recursive: true });
    const marks = (kind: "pins" | "holds"): Json[] => pointsOf().find(({ id }) => id === first)?.[kind] as Json[];
    assert.deepEqual(
      marks("pins").map(({ note }) => note),
      ["before the upgrade"],
    );
    assert.deepEqual(
      marks("holds").map(({ until }) => String(until).slice(0, 6)),
      ["2100-0"],
    );
    assert.match(place.ends(0, "snapshots").stdout.toString(), /pinned, held until 2100-01-31/);
    place.ends(0, "pin", first, "--remove");
    place.ends(0, "hold", first, "--remove");
    assert.deepEqual([marks("pins"), marks("holds")], [[], []]);
    assert.match(place.ends(2, "hold", first, "--until", "2020-01-31").stderr, /is over already/);
    place.ends(2, "hold", first, "--until", "2100-02-31");
  });

  it("a damaged manifest is said, and the others are listed; a restore would pass it over", () => {
    const forged = forgedPoint(place, first, (folder) => writeFileSync(`${folder}/holdfast.json`, "{}"));
    const outcome = place.ends(1, "snapshots", "--json");
    assert.match(outcome.stderr, new RegExp(`${forged.slice(0, 8)}: holdfast.json is malformed`));
    const outcomes = new Map(linesOf(outcome, "recovery_point").map(({ id, outcome: of }) => [id, of]));
    assert.deepEqual([outcomes.size, outcomes.get(first), outcomes.get(forged)], [4, "good", "damaged"]);
    const listed = place.ends(0, "ls", "app");
    assert.match(listed.stdout.toString(), new RegExp(`snapshot ${second.slice(0, 8)}`));
    assert.match(listed.stderr, /passed over/);
    place.ends(1, "ls", forged);
    place.ends(1, "check");
  });
});

describe("R102: a stack with a log file", () => {
  let place: StackPlace;
  before(() => {
    place = smallPlace("stack-log");
  });
  after(() => place[Symbol.dispose]());

  const logTo = (file: string): void => place.configure(undefined, { log_file: file });

  it("has all that people are told, with --json and --quiet too, and no secret", () => {
    const file = place.at("logs", "holdfast.log");
    logTo(file);
    const point = place.point();
    partialPoint(place);
    place.ends(0, "drill", "app", "--quiet");
    place.ends(0, "snapshots", "app");
    const log = readFileSync(file, "utf8");
    assert.match(log, new RegExp(`Z \\[\\d+\\] info: snapshot ${point.slice(0, 8)} in local: good`));
    assert.match(log, /Z \[\d+\] warning: the source database has failed: .*does not exist/);
    assert.match(log, /Z \[\d+\] info: app: proven: /);
    assert.ok(!log.includes(password));
    assert.ok(log.split("\n").every((line) => line === "" || /^\d{4}-.*Z \[\d+\] (info|warning|error): /.test(line)));
  });

  it("that cannot be written works all the same, and says it once", () => {
    logTo("/proc/holdfast/holdfast.log");
    const outcome = place.ends(0, "backup", "app");
    assert.equal(outcome.stderr.split("the log file /proc/holdfast/holdfast.log cannot be written").length, 2);
  });

  it("may not capture that file", () => {
    logTo(path.join(place.application.uploads, "holdfast.log"));
    assert.match(place.ends(2, "backup", "app").stderr, /Holdfast's own log file .*: it changes while it is read/);
  });
});
