// Verbs that change snapshots, on a repository with stacks in it: recovery points, pins and proofs stay what they are.
import assert from "node:assert/strict";
import { cpSync, renameSync, rmSync } from "node:fs";
import { describe, it } from "node:test";
import { expectStatus, message } from "./support/programs.ts";
import { linesOf, smallPlace, type Json } from "./support/stack-points.ts";
import type { StackPlace } from "./support/stack-place.ts";

function withPin(name: string): { place: StackPlace; point: string; other: string } {
  const place = smallPlace(name);
  const point = place.point();
  place.ends(0, "pin", point, "--note", "keep");
  place.ends(0, "drill", "app");
  const other = place.backup(place.application.uploads).snapshotId;
  return { place, point, other };
}

/** What Holdfast knows of the stack: its one recovery point, pinned and proven. */
function assertUnharmed(place: StackPlace, point: string): void {
  const points = linesOf(place.ends(0, "snapshots", "--json"), "recovery_point");
  assert.deepEqual(
    points.map(({ id }) => id),
    [point],
  );
  assert.equal((points[0]!["pins"] as Json[]).length, 1);
  const status = message(place.ends(0, "status", "--json"), "stack_status");
  assert.notEqual(status["proven"], null);
  place.ends(0, "check", "app");
}

describe("a repository with a stack in it", () => {
  it("tag and rewrite --forget leave recovery points and records alone, and refuse them by name", () => {
    const { place, point, other } = withPin("stack-rewrite");
    using _ = place;
    const tagged = place.done("tag", "--add", "mine");
    assert.match(tagged.stderr, /left as they are: 2 snapshots of stacks/);
    assert.match(tagged.stdout.toString(), /modified 1 snapshot\n/);
    assert.match(place.done("rewrite", "--forget", "--exclude", "deep").stdout.toString(), /modified 1 snapshot\n/);
    for (const words of [
      ["tag", "--add", "mine", point],
      ["rewrite", "--forget", "--exclude", "deep", point],
    ])
      assert.match(expectStatus(place.holdfast(words), 2).stderr, /a recovery point of the stack app.*keep its id/);
    const record = place.snapshots().find((id) => id !== point && id !== other)!;
    assert.ok(record);
    assertUnharmed(place, point);
  });

  it("rewrite makes an ordinary snapshot of a recovery point, which itself stays", () => {
    const { place, point } = withPin("stack-rewrite-copy");
    using _ = place;
    const outcome = place.done("rewrite", "--json", "--exclude", "deep", point);
    const changed = message(outcome, "changed");
    const all = JSON.parse(place.done("snapshots", "--json").stdout.toString()) as Json[];
    const made = all.find(({ id }) => id === changed["new_snapshot_id"])!;
    assert.deepEqual([made["tags"], made["original"]], [["rewrite"], point]);
    assert.doesNotMatch(place.done("ls", String(made["id"])).stdout.toString(), /deep/);
    assertUnharmed(place, point);
    place.resticChecks();
  });

  it("a proof follows the content: over restic's tag it does, over restic's rewrite it does not", () => {
    const { place } = withPin("stack-rewrite-restic");
    using _ = place;
    const proven = (): unknown => message(place.verb(["status", "--json"]), "stack_status")["proven"];
    const pins = (): unknown => linesOf(place.verb(["snapshots", "--json"]), "recovery_point")[0]!["pins"];
    const before = place.at("before");
    cpSync(place.repository, before, { recursive: true });
    expectStatus(place.restic(["tag", "--add", "mine", "--tag", "plan:daily"]), 0);
    assert.notEqual(proven(), null);
    rmSync(place.repository, { recursive: true });
    renameSync(before, place.repository);
    expectStatus(place.restic(["rewrite", "--forget", "--exclude", "deep", "--tag", "plan:daily"]), 0);
    assert.equal(proven(), null, "nobody has proven what is left of it");
    assert.equal((pins() as Json[]).length, 1);
  });
});
