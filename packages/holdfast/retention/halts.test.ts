// What halts the cleaning up of a stack, and what is taken out of its record.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Run, RunOutcome } from "../state/runs.ts";
import { emptyRecord } from "../records/stack-record.ts";
import { danglingEntries } from "./dangling-entries.ts";
import { findHalts, tellingRun, type SuspicionFacts } from "./halts.ts";
import { dayMs, point, stackName, type PointFacts } from "./retention-fixture.ts";

const now = new Date("2026-01-10T00:00:00Z");
const ago = (days: number, facts: PointFacts = {}) => point(new Date(now.getTime() - days * dayMs), facts);

function run(operation: Run["operation"], outcome: RunOutcome, message: string | null = null): Run {
  return {
    id: "1",
    operation,
    stack: stackName,
    plan: null,
    outcome,
    exitCode: null,
    startedAt: now,
    endedAt: now,
    pid: 1,
    snapshotIds: [],
    counts: {},
    bytes: null,
    message,
  };
}

const well: SuspicionFacts = {
  stack: stackName,
  repository: "local",
  points: [ago(3, { outcome: "partial", drills: ["failed"] }), ago(2), ago(1, { drills: ["failed", "passed"] })],
  lastBackup: run("backup", "good"),
  lastCheck: run("check", "good"),
  vanished: [],
  unreadable: [],
  isStateUnreadable: false,
  damagedPacks: [],
  hasOnlyData: false,
  now,
};

describe("a stack", () => {
  it("is not halted while all is well, nor by what was mended since, nor before its first point", () => {
    assert.deepEqual(findHalts(well), []);
    assert.deepEqual(findHalts({ ...well, points: [], lastBackup: null, lastCheck: null }), []);
    assert.deepEqual(findHalts({ ...well, lastCheck: run("check", "partial") }), []);
    assert.deepEqual(findHalts({ ...well, points: [...well.points, ago(-0.01)] }), [], "clocks are set now and then");
  });

  const lost = { stack: stackName, snapshotId: "ab".repeat(32), origin: "ab".repeat(32), time: now };
  const reasons: readonly (readonly [what: string, change: Partial<SuspicionFacts>, message: RegExp])[] = [
    ["a partial point", { points: [...well.points, ago(0, { outcome: "partial" })] }, /newest .* is partial/],
    ["an unreadable one", { points: [...well.points, ago(0, { outcome: "unreadable" })] }, /newest .* cannot be read/],
    ["a point from the future", { points: [...well.points, ago(-1)] }, /from the future, 2026-01-11/],
    ["a failed drill", { points: [...well.points, ago(0, { drills: ["passed", "failed"] })] }, /last drill failed/],
    ["a failed backup", { lastBackup: run("backup", "failed", "no such file") }, /last backup failed: no such file/],
    ["a partial backup", { lastBackup: run("backup", "partial") }, /last backup was partial$/],
    ["an interrupted backup", { lastBackup: run("backup", "interrupted") }, /last backup was interrupted/],
    ["a failed check", { lastCheck: run("check", "failed", "a pack is gone") }, /last check failed: a pack is gone/],
    ["a vanished point", { vanished: [lost] }, /abababab of 2026-01-10/],
    ["a state that cannot be read", { isStateUnreadable: true }, /nobody can tell what has vanished or failed/],
    [
      "damaged packs",
      { damagedPacks: ["12".repeat(32), "34".repeat(32)] },
      /12121212, and 1 more of local was damaged/,
    ],
    ["data without a snapshot", { hasOnlyData: true }, /the repository local has data and no snapshot/],
    ["what cannot be read", { unreadable: ["the snapshot 1234 cannot be read"] }, /snapshot 1234 cannot be read/],
  ];
  for (const [what, change, message] of reasons) {
    it(`is halted by ${what}, with a remedy`, () => {
      const halts = findHalts({ ...well, ...change });
      assert.equal(halts.length, 1);
      assert.match(halts[0]?.message ?? "", message);
      assert.match(halts[0]?.hint ?? "", /holdfast|clocks/);
    });
  }
});

describe("the run that tells", () => {
  it("of checks is the newest that looked to its end, of backups the newest that does not run any more", () => {
    const outcomes: readonly RunOutcome[] = ["running", "interrupted", "failed", "good"];
    const of = (operation: Run["operation"]): RunOutcome | undefined =>
      tellingRun(
        operation,
        outcomes.map((outcome) => run(operation, outcome)),
      )?.outcome;
    assert.equal(of("check"), "failed");
    assert.equal(of("backup"), "interrupted");
    assert.equal(tellingRun("check", [run("check", "interrupted")]), null);
  });
});

describe("a record", () => {
  it("loses proofs and ended holds of what is gone, and keeps what somebody wants kept", () => {
    const entry = { at: now.toISOString(), removedAt: null };
    const person = { by: "somebody", note: "" };
    const proof = { tree: "t", host: "here", result: "passed" as const, rtoMs: 1, rpoMs: null, sources: [] };
    const ended = new Date(now.getTime() - dayMs).toISOString();
    const record = {
      ...emptyRecord,
      proofs: [
        { ...entry, ...proof, id: "1", snapshotId: "here" },
        { ...entry, ...proof, id: "2", snapshotId: "gone" },
        { ...entry, ...proof, id: "3", snapshotId: "gone", removedAt: ended },
      ],
      pins: [{ ...entry, ...person, id: "4", snapshotId: "gone" }],
      holds: [
        { ...entry, ...person, id: "5", snapshotId: "gone", until: ended },
        { ...entry, ...person, id: "6", snapshotId: "gone", until: null },
        { ...entry, ...person, id: "7", snapshotId: "here", until: ended },
      ],
    };
    const { proofs, pins, holds } = danglingEntries(record, new Set(["here"]), now);
    assert.deepEqual(
      [...proofs, ...pins, ...holds].map(({ id, removedAt }) => [id, removedAt]),
      [
        ["2", now.toISOString()],
        ["5", now.toISOString()],
      ],
    );
  });
});
