// Both ways with restic, the second: repositories that restic wrote, pruned or grew, in the hands of Holdfast.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { assertSameDifference, assertSameDump, assertSameListing } from "./support/comparisons.ts";
import { isLong } from "./support/programs.ts";
import { changeOrdinaryTree, makeOddTree, makeOrdinaryTree, noise } from "./support/sample-tree.ts";
import { assertSameTree } from "./support/tree-facts.ts";
import { Workplace } from "./support/workplace.ts";
import type { BackupCounts } from "./support/workplace.ts";

const writers = [
  { which: "resticOld", version: 1 },
  { which: "resticOld", version: 2 },
  { which: "restic", version: 1 },
  { which: "restic", version: 2 },
] as const;

for (const { which, version } of writers) {
  describe(`a repository of version ${version} that ${which} wrote`, () => {
    const place = new Workplace(`${which}-writes-${version}`);
    const source = place.at("source");
    let first: BackupCounts;
    let second: BackupCounts;
    before(() => {
      makeOrdinaryTree(place.at("source", "ordinary"));
      makeOddTree(place.at("source", "odd"));
      place.init(which, version);
      first = place.resticBackup(which, "source");
      changeOrdinaryTree(place.at("source", "ordinary"));
      second = place.resticBackup(which, "source");
    });
    after(() => place[Symbol.dispose]());

    it("is sound to Holdfast, all data read", () => assert.equal(place.check("--read-data").verdict, "clean"));

    it("is restored by Holdfast as it was", () => {
      const target = place.at("restored");
      place.done("restore", second.snapshotId, "--target", target, "--verify");
      if (which === "restic") assertSameTree(`${target}/source`, source);
      else assertSameTree(`${target}/source/ordinary`, `${source}/ordinary`); // 0.14 stores less of what is odd
    });

    it("is listed and dumped alike by both", () => {
      assertSameListing(place, second.snapshotId);
      assertSameDump(place, second.snapshotId, "/source/ordinary/prose.txt", "/source/ordinary");
    });

    it("differs alike to both", () => {
      const changes = assertSameDifference(place, first.snapshotId, second.snapshotId);
      assert.equal(changes.filter((change) => change.startsWith("+ ")).length, 1);
    });

    it("takes a forced backup of the same by Holdfast that adds no data", () => {
      const counts = place.backup("--force", "source");
      assert.equal(counts.dataBlobs, 0);
      if (which === "restic") assert.deepEqual([counts.treeBlobs, counts.bytesAdded], [0, 0]);
      assert.ok(counts.bytesProcessed > 10_000_000);
      place.resticChecks(which === "restic" ? "resticOld" : "restic");
    });

    it("pruned by it, is sound to Holdfast, restored, and still takes what is known without data", () => {
      place.restic(["forget", "--prune", "--max-unused", "0", first.snapshotId], { which });
      assert.equal(place.check("--read-data").verdict, "clean");
      const target = place.at("restored after prune");
      place.done("restore", second.snapshotId, "--target", target);
      assertSameTree(`${target}/source/ordinary`, `${source}/ordinary`);
      assert.equal(place.backup("--force", "source").dataBlobs, 0);
      place.resticChecks(which);
    });
  });
}

describe("a repository that both write", () => {
  const place = new Workplace("restic-both");
  after(() => place[Symbol.dispose]());

  it("stores a file backed up by both once", () => {
    place.init("restic");
    const file = place.write("by-holdfast/large", noise("both", 6_000_000));
    const before = place.backup(file);
    const other = place.write("by-restic/other name", noise("both", 6_000_000));
    const after = place.resticBackup("restic", other);
    assert.ok(before.dataBlobs >= 2, "the file has several chunks");
    assert.equal(after.dataBlobs, 0);
    const large = place.write("by-restic/only there", noise("only there", 6_000_000));
    place.resticBackup("restic", large);
    assert.equal(place.backup(large).dataBlobs, 0);
  });

  it("with many snapshots, is listed and restored from its oldest to its newest", () => {
    const place = new Workplace("restic-many");
    place.init("restic");
    const count = isLong ? 400 : 40;
    const ids: string[] = [];
    for (let turn = 0; turn < count; turn++) {
      place.write("source/changing", `turn ${turn}`);
      place.write(`source/folder ${turn % 7}/file ${turn}`, `file ${turn}`);
      const time = new Date(Date.UTC(2024, 0, 1 + turn)).toISOString().slice(0, 19).replace("T", " ");
      const words = ["--time", time, "source"];
      // Every tenth by Holdfast: neither may lose sight of the other's parents.
      const by = turn % 10 === 5 ? place.backup(...words) : place.resticBackup("restic", ...words);
      assert.equal(by.filesUnmodified, Math.max(0, turn));
      ids.push(by.snapshotId);
    }
    assert.deepEqual(place.snapshots(), ids);
    for (const turn of [0, 5, count - 1]) {
      const dumped = place.done("dump", ids[turn] ?? "", "/source/changing").stdout;
      assert.equal(dumped.toString(), `turn ${turn}`);
    }
    assert.equal(place.check("--read-data").verdict, "clean");
    place.resticChecks();
    place[Symbol.dispose]();
  });
});
