// Which snapshots count as copied: restic's rule.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { StoredSnapshot } from "../../store/repository.ts";
import { copyOfSnapshot, planCopy } from "./copy-plan.ts";

const id = (digit: string): string => digit.repeat(64);

function snapshot(change: Partial<StoredSnapshot> = {}): StoredSnapshot {
  return {
    id: id("1"),
    time: "2026-11-01T12:00:00.5+01:00",
    parent: id("a"),
    tree: id("b"),
    paths: ["/one", "/two"],
    hostname: "host",
    username: "user",
    uid: 1,
    gid: 2,
    excludes: ["*.tmp", "x"],
    tags: ["red", "blue"],
    original: null,
    programVersion: "holdfast 0.1.0",
    summary: null,
    unknownFields: { later: true },
    ...change,
  };
}

const copyOf = (from: StoredSnapshot, at = "2"): StoredSnapshot => ({ ...copyOfSnapshot(from), id: id(at) });
const missing = (from: StoredSnapshot, ...there: StoredSnapshot[]): boolean =>
  planCopy([from], there).missing.length > 0;

describe("a snapshot", () => {
  test("is copied with all that it says, but its parent; its origin stays the first one", () => {
    const { id: own, ...rest } = snapshot();
    assert.deepEqual(copyOfSnapshot(snapshot()), { ...rest, parent: null, original: own });
    assert.equal(copyOfSnapshot(copyOf(snapshot())).original, own);
  });

  test("is there when a copy is, a copy of a copy, the same one, or what it was copied from", () => {
    const one = snapshot();
    assert.ok(missing(one));
    assert.deepEqual(planCopy([one], [copyOf(one)]).present, [{ snapshot: one, as: id("2") }]);
    assert.ok(!missing(one, copyOf(copyOf(one), "3")));
    assert.ok(!missing(one, one));
    assert.ok(!missing(copyOf(one), one));
  });

  test("is another one when it says something else", () => {
    const one = snapshot();
    for (const change of [
      { tree: id("c") },
      { time: "2026-11-01T12:00:00.6+01:00" },
      { hostname: "other" },
      { username: "other" },
      { uid: 3 },
      { gid: 3 },
      { paths: ["/one"] },
      { paths: ["/one", "/three"] },
      { tags: ["red"] },
      { tags: ["red", "green"] },
      { excludes: ["x", "*.tmp"] },
      { excludes: [] },
      { original: id("9") },
    ])
      assert.ok(missing(one, { ...copyOf(one), ...change }), JSON.stringify(change));
  });

  test("is the same at the same moment told in another zone, and with paths and tags in another order", () => {
    const one = snapshot();
    const told = { time: "2026-11-01T11:00:00.5Z", paths: ["/two", "/one"], tags: ["blue", "red"] };
    assert.ok(!missing(one, { ...copyOf(one), ...told, programVersion: "restic 0.19", parent: id("d") }));
  });
});
