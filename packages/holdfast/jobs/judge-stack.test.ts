// Tests of what is said of a stack: each fact alone, with the clock as an argument.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HoldfastError, type StoredSnapshot } from "@holdfast/repository";
import type { ClosedRepository } from "../access/open-repositories.ts";
import type { PlanConfiguration, StackConfiguration } from "../configuration/configuration.ts";
import { exitCodes } from "../exit-codes.ts";
import type { Manifest } from "../records/manifest.ts";
import { emptyRecord, type Proof } from "../records/stack-record.ts";
import type { Run } from "../state/runs.ts";
import { judgeStack, type StackFacts, type StackStatus } from "./judge-stack.ts";
import type { RecoveryPoint } from "./recovery-points.ts";

const now = new Date("2026-11-21T12:00:00Z");
const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

const repository = { name: "local" } as RecoveryPoint["repository"];

function point(
  ageMs: number,
  more: { outcome?: "good" | "partial"; proofs?: Partial<Proof>[]; plan?: string } = {},
): RecoveryPoint {
  const { outcome = "good", proofs = [], plan = "daily" } = more;
  return {
    repository,
    stack: "mist",
    snapshot: { id: "ab".repeat(32), tags: ["holdfast", "stack:mist", `plan:${plan}`] } as unknown as StoredSnapshot,
    time: new Date(now.getTime() - ageMs),
    manifest: { outcome, sources: {} } as unknown as Manifest,
    problem: null,
    record: { ...emptyRecord, proofs: proofs as Proof[] },
  };
}

function proof(ageMs: number, result: "passed" | "failed", rtoMs = 1000): Partial<Proof> {
  return { result, at: new Date(now.getTime() - ageMs).toISOString(), snapshotId: "ab".repeat(32), rtoMs };
}

function run(outcome: Run["outcome"], more: Partial<Run> = {}): Run {
  return { outcome, startedAt: now, snapshotIds: [], message: null, plan: "daily", ...more } as Run;
}

function judge(
  facts: Partial<StackFacts>,
  {
    schedule = "0 2 * * *",
    prove = {},
  }: { schedule?: string | null; prove?: Partial<StackConfiguration["prove"]> } = {},
): StackStatus {
  const plan: PlanConfiguration = { name: "daily", schedule, destinations: [] };
  const stack: StackConfiguration = {
    name: "mist",
    sources: new Map(),
    plans: new Map([["daily", plan]]),
    prove: { restore: null, recovery: null, rtoMs: null, rpoMs: null, ...prove },
  };
  const nothing = {
    lastBackup: null,
    lastCheck: null,
    lastVerification: null,
    vanished: [],
    points: [],
    failed: [],
    sourceProblems: [],
  };
  return judgeStack({ stack, now, ...nothing, ...facts });
}

/** Kinds of remarks that make the exit code bad. */
function problems({ remarks }: StackStatus): string[] {
  return remarks.filter(({ exitCode }) => exitCode !== exitCodes.done).map(({ kind }) => kind);
}

