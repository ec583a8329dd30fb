// Tests of prune: what goes and what stays, with what it finds damaged or in its way.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { hasCode } from "../errors.ts";
import { FaultStorage, faultScript } from "../testing/fault-storage.ts";
import type { Storage } from "../storage/storage.ts";
import type { Repository } from "../store/repository.ts";
import type { MemoryStorage } from "../testing/memory-storage.ts";
import { openRepository } from "../writer/backup-fixture.ts";
import { empty } from "./copy-fixture.ts";
import { planPrune } from "./plan-prune.ts";
import { applyPrune } from "./prune.ts";
import type { Files } from "./prune-fixture.ts";
import { assertHolds, assertSound, copyOf, names, prune, storeMixedSnapshot, storeSnapshot } from "./prune-fixture.ts";

const random = (sizeBytes = 3000): Buffer => randomBytes(sizeBytes);

interface Scene {
  readonly storage: MemoryStorage;
  readonly kept: Map<string, Files>;
  readonly forgotten: Files;
}

/** Two snapshots in packs that they share; the older one is forgotten. */
async function partlyUsed(version: 1 | 2 = 2): Promise<Scene> {
  const storage = await empty(version);
  await using repository = await openRepository(storage);
  const shared = { a: random(), b: random(), c: random() };
  const text = Buffer.alloc(20_000, "text ");
  const forgotten = { ...shared, d: random(), e: random(), f: text };
  const first = await storeSnapshot(repository, forgotten, { packs: [["a", "d"], ["b", "e"], ["f"]] });
  const second = { ...shared, g: random() };
  const kept = new Map<string, Files>([[await storeSnapshot(repository, second), second]]);
  await storage.remove("snapshot", first);
  return { storage, kept, forgotten };
}

async function opened<T>(storage: Storage, work: (repository: Repository) => Promise<T>): Promise<T> {
  await using repository = await openRepository(storage);
  return await work(repository);
}

async function stateOf(storage: Storage): Promise<string[]> {
  return [...(await names(storage, "snapshot")), ...(await names(storage, "index")), ...(await names(storage, "pack"))];
}

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
      const again = await opened(storage, (repository) => prune(repository, { maxUnused: { kind: "bytes", bytes: 0 } }));
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
      if (operation === "read" && type === "pack") assert.ok(repacked.has(name!) || trees.includes(name!));
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
    for (let at = 1; ; at++) {
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
