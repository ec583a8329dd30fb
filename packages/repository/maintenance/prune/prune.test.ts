// Tests of prune: what goes and what stays, and a storage that is in its way.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { hasCode } from "../../errors.ts";
import { FaultStorage, faultScript } from "../../testing/fault-storage.ts";
import { openRepository } from "../../writer/backup-fixture.ts";
import { empty } from "../copy/copy-fixture.ts";
import { planPrune } from "./plan-prune.ts";
import { applyPrune } from "./prune.ts";
import type { Files } from "./prune-fixture.ts";
import {
  assertHolds,
  assertSound,
  copyOf,
  names,
  opened,
  partlyUsed,
  prune,
  random,
  stateOf,
  storeMixedSnapshot,
  storeSnapshot,
  twoCopies,
} from "./prune-fixture.ts";

describe("prune", () => {
  for (const version of [1, 2] as const) {
    test(`removes what no snapshot needs and keeps the rest, in version ${version}`, async () => {
      const { storage, kept } = await partlyUsed(version);
      const { plan, report } = await opened(storage, (repository) =>
        prune(repository, { maxUnused: { kind: "bytes", bytes: 0 } }),
      );
      assert.ok(plan.decision.repack.length >= 2);
      assert.equal(report.repacked.blobs, 2);
      const after = await assertSound(storage);
      assert.equal(after.unused?.blobs, 0);
      assert.equal(after.blobs, 5);
      await assertHolds(storage, kept);
      // Nothing is left to do.
      const before = await stateOf(storage);
      const again = await opened(storage, (repository) =>
        prune(repository, { maxUnused: { kind: "bytes", bytes: 0 } }),
      );
      assert.equal(again.plan.isNeeded, false);
      assert.deepEqual(await stateOf(storage), before);
    });
  }

  test("reads what it moves and nothing else, and lists packs once", async () => {
    const { storage } = await partlyUsed();
    const watched = new FaultStorage(storage, () => undefined);
    const { plan } = await opened(watched, (repository) => prune(repository));
    const repacked = new Set(plan.decision.repack.map(({ name }) => name));
    const trees = watched.calls.filter(({ operation }) => operation === "stat").map(({ name }) => name);
    for (const { operation, type, name } of watched.calls) {
      if (operation === "read" && type === "pack") assert.ok(repacked.has(name!) || trees.includes(name));
    }
    assert.equal(watched.calls.filter(({ operation, type }) => operation === "list" && type === "pack").length, 1);
  });

  test("changes nothing while it only plans", async () => {
    const { storage } = await partlyUsed();
    const watched = new FaultStorage(storage, () => undefined);
    await opened(watched, (repository) => planPrune(repository, { workers: 1 }, () => undefined));
    assert.deepEqual(
      watched.calls.filter(({ operation }) => operation === "put" || operation === "remove"),
      [],
    );
  });

  test("shows what it would do if snapshots were forgotten, and does not do that", async () => {
    const storage = await empty();
    await using repository = await openRepository(storage);
    const id = await storeSnapshot(repository, { a: random() });
    const plan = await planPrune(repository, { workers: 1, without: new Set([id]) }, () => undefined);
    assert.equal(plan.decision.statistics.blobs.remove, 2);
    const before = await stateOf(storage);
    await assert.rejects(
      applyPrune(repository, plan, () => undefined),
      (error) => hasCode(error, "locked"),
    );
    assert.deepEqual(await stateOf(storage), before);
  });

  test("empties a repository without snapshots", async () => {
    const { storage, kept } = await partlyUsed();
    for (const id of kept.keys()) await storage.remove("snapshot", id);
    await opened(storage, (repository) => prune(repository));
    assert.deepEqual(await stateOf(storage), []);
  });

  test("keeps one copy of what is stored twice", async () => {
    const { storage, kept } = await partlyUsed();
    const files = [...kept.values()][0]!;
    await opened(storage, async (repository) => {
      for (let copy = 0; copy < 3; copy++) kept.set(await storeSnapshot(repository, files, { isBlind: true }), files);
    });
    const { plan } = await opened(storage, (repository) =>
      prune(repository, { maxUnused: { kind: "bytes", bytes: 0 } }),
    );
    assert.ok(plan.decision.statistics.blobs.duplicate > 0);
    const after = await assertSound(storage);
    assert.equal(after.duplicateBlobs, 0);
    assert.equal(after.unused?.blobs, 0);
    await assertHolds(storage, kept);
  });

  test("keeps the last copy where no pack would stay for another reason", async () => {
    const { storage, kept } = await twoCopies();
    const { plan } = await opened(storage, (repository) => prune(repository));
    assert.equal(plan.decision.statistics.blobs.duplicate, 1);
    await assertSound(storage);
    await assertHolds(storage, kept);
  });

  test("separates data from trees that share a pack", async () => {
    const { storage, kept } = await partlyUsed();
    const files = { x: random(), y: random() };
    await opened(storage, async (repository) => kept.set(await storeMixedSnapshot(repository, files), files));
    const { plan } = await opened(storage, (repository) => prune(repository));
    assert.ok(plan.decision.repack.some(({ reason }) => reason === "mixed"));
    await assertSound(storage);
    await assertHolds(storage, kept);
  });

  test("compresses what is not compressed only when asked", async () => {
    const storage = await empty();
    const files = { x: Buffer.alloc(100_000, "text "), y: Buffer.alloc(50_000, "more ") };
    const kept = new Map<string, Files>();
    await opened(storage, async (repository) => kept.set(await storeMixedSnapshot(repository, files), files));
    await opened(storage, (repository) => prune(repository));
    const moved = await opened(storage, (repository) => prune(repository));
    assert.ok(moved.plan.decision.statistics.bytes.uncompressed > 150_000);
    assert.equal(moved.plan.isNeeded, false);
    await opened(storage, (repository) => prune(repository, { repackUncompressed: true }));
    const after = await opened(storage, (repository) => prune(repository));
    assert.equal(after.plan.decision.statistics.bytes.uncompressed, 0);
    assert.ok(after.plan.decision.statistics.bytes.used < 10_000);
    await assertSound(storage);
    await assertHolds(storage, kept);
  });

  test("takes away what interrupted runs left, and tidies the index", async () => {
    const { storage, kept } = await partlyUsed();
    await opened(storage, async (repository) => {
      await repository.saveUnpacked("index", Buffer.from('{"packs":[]}\n'));
      await storage.put("pack", "ab".repeat(32), [random()]);
      // Every index file twice, as between writing the new ones and removing the old.
      for (const name of await names(storage, "index"))
        await repository.saveUnpacked("index", await repository.loadUnpacked("index", name));
    });
    await opened(storage, (repository) => prune(repository, { maxUnused: { kind: "unlimited" } }));
    await assertSound(storage);
    await assertHolds(storage, kept);
    assert.ok((await names(storage, "index")).length <= 2, "one of what stayed, one of what was moved");
  });
});

