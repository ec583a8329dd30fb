// Which snapshot is meant.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { groupSnapshots, hasCode, HoldfastError } from "@holdfast/repository";
import {
  chooseSnapshot,
  chooseSnapshots,
  everySnapshot,
  filterOfOptions,
  findLatest,
  lastOfEach,
  parseGrouping,
  type SnapshotFacts,
} from "./snapshot-filter.ts";

const snapshot = (id: string, time: string, facts: Partial<SnapshotFacts> = {}): SnapshotFacts => ({
  id: id.padEnd(64, "0"),
  time,
  hostname: "alpha",
  paths: ["/srv"],
  tags: [],
  ...facts,
});

const one = snapshot("aa1", "2024-01-01T00:00:00Z");
const two = snapshot("aa2", "2024-01-02T00:00:00.000000001Z", { tags: ["daily", "db"] });
// An hour later than `two` by its own clock, an hour earlier in truth.
const three = snapshot("b3", "2024-01-02T01:00:00+02:00", {
  hostname: "beta",
  paths: ["/srv", "/etc"],
  tags: ["daily"],
});
const all = [three, one, two];
const known = { snapshots: all, damaged: [] };
const damage = new HoldfastError("damaged", "the snapshot file b4 is damaged");
const partlyKnown = { snapshots: all, damaged: [{ id: "b4".padEnd(64, "0"), error: damage }] };
const filter = (options: Parameters<typeof filterOfOptions>[0], host?: string): ReturnType<typeof filterOfOptions> =>
  filterOfOptions(options, host);

describe("latest", () => {
  it("is the newest instant, whatever the zone", () => assert.equal(findLatest(all, everySnapshot), two));
  it("passes the filters", () => {
    assert.equal(findLatest(all, filter({ host: ["beta"] })), three);
    assert.equal(findLatest(all, filter({ path: ["/etc", "/srv"] })), three);
    assert.equal(findLatest(all, filter({ tag: ["daily,db"] })), two);
    assert.equal(findLatest(all, filter({ tag: ["nightly", "daily"], host: ["beta", "gamma"] })), three);
    assert.equal(findLatest(all, filter({ tag: [""] })), one);
    assert.equal(findLatest(all, filter({ tag: ["nightly"] })), undefined);
  });
  it("is no newer than asked", () => assert.equal(findLatest(all, everySnapshot, 1_704_067_200_000_000_000n), one));
  it("takes the host of the environment unless one is given", () => {
    assert.equal(findLatest(all, filter({}, "beta")), three);
    assert.equal(findLatest(all, filter({ host: [""] }, "beta")), two);
  });
});

describe("a named snapshot", () => {
  it("is found by the beginning of its id, with a folder or without", () => {
    assert.deepEqual(chooseSnapshot(known, "b", everySnapshot), { snapshot: three, subfolder: "/" });
    assert.deepEqual(chooseSnapshot(known, "aa1:/srv/x:y", everySnapshot), { snapshot: one, subfolder: "/srv/x:y" });
    assert.deepEqual(chooseSnapshot(known, "latest:/srv", filter({ host: ["beta"] })), {
      snapshot: three,
      subfolder: "/srv",
    });
  });
  it("must be one", () => {
    for (const name of ["aa", "c", "", "b3x"])
      assert.throws(
        () => chooseSnapshot(known, name, everySnapshot),
        (error) => hasCode(error, "not-found"),
      );
    assert.throws(() => chooseSnapshot(known, "latest", filter({ tag: ["nightly"] })), /filter/);
    assert.throws(() => chooseSnapshot({ snapshots: [], damaged: [] }, "latest", everySnapshot), /no snapshot/);
  });
});

describe("with a snapshot that cannot be read", () => {
  it("nothing is the latest, since that one may be", () => {
    for (const choose of [
      () => chooseSnapshot(partlyKnown, "latest", everySnapshot),
      () => chooseSnapshot(partlyKnown, "latest:/srv", filter({ host: ["beta"] })),
      () => chooseSnapshots(partlyKnown, ["aa1", "latest"], everySnapshot),
      () => chooseSnapshot({ ...partlyKnown, snapshots: [] }, "latest", everySnapshot),
    ])
      assert.throws(
        choose,
        (error) => hasCode(error, "damaged") && /b40{62}/.test(error.message) && /by its id.*check/.test(error.hint),
      );
  });
  it("others are found by their id", () => {
    assert.equal(chooseSnapshot(partlyKnown, "b3", everySnapshot).snapshot, three);
    assert.deepEqual(chooseSnapshots(partlyKnown, [], everySnapshot), all);
  });
  it("it is named as damaged, not as missing", () => {
    assert.throws(
      () => chooseSnapshot(partlyKnown, "b4", everySnapshot),
      (error) => error === damage,
    );
    assert.throws(() => chooseSnapshot(partlyKnown, "b", everySnapshot), /2 snapshots begin/);
  });
});

describe("several snapshots", () => {
  it("are those named, each once, or those that pass", () => {
    assert.deepEqual(chooseSnapshots(known, ["latest", "aa2", "b"], everySnapshot), [two, three]);
    assert.deepEqual(chooseSnapshots(known, [], filter({ tag: ["daily"] })), [three, two]);
    assert.throws(
      () => chooseSnapshots(known, ["aa1:/srv"], everySnapshot),
      (error) => hasCode(error, "usage"),
    );
  });
});

describe("groups", () => {
  it("are by host, paths and tags", () => {
    const groups = groupSnapshots(all, parseGrouping("host,path"));
    assert.deepEqual(
      groups.map((group) => [group.key.hostname, group.key.paths, group.key.tags, group.snapshots.length]),
      [
        ["beta", ["/etc", "/srv"], null, 1],
        ["alpha", ["/srv"], null, 2],
      ],
    );
    assert.equal(groupSnapshots(all, parseGrouping("")).length, 1);
    assert.throws(
      () => parseGrouping("host,user"),
      (error) => hasCode(error, "usage"),
    );
  });
  it("have a last one each", () => assert.deepEqual(lastOfEach(all, 1), [two, three]));
});
