// Tests of prune where something is damaged or missing: it removes nothing, unless there is another copy.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { hasCode } from "../../errors.ts";
import { FaultStorage, faultScript } from "../../testing/fault-storage.ts";
import type { Storage } from "../../storage/storage.ts";
import { planPrune } from "./plan-prune.ts";
import { applyPrune } from "./prune.ts";
import type { Files } from "./prune-fixture.ts";
import {
  assertHolds,
  assertSound,
  names,
  opened,
  partlyUsed,
  prune,
  stateOf,
  storeSnapshot,
  twoCopies,
} from "./prune-fixture.ts";

/** A prune of this repository must refuse as damaged, and leave everything as it is. */
async function assertRefuses(storage: Storage, what: RegExp): Promise<void> {
  const before = await stateOf(storage);
  await opened(storage, (repository) =>
    assert.rejects(prune(repository, { maxUnused: { kind: "bytes", bytes: 0 } }), (error) => {
      assert.ok(hasCode(error, "damaged"), String(error));
      assert.match(error.message, what);
      return true;
    }),
  );
  assert.deepEqual(await stateOf(storage), before);
}

const flip = (at: number) => (content: Buffer) => {
  content[at]! ^= 1;
  return content;
};

describe("prune of a damaged repository removes nothing when", () => {
  test("a snapshot cannot be read", async () => {
    const { storage } = await partlyUsed();
    storage.damage("snapshot", (await names(storage, "snapshot"))[0]!, flip(40));
    await assertRefuses(storage, /the snapshot [0-9a-f]{64} cannot be read/);
  });

  test("a snapshot is listed and then not found", async () => {
    const { storage } = await partlyUsed();
    const script = faultScript([
      { number: 1, operation: "read", type: "snapshot", fault: { kind: "fail", code: "not-found" } },
    ]);
    await assertRefuses(new FaultStorage(storage, script), /cannot be read/);
  });

  test("an index file cannot be read", async () => {
    const { storage } = await partlyUsed();
    storage.damage("index", (await names(storage, "index"))[0]!, flip(40));
    await assertRefuses(storage, /the index [0-9a-f]{64} cannot be read/);
  });

  test("an index file is gone", async () => {
    const { storage } = await partlyUsed();
    await storage.remove("index", (await names(storage, "index"))[0]!);
    await assertRefuses(storage, /in no index/);
  });

  /** The packs by what they hold. */
  async function packsOf(storage: Storage, kept: ReadonlyMap<string, Files>) {
    return opened(storage, async (repository) => {
      const index = await repository.loadIndex();
      const { snapshots } = await repository.loadSnapshots();
      const tree = snapshots.find(({ id }) => kept.has(id))!.tree;
      const nodes = await repository.loadTree(tree);
      const data = nodes.map(({ content }) => index.locations(content![0]!, "data")[0]!);
      return { tree: index.locations(tree, "tree")[0]!, data };
    });
  }

  test("a tree is damaged", async () => {
    const { storage, kept } = await partlyUsed();
    const { tree } = await packsOf(storage, kept);
    storage.damage("pack", tree.pack, flip(tree.offset + 20));
    await assertRefuses(storage, /is damaged/);
  });

  test("the pack of a tree is gone", async () => {
    const { storage, kept } = await partlyUsed();
    await storage.remove("pack", (await packsOf(storage, kept)).tree.pack);
    await assertRefuses(storage, /is missing/);
  });

  test("the pack of data is gone, be it one to keep or one to repack", async () => {
    for (const at of [0, 3]) {
      const { storage, kept } = await partlyUsed();
      await storage.remove("pack", (await packsOf(storage, kept)).data[at]!.pack);
      await assertRefuses(storage, /is missing, and 1 of its blobs are needed/);
    }
  });

  test("a pack is shorter or longer than the index says", async () => {
    for (const change of [(bytes: Buffer) => bytes.subarray(1), (bytes: Buffer) => Buffer.concat([bytes, bytes])]) {
      const { storage, kept } = await partlyUsed();
      storage.damage("pack", (await packsOf(storage, kept)).data[0]!.pack, change);
      await assertRefuses(storage, /where the index speaks of/);
    }
  });

  test("a blob that has to be moved is damaged", async () => {
    const { storage, kept } = await partlyUsed();
    const [first] = (await packsOf(storage, kept)).data;
    storage.damage("pack", first!.pack, flip(first!.offset + 20));
    await assertRefuses(storage, /the data blob [0-9a-f]{64} in pack [0-9a-f]{64} cannot be read/);
  });

  test("but a copy elsewhere saves what is damaged or gone", async () => {
    for (const harm of ["damaged", "gone"] as const) {
      const { storage, kept } = await partlyUsed();
      const [first] = (await packsOf(storage, kept)).data;
      const files = [...kept.values()][0]!;
      await opened(storage, async (repository) =>
        kept.set(await storeSnapshot(repository, files, { isBlind: true }), files),
      );
      if (harm === "gone") await storage.remove("pack", first!.pack);
      else storage.damage("pack", first!.pack, flip(first!.offset + 20));
      await opened(storage, (repository) => prune(repository, { maxUnused: { kind: "bytes", bytes: 0 } }));
      await assertSound(storage);
      await assertHolds(storage, kept);
    }
  });

  test("but a copy in a pack that goes saves one that is damaged where it should be moved from", async () => {
    const { storage, kept } = await twoCopies();
    await opened(storage, async (repository) => {
      const options = { workers: 1, maxUnused: { kind: "bytes", bytes: 0 } } as const;
      const plan = await planPrune(repository, options, () => undefined);
      const [moved] = plan.decision.repack.filter(({ reason }) => reason === "partly-used");
      // Both blobs in it.
      storage.damage("pack", moved!.name, (bytes) => flip(3100)(flip(20)(bytes)));
      await applyPrune(repository, plan, () => undefined);
    });
    await assertSound(storage);
    await assertHolds(storage, kept);
  });

  test("though packs that are gone and not needed are forgotten", async () => {
    const { storage, kept, forgotten } = await partlyUsed();
    await opened(storage, async (repository) => {
      const index = await repository.loadIndex();
      const text = Array.from(index.blobs()).find(({ location }) => location.plainLength === forgotten["f"]!.length)!;
      await storage.remove("pack", text.location.pack);
    });
    const { plan } = await opened(storage, (repository) => prune(repository));
    assert.equal(plan.decision.forget.length, 1);
    await assertSound(storage);
    await assertHolds(storage, kept);
  });
});