describe("prune of a storage that fails", () => {
  test("for lack of space while repacking leaves everything as it was", async () => {
    for (const number of [1, 2]) {
      const { storage, kept } = await partlyUsed();
      // Trees have to be moved, too: a second pack.
      const files = { x: random() };
      await opened(storage, async (repository) => kept.set(await storeMixedSnapshot(repository, files), files));
      const before = await stateOf(storage);
      const full = faultScript([{ number, operation: "put", type: "pack", fault: { kind: "fail", code: "no-space" } }]);
      await opened(new FaultStorage(storage, full), (repository) =>
        assert.rejects(prune(repository, { maxUnused: { kind: "bytes", bytes: 0 } }), (error) =>
          hasCode(error, "no-space"),
        ),
      );
      assert.deepEqual(await stateOf(storage), before);
      await assertHolds(storage, kept);
    }
  });

  test("to remove anything is refused before anything is written", async () => {
    const { storage, kept } = await partlyUsed();
    const packs = await names(storage, "pack");
    const appendOnly = new FaultStorage(storage, ({ operation, type }) =>
      operation === "remove" && type !== "lock" ? { kind: "fail", code: "refused" } : undefined,
    );
    await opened(appendOnly, (repository) =>
      assert.rejects(prune(repository), (error) => {
        assert.ok(hasCode(error, "refused"));
        assert.match(error.message, /nothing can be removed from/);
        assert.match(error.hint, /append-only/);
        return true;
      }),
    );
    assert.deepEqual(await names(storage, "pack"), packs);
    await assertSound(storage, ["index-empty"]);
    await assertHolds(storage, kept);
    // What is left of the attempt goes with the next prune.
    await opened(storage, (repository) => prune(repository));
    await assertSound(storage);
  });

  test("is refused when somebody stores a snapshot meanwhile", async () => {
    const { storage, kept } = await partlyUsed();
    const files = { late: random() };
    await using repository = await openRepository(storage);
    const plan = await planPrune(repository, { workers: 1 }, () => undefined);
    await opened(storage, async (other) => kept.set(await storeSnapshot(other, files), files));
    await assert.rejects(
      applyPrune(repository, plan, () => undefined),
      (error) => hasCode(error, "locked"),
    );
    await assertSound(storage);
    await assertHolds(storage, kept);
  });

  test("is interrupted by its signal at any event, and finishes when run again", async () => {
    const { storage: original, kept } = await partlyUsed();
    const none = { kind: "bytes", bytes: 0 } as const;
    for (let at = 1; ; at += 2) {
      const storage = await copyOf(original);
      const abort = new AbortController();
      let events = 0;
      const listener = (): void => {
        if (++events === at) abort.abort();
      };
      const outcome = await opened(storage, async (repository) => {
        const options = { workers: 1, signal: abort.signal, maxUnused: none };
        return applyPrune(repository, await planPrune(repository, options, listener), listener);
      }).catch((error: unknown) => error);
      if (events < at) return assert.ok(at > 10, `only ${at} events`);
      assert.ok(!(outcome instanceof Error) || hasCode(outcome, "interrupted"), String(outcome));
      await assertHolds(storage, kept);
      await opened(storage, (repository) => prune(repository, { maxUnused: none }));
      assert.equal((await assertSound(storage)).unused?.blobs, 0);
      await assertHolds(storage, kept);
    }
  });
});
