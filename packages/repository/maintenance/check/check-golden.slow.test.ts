// Repositories that restic made are clean, and count as restic counts: both versions, an old restic, a pruned one.
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Repository } from "../../store/repository.ts";
import { check } from "./check.ts";
import { requiredBinary, ResticRepository } from "../restic-repository.ts";
import { stats, statsModes } from "../stats/stats.ts";

const makers = [
  { what: "restic, version 2", variable: "HOLDFAST_RESTIC", version: 2 },
  { what: "restic, version 1", variable: "HOLDFAST_RESTIC", version: 1 },
  { what: "an old restic, version 2", variable: "HOLDFAST_RESTIC_OLD", version: 2 },
  { what: "an old restic, version 1", variable: "HOLDFAST_RESTIC_OLD", version: 1 },
] as const;

for (const { what, variable, version } of makers) {
  test(`a repository of ${what} is clean, and its sizes are those that restic tells`, async () => {
    using made = await ResticRepository.make(requiredBinary(variable), version);
    made.makeSnapshots();
    made.addOddities();
    await using repository = await made.open();
    const report = await check(repository, { readData: true, workers: 2 }, () => undefined);
    assert.deepEqual(report.findings, []);
    assert.equal(report.verdict, "clean");
    assert.deepEqual([report.snapshots, report.keys, report.packsRead], [3, 1, report.packs]);
    assert.equal(report.bytesRead, report.packBytes);
    assert.deepEqual(report.unused, { blobs: 0, sizeBytes: 0 });
    await compareStats(made, repository);
  });
}

interface ResticStats {
  total_size: number;
  total_file_count?: number;
  total_blob_count?: number;
  total_uncompressed_size?: number;
  compression_ratio?: number;
  compression_progress?: number;
  compression_space_saving?: number;
  snapshots_count: number;
}

async function compareStats(made: ResticRepository, repository: Repository): Promise<void> {
  const { snapshots } = await repository.loadSnapshots();
  for (const mode of statsModes) {
    // The newest restic, whoever made the repository: old ones count otherwise.
    const theirs = JSON.parse(
      made.runWith(requiredBinary("HOLDFAST_RESTIC"), "stats", "--mode", mode, "--json"),
    ) as ResticStats;
    const ours = await stats(repository, { mode, snapshots });
    assert.equal(ours.totalBytes, theirs.total_size, mode);
    assert.equal(ours.files ?? 0, theirs.total_file_count ?? 0, mode);
    assert.equal(ours.blobs ?? 0, theirs.total_blob_count ?? 0, mode);
    assert.equal(ours.snapshots, theirs.snapshots_count, mode);
    assert.ok(ours.totalBytes > 0 && (mode === "raw-data" || (ours.files ?? 0) > 5));
    assert.equal(ours.compression?.uncompressedBytes ?? 0, theirs.total_uncompressed_size ?? 0, mode);
    for (const [our, their] of [
      [ours.compression?.ratio, theirs.compression_ratio],
      [ours.compression?.progress, theirs.compression_progress],
      [ours.compression?.spaceSaving, theirs.compression_space_saving],
    ]) {
      assert.ok(Math.abs((our ?? 0) - (their ?? 0)) < 1e-9, `${mode}: ${our} is not ${their}`);
    }
  }
}

test("a repository that restic pruned is clean; before that, what was forgotten is unused", async () => {
  using made = await ResticRepository.make(requiredBinary("HOLDFAST_RESTIC"), 2);
  made.makeSnapshots();
  made.addOddities();
  made.run("forget", "latest");
  {
    await using repository = await made.open();
    const report = await check(repository, { readData: false }, () => undefined);
    assert.equal(report.verdict, "clean");
    assert.ok((report.unused?.blobs ?? 0) > 5 && (report.unused?.sizeBytes ?? 0) > 6_000_000);
    assert.equal(report.packsRead, 0);
  }
  rmSync(join(made.source, "a", "one"));
  made.run("backup", made.source);
  made.run("prune", "--max-unused", "0");
  await using repository = await made.open();
  const report = await check(repository, { readData: true }, () => undefined);
  assert.deepEqual(report.findings, []);
  assert.deepEqual(report.unused, { blobs: 0, sizeBytes: 0 });
});
