// Restores beside restic: the same snapshot, restored by both, gives the same tree, which is that of the source.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  assertSameFacts,
  capture,
  createRepository,
  describeTree,
  makeNastyTree,
  openRepository,
  restic,
  restoreTo,
  Workplace,
} from "./restore-fixture.ts";

const sparseBytes = 32 * 1024 * 1024;

for (const { title, version } of [
  { title: "Holdfast", version: 0 },
  { title: "restic, version 2", version: 2 },
  { title: "restic, version 1", version: 1 },
]) {
  test(`a nasty tree from a repository by ${title}`, async () => {
    using place = new Workplace();
    makeNastyTree(place.at("source"), sparseBytes);
    if (version === 0) {
      await using repository = await createRepository(place.at("repository"));
      await capture(repository, place.at("source"));
    } else {
      restic(place.at("repository"), "init", "--repository-version", String(version));
      restic(place.at("repository"), "backup", "--with-atime", place.at("source"));
    }
    await using repository = await openRepository(place.at("repository"));
    const { snapshots } = await repository.loadSnapshots();
    const subfolder = version === 0 ? "/source" : place.at("source");
    const source = describeTree(place.at("source"));
    for (const sparse of [false, true]) {
      const { summary, errors } = await restoreTo(repository, snapshots[0]!, place.at(`ours ${sparse}`), {
        subfolder,
        sparse,
        verify: sparse,
      });
      assert.deepEqual(errors, []);
      assert.equal(summary.filesVerified > 0, sparse);
      const theirTarget = place.at(`theirs ${sparse}`);
      restic(
        place.at("repository"),
        "restore",
        `${snapshots[0]!.id}:${subfolder}`,
        "--target",
        theirTarget,
        ...(sparse ? ["--sparse"] : []),
      );
      const [ours, theirs] = [describeTree(place.at(`ours ${sparse}`)), describeTree(theirTarget)];
      assertSameFacts(ours.facts, theirs.facts);
      assertSameFacts(ours.facts, source.facts);
      if (!sparse) continue;
      for (const [path, blocks] of ours.blocks)
        assert.ok(blocks <= theirs.blocks.get(path)!, `${path}: ${blocks} blocks, restic's ${theirs.blocks.get(path)}`);
      // restic leaves no hole inside of a blob.
      assert.ok(ours.blocks.get("/zeros inside")! < theirs.blocks.get("/zeros inside")!);
      assert.ok(ours.blocks.get("/sparse")! * 512 < sparseBytes / 4);
    }
  });
}
