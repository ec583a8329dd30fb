// Both ways with restic, the first: repositories that Holdfast wrote, in the hands of both versions of restic.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { assertSameDifference, assertSameListing } from "./support/comparisons.ts";
import { expectStatus } from "./support/programs.ts";
import { changeOrdinaryTree, makeOddTree, makeOrdinaryTree } from "./support/sample-tree.ts";
import { assertSameTree } from "./support/tree-facts.ts";
import { Workplace } from "./support/workplace.ts";
import type { BackupCounts } from "./support/workplace.ts";

for (const version of [1, 2] as const) {
  describe(`a repository of version ${version} that Holdfast wrote`, () => {
    const place = new Workplace(`restic-reads-${version}`);
    const source = place.at("source");
    let first: BackupCounts;
    let second: BackupCounts;
    before(() => {
      makeOrdinaryTree(place.at("source", "ordinary"));
      makeOddTree(place.at("source", "odd"));
      place.init("holdfast", version);
      first = place.backup("source");
      changeOrdinaryTree(place.at("source", "ordinary"));
      second = place.backup("source");
    });
    after(() => place[Symbol.dispose]());

    it("has the version that was asked for", () => {
      const config = JSON.parse(place.resticDone("cat", "config").stdout.toString()) as { version: number };
      assert.equal(config.version, version);
    });

    for (const which of ["resticOld", "restic"] as const) {
      it(`is sound to ${which}, all data read`, () => place.resticChecks(which));

      it(`is restored by ${which} as it was`, () => {
        const target = place.at(`restored by ${which}`);
        const words = ["restore", second.snapshotId, "--target", target];
        const outcome = place.restic(words, { which });
        if (which === "restic") {
          expectStatus(outcome, 0);
          assertSameTree(`${target}/source`, source);
        } else {
          // 0.14 knows neither link targets nor, on v1, all else that is odd: the ordinary half must be right.
          assertSameTree(`${target}/source/ordinary`, `${source}/ordinary`);
        }
      });

      it(`takes a forced backup of the same by ${which} that adds no data`, () => {
        const counts = place.resticBackup(which, "--force", "source");
        assert.equal(counts.dataBlobs, 0);
        // 0.19 writes trees as we do; 0.14 wrote fewer fields.
        if (which === "restic") assert.deepEqual([counts.treeBlobs, counts.bytesAdded], [0, 0]);
        assert.ok(counts.bytesProcessed > 10_000_000);
      });
    }

    it("is listed alike by both", () => assertSameListing(place, second.snapshotId));

    it("differs alike to both", () => {
      const changes = assertSameDifference(place, first.snapshotId, second.snapshotId);
      assert.equal(changes.filter((change) => change.startsWith("M ")).length, 2);
      assert.equal(changes.filter((change) => change.startsWith("+ ")).length, 1);
    });

    it("is pruned by restic and stays whole for Holdfast", () => {
      place.resticDone("forget", "--prune", "--max-unused", "0", first.snapshotId);
      assert.equal(place.check("--read-data").verdict, "clean");
      const target = place.at("after prune");
      place.done("restore", second.snapshotId, "--target", target);
      assertSameTree(`${target}/source`, source);
    });
  });
}
