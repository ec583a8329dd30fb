// Which recovery points are missed: gone, and neither changed, copied nor only damaged.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { StoredSnapshot } from "@holdfast/repository";
import type { KnownPoint } from "../state/known-points.ts";
import { pointsToKnow, vanishedMessage, vanishedPoints } from "./vanished-points.ts";

const id = (letter: string): string => letter.repeat(64);

function snapshot(letter: string, original: string | null = null, tags = ["holdfast", "stack:mist"]): StoredSnapshot {
  return { id: id(letter), original, tags, time: "2026-11-21T12:00:00+01:00" } as unknown as StoredSnapshot;
}

function missed(known: readonly KnownPoint[], snapshots: StoredSnapshot[], damaged: string[] = []): string[] {
  return vanishedPoints(known, { snapshots, damaged }).map(({ snapshotId }) => snapshotId[0]!);
}

describe("a known recovery point", () => {
  const known = pointsToKnow([snapshot("a"), snapshot("b"), snapshot("c", id("0"))]);

  it("is missed when it is gone, and only then", () => {
    assert.deepEqual(missed(known, [snapshot("a"), snapshot("b"), snapshot("c", id("0"))]), []);
    assert.deepEqual(missed(known, [snapshot("b"), snapshot("d")]), ["a", "c"]);
    assert.deepEqual(missed(known, []), ["a", "b", "c"]);
  });

  it("is not missed when its tags were changed, it was rewritten or copied: the new one names the first form", () => {
    assert.deepEqual(missed(known, [snapshot("d", id("a")), snapshot("e", id("b")), snapshot("f", id("0"))]), []);
  });

  it("is not missed when its file is there and damaged: that is found by itself", () => {
    assert.deepEqual(missed(known, [snapshot("b")], [id("a"), id("c")]), []);
  });

  it("is only what belongs to a stack; records and others' snapshots are not missed", () => {
    const others = [snapshot("d", null, []), snapshot("e", null, ["holdfast-record", "record:mist"])];
    assert.deepEqual(pointsToKnow(others), []);
    assert.deepEqual(known[2], {
      stack: "mist",
      snapshotId: id("c"),
      origin: id("0"),
      time: new Date("2026-11-21T11:00:00Z"),
    });
  });

  it("is named with its day, and of many the newest", () => {
    assert.match(
      vanishedMessage(known.slice(0, 1), "local"),
      /^a recovery point .* is gone from local.*aaaaaaaa of 2026-11-21$/,
    );
    const many = Array.from({ length: 7 }, () => known[1]!);
    assert.match(vanishedMessage(many, "local"), /^7 recovery points .* are gone .*, and 2 older$/);
  });
});