describe("judging a stack", () => {
  it("is good only with a good recovery point and a good last run", () => {
    assert.deepEqual(problems(judge({})), ["never-ran"]);
    assert.deepEqual(problems(judge({ lastBackup: run("good") })), ["no-good-recovery-point"]);
    assert.deepEqual(problems(judge({ points: [point(hourMs)], lastBackup: run("good") })), []);
    assert.deepEqual(problems(judge({ points: [point(hourMs)] })), [], "made by another host");
    for (const outcome of ["failed", "interrupted"] as const) {
      assert.deepEqual(problems(judge({ points: [point(hourMs)], lastBackup: run(outcome) })), ["last-run-failed"]);
    }
    assert.deepEqual(problems(judge({ points: [point(hourMs)], lastCheck: run("failed") })), ["check-failed"]);
  });

  it("takes the newest good recovery point, and says when a newer one is partial", () => {
    const [old, good, partial] = [point(3 * hourMs), point(2 * hourMs), point(hourMs, { outcome: "partial" })];
    const status = judge({ points: [old, good, partial] });
    assert.equal(status.stored, good);
    assert.equal(status.newerPartial, partial);
    assert.deepEqual(
      status.remarks.map(({ exitCode }) => exitCode),
      [exitCodes.partial],
    );
    assert.equal(judge({ points: [partial, point(0)] }).newerPartial, null);
    assert.deepEqual(problems(judge({ points: [partial] })), ["no-good-recovery-point"]);
  });

  it("does not say that nothing is there when a repository could not be opened", () => {
    const failed: ClosedRepository[] = [{ repository, error: new HoldfastError("repository-missing", "gone") }];
    const status = judge({ failed });
    assert.equal(status.isComplete, false);
    assert.deepEqual(
      status.remarks.map(({ kind, exitCode }) => [kind, exitCode]),
      [["repository-missing", 10]],
    );
  });

  it("R324: is overdue an hour after the longest time between two days of the schedule", () => {
    const daily = (ageMs: number, lastBackup: Run | null = null): string[] =>
      problems(judge({ points: [point(ageMs)], lastBackup }));
    assert.deepEqual(daily(dayMs + hourMs), []);
    assert.deepEqual(daily(dayMs + hourMs + 1), ["backup-overdue"]);
    assert.deepEqual(daily(2 * dayMs, run("running")), [], "it is being made");
    const weekly = { schedule: "0 2 * * sun" };
    assert.deepEqual(problems(judge({ points: [point(7 * dayMs)] }, weekly)), []);
    assert.deepEqual(problems(judge({ points: [point(8 * dayMs)] }, weekly)), ["backup-overdue"]);
    assert.deepEqual(problems(judge({ points: [point(900 * dayMs)] }, { schedule: null })), []);
    assert.deepEqual(problems(judge({ points: [point(0), point(9 * dayMs, { plan: "other" })] }, weekly)), []);
  });

  it("says when a recovery point comes from the future: its age would hide that nothing is made", () => {
    assert.deepEqual(problems(judge({ points: [point(-hourMs)] })), []);
    assert.deepEqual(problems(judge({ points: [point(-hourMs - 1)] })), ["future"]);
  });

  it("is overdue when more could be lost than rpo allows", () => {
    const prove = { rpoMs: hourMs };
    assert.deepEqual(problems(judge({ points: [point(hourMs)] }, { prove })), []);
    assert.deepEqual(problems(judge({ points: [point(hourMs + 1)] }, { prove })), ["backup-overdue"]);
  });

  it("is overdue when the last passed drill, or without one the oldest recovery point, is older than the period", () => {
    const prove = { restore: "weekly" } as const;
    const of = (...points: RecoveryPoint[]): string[] => problems(judge({ points }, { prove, schedule: null }));
    assert.deepEqual(of(point(8 * dayMs), point(0)), ["proof-overdue"]);
    assert.deepEqual(of(point(6 * dayMs), point(0)), []);
    assert.deepEqual(of(point(20 * dayMs, { proofs: [proof(6 * dayMs, "passed")] })), []);
    assert.deepEqual(of(point(20 * dayMs, { proofs: [proof(8 * dayMs, "passed")] })), ["proof-overdue"]);
    const proven = [proof(8 * dayMs, "passed"), proof(dayMs, "failed")];
    assert.deepEqual(of(point(20 * dayMs, { proofs: proven })), ["drill-failed", "proof-overdue"]);
  });

  it("says when a drill took longer than rto allows", () => {
    const points = [point(hourMs, { proofs: [proof(0, "passed", 61_000)] })];
    assert.deepEqual(problems(judge({ points }, { prove: { rtoMs: 60_000 } })), ["too-slow"]);
    assert.deepEqual(problems(judge({ points }, { prove: { rtoMs: 61_000 } })), []);
  });

  it("R323: names what is missing at the sources, and that nothing runs by itself", () => {
    const sourceProblems = [{ source: "uploads", problem: "/srv does not exist", optional: false }];
    const { remarks } = judge({ points: [point(0)], sourceProblems }, { schedule: null });
    assert.deepEqual(
      remarks.map(({ kind, exitCode }) => [kind, exitCode]),
      [
        ["source-missing", exitCodes.done],
        ["no-schedule", exitCodes.done],
      ],
    );
  });
});
