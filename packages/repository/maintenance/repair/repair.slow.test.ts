// Tests of what each repair plans, says and leaves: index, packs, snapshots, config, and what no snapshot reaches.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { hasCode } from "../../errors.ts";
import { encodeIndex } from "../../format/index-file.ts";
import type { Storage } from "../../storage/storage.ts";
import type { Repository } from "../../store/repository.ts";
import { MemoryStorage } from "../../testing/memory-storage.ts";
import { backUp, makeRepository, openRepository, Scratch } from "../../writer/backup-fixture.ts";
import { planRecover } from "./recover.ts";
import { remediesOf } from "../check/remedies.ts";
import { planRepairConfig } from "./repair-config.ts";
import * as repairs from "./repair-fixture.ts";
import { applyRepairIndex, planRepairIndex } from "./repair-index.ts";
import { applyRepairPacks, planRepairPacks } from "./repair-packs.ts";
import type { RepairSnapshotsEvent } from "./repair-snapshots.ts";
import { repairSnapshots } from "./repair-snapshots.ts";

const { mayWrite } = repairs;
let base: MemoryStorage;
let truth: repairs.Truth;
before(async () => {
  ({ storage: base, truth } = await repairs.makeDamageable());
});

/** A copy of the repository, opened; closes with its scope. */
async function copied(): Promise<{ storage: MemoryStorage; repository: Repository }> {
  const storage = await repairs.copyOf(base);
  return { storage, repository: await openRepository(storage) };
}

/** The pack of a file's first blob, or of the tree that it is in. */
function packOf(type: "data" | "tree", end: string): string {
  const files = [...truth.snapshots.values()].flatMap((snapshot) => snapshot.files);
  const file = files.find(({ path }) => path.endsWith(end));
  assert.ok(file);
  const id = type === "data" ? file.pieces[0]!.id : file.trees.at(-1)!;
  return truth.index.locations(id, type)[0]!.pack;
}

async function stateOf(storage: Storage): Promise<string[]> {
  return (await repairs.namesIn(storage)).map(({ type, name }) => `${type} ${name}`).sort();
}

describe("the repair of the index", () => {
  test("finds nothing to do in a whole repository, also when it reads every pack", async () => {
    const { repository } = await copied();
    const packs = (await Array.fromAsync(repository.storage.list("pack"))).length;
    for (const readAllPacks of [false, true]) {
      const plan = await planRepairIndex(repository, { readAllPacks });
      assert.deepEqual([plan.isNeeded, plan.packs, plan.headersRead], [false, [], readAllPacks ? packs : 0]);
    }
  });

  test("plans without changing anything, and says of each pack what is wrong", async () => {
    const { storage, repository } = await copied();
    const gone = packOf("data", "/two");
    const short = packOf("data", "/grows");
    await storage.remove("pack", gone);
    storage.damage("pack", short, (content) => content.subarray(0, -1));
    const state = await stateOf(storage);
    const plan = await planRepairIndex(repository, { readAllPacks: false });
    const said = plan.packs.map(({ pack, kind }) => `${pack} ${kind}`).sort();
    assert.deepEqual(said, [`${gone} missing`, `${short} damaged`].sort());
    assert.deepEqual(await stateOf(storage), state);
    await applyRepairIndex(repository, plan, { mayWrite, keep: repairs.keep });
    assert.equal((await planRepairIndex(repository, { readAllPacks: false })).isNeeded, false);
    // Its blobs are still there for whoever salvages it.
    assert.ok(await repository.loadBlob("data", truthFile("/grows").pieces[0]!.id));
  });

  test("takes the side of the packs where index files contradict one another or lie", async () => {
    const { storage, repository } = await copied();
    const pack = packOf("tree", "/one");
    const index = await repository.loadIndex();
    const blobs = [...index.blobs()]
      .filter(({ location }) => location.pack === pack)
      .map(({ id, type, location }) => ({ id: id.toString("hex"), type, ...location }));
    const [a, b] = [blobs[0]!, blobs[1]!];
    const exchanged = [{ ...a, id: b.id }, { ...b, id: a.id }, ...blobs.slice(2)];
    const longer = [{ ...a, lengthBytes: a.lengthBytes + 1 }, ...blobs.slice(1)];
    for (const lie of [exchanged, longer]) {
      const name = await repository.saveUnpacked("index", encodeIndex([{ id: pack, blobs: lie }]));
      const plan = await planRepairIndex(repository, { readAllPacks: false });
      assert.ok(plan.oldIndexes.includes(name));
      assert.ok(plan.isNeeded);
      await applyRepairIndex(repository, plan, { mayWrite, keep: repairs.keep });
      await repairs.assertRestHolds(storage, truth, new Set(), []);
    }
  });

  test("reads all headers when told to, and finds what fits and is wrong all the same", async () => {
    const { storage, repository } = await copied();
    const pack = packOf("tree", "/one");
    const plan = await planRepairIndex(repository, { readAllPacks: false });
    const listings = [...plan.listings()].map(({ id, blobs }) => {
      if (id !== pack) return { id, blobs };
      const [a, b] = [blobs[0]!, blobs[1]!];
      return { id, blobs: [{ ...a, id: b.id }, { ...b, id: a.id }, ...blobs.slice(2)] };
    });
    for (const name of plan.oldIndexes) await storage.remove("index", name);
    await repository.saveUnpacked("index", encodeIndex(listings));
    assert.equal((await planRepairIndex(repository, { readAllPacks: false })).isNeeded, false);
    await repairs.repairIndex(repository, true);
    await repairs.assertRestHolds(storage, truth, new Set(), []);
  });
});

function truthFile(end: string): repairs.KnownFile {
  const [snapshot] = truth.snapshots.values();
  return snapshot!.files.find(({ path }) => path.endsWith(end))!;
}

describe("the repair of packs", () => {
  test("hands out the very bytes that it will remove, and removes nothing when they cannot be kept", async () => {
    const { storage, repository } = await copied();
    const pack = packOf("data", "/grows");
    storage.damage("pack", pack, (content) => content.subarray(0, 600_000));
    const bytes = await storage.read("pack", pack);
    const state = await stateOf(storage);
    const plan = await planRepairPacks(repository, [pack]);
    const blobs = [...truth.index.blobs()].filter(({ location }) => location.pack === pack);
    assert.equal(plan.packs[0]!.readable.length + plan.packs[0]!.lost.length, blobs.length);
    const keep = (): Promise<void> => Promise.reject(new Error("no room"));
    await assert.rejects(applyRepairPacks(repository, plan, { mayWrite, keep }), /no room/);
    assert.deepEqual(await stateOf(storage), state);
    const kept = await repairs.repairPacks(repository, [pack]);
    assert.deepEqual([...kept.keys()], [pack]);
    assert.ok(kept.get(pack)!.equals(bytes));
    await assert.rejects(storage.stat("pack", pack), (error) => hasCode(error, "not-found"));
  });

  test("loses nothing of a pack that is whole, and takes one that is gone out of the index", async () => {
    const { storage, repository } = await copied();
    const pack = packOf("data", "/grows");
    const gone = packOf("data", "/two");
    await storage.remove("pack", gone);
    const plan = await planRepairPacks(repository, [pack, gone]);
    assert.deepEqual(
      plan.packs.map(({ sizeBytes, lost }) => [sizeBytes === null, lost.length > 0]),
      [
        [false, false],
        [true, true],
      ],
    );
    await applyRepairPacks(repository, plan, { mayWrite, keep: async () => undefined });
    const index = await repository.loadIndex();
    assert.ok(!index.packs.includes(gone) && !index.packs.includes(pack));
    assert.ok(await repository.loadBlob("data", truthFile("/grows").pieces[0]!.id));
  });

  test("refuses names that nothing knows, and a repository whose index cannot be read", async () => {
    const { storage, repository } = await copied();
    await assert.rejects(planRepairPacks(repository, ["0".repeat(64)]), (error) => hasCode(error, "not-found"));
    const [index] = await Array.fromAsync(storage.list("index"));
    storage.damage("index", index!.name, (content) => content.subarray(1));
    await assert.rejects(
      planRepairPacks(repository, [packOf("data", "/two")]),
      (error) => hasCode(error, "damaged") && error.hint.includes("repair index"),
    );
  });
});

describe("the repair of snapshots", () => {
  async function repaired(
    repository: Repository,
    change: Partial<Parameters<typeof repairSnapshots>[1]> = {},
  ): Promise<{ result: Awaited<ReturnType<typeof repairSnapshots>>; events: RepairSnapshotsEvent[] }> {
    const { snapshots } = await repository.loadSnapshots();
    const events: RepairSnapshotsEvent[] = [];
    const request = {
      snapshots,
      stored: snapshots,
      unreadable: [],
      forget: false,
      dryRun: false,
      mayWrite,
      keep: repairs.keep,
    };
    const result = await repairSnapshots(repository, { ...request, ...change }, (event) => events.push(event));
    return { result, events };
  }

  test("leaves whole snapshots alone", async () => {
    const { storage, repository } = await copied();
    const state = await stateOf(storage);
    const { result } = await repaired(repository, { forget: true });
    assert.deepEqual([...new Set(result.snapshots.map(({ outcome }) => outcome))], ["whole"]);
    assert.deepEqual(await stateOf(storage), state);
  });

  test("without forget stores tagged forms beside the old ones, and no more of them when it is run again", async () => {
    const { storage, repository } = await copied();
    await storage.remove("pack", packOf("data", "/two"));
    const dry = await repaired(repository, { dryRun: true });
    assert.equal((await repository.loadSnapshots()).snapshots.length, 3);
    const { result, events } = await repaired(repository);
    assert.deepEqual(events, dry.events);
    assert.deepEqual(
      result.snapshots.map(({ outcome, isRemoved }) => [outcome, isRemoved]),
      [
        ["whole", false],
        ["changed", false],
        ["changed", false],
      ],
    );
    const changes = events.flatMap((event) =>
      event.kind === "change" ? [`${event.change} ${event.path.toString()}`] : [],
    );
    assert.ok(changes.includes("shortened /data/b/two"), changes.join());
    const { snapshots } = await repository.loadSnapshots();
    assert.equal(snapshots.length, 5);
    const added = snapshots.filter(({ tags }) => tags.includes("repaired"));
    const changed = result.snapshots.filter(({ outcome }) => outcome === "changed");
    assert.deepEqual(
      new Set(added.map(({ original }) => original)),
      new Set(changed.map(({ snapshot }) => snapshot.id)),
    );
    await repaired(repository);
    assert.equal((await repository.loadSnapshots()).snapshots.length, 5);
  });

  test("removes a snapshot of which nothing is left only when told to forget", async () => {
    const { storage, repository } = await copied();
    const [first] = truth.snapshots.values();
    const root = truth.index.locations(first!.files[0]!.trees[0]!, "tree")[0]!.pack;
    await storage.remove("pack", root);
    const lost = async (forget: boolean): Promise<(boolean | string)[]> => {
      const { snapshots } = (await repaired(repository, { forget })).result;
      return snapshots.filter(({ outcome }) => outcome === "lost").map(({ snapshot }) => snapshot.id);
    };
    assert.deepEqual(await lost(false), [first!.id]);
    assert.ok((await storage.stat("snapshot", first!.id)).sizeBytes > 0);
    assert.deepEqual(await lost(true), [first!.id]);
    await assert.rejects(storage.stat("snapshot", first!.id), (error) => hasCode(error, "not-found"));
  });

  test("is not needed where a backup of the same files brings back what was lost", async () => {
    using scratch = new Scratch();
    const storage = new MemoryStorage();
    await using repository = await makeRepository(storage);
    writeFileSync(join(scratch.path, "file"), Buffer.alloc(100_000, "the only copy "));
    const before = await backUp(repository, scratch.path);
    for await (const { name } of storage.list("pack")) await storage.remove("pack", name);
    repository.forgetIndex();
    await repairs.repairIndex(repository, true);
    await backUp(repository, scratch.path, { parent: null });
    const { verdict } = await repairs.checkAll(await openRepository(storage));
    assert.equal(verdict, "clean");
    assert.ok(await repository.loadTree(before.treeId));
  });
});

describe("recovering", () => {
  test("finds nothing in a whole repository, and nothing twice", async () => {
    const { storage, repository } = await copied();
    assert.deepEqual((await planRecover(repository)).roots, []);
    for await (const { name } of storage.list("snapshot")) await storage.remove("snapshot", name);
    assert.equal((await planRecover(repository)).roots.length, 3);
    assert.notEqual(await repairs.recover(repository), null);
    assert.equal(await repairs.recover(repository), null);
    const { snapshots } = await repository.loadSnapshots();
    assert.deepEqual(
      snapshots.map(({ tags, paths }) => [tags, paths]),
      [[["recovered"], ["/recover"]]],
    );
    const files = await repairs.filesOf(repository, snapshots[0]!.tree);
    const known = [...truth.snapshots.values()].flatMap((snapshot) => snapshot.files);
    assert.equal(files.length, known.length);
  });

  test("does not gather a tree that cannot be read", async () => {
    const { storage, repository } = await copied();
    for await (const { name } of storage.list("snapshot")) await storage.remove("snapshot", name);
    await storage.remove("pack", packOf("tree", "/three"));
    const plan = await planRecover(repository);
    assert.ok(plan.unreadable.length > 0);
    for (const { id } of plan.unreadable) assert.ok(!plan.roots.includes(id));
  });
});

describe("the repair of the config", () => {
  test("tells the version from what is stored, and needs a key that fits", async () => {
    for (const version of [1, 2] as const) {
      using scratch = new Scratch();
      const storage = new MemoryStorage();
      await using repository = await makeRepository(storage, version);
      writeFileSync(join(scratch.path, "file"), Buffer.alloc(1000));
      await backUp(repository, scratch.path);
      await storage.remove("config", "config");
      const plan = await planRepairConfig(repairs.openOptions(storage));
      assert.deepEqual([plan.state, plan.config.version], ["missing", version]);
      assert.notEqual(plan.config.chunkerPolynomial, repository.config.chunkerPolynomial);
      // With neither snapshots nor index the packs tell it.
      for (const type of ["snapshot", "index"] as const)
        for await (const { name } of storage.list(type)) await storage.remove(type, name);
      assert.equal((await planRepairConfig(repairs.openOptions(storage))).config.version, version);
      const [pack] = await Array.fromAsync(storage.list("pack"));
      const other = new MemoryStorage();
      await makeRepository(other);
      await other.remove("config", "config");
      await other.put("pack", pack!.name, [await storage.read("pack", pack!.name)]);
      await assert.rejects(
        planRepairConfig(repairs.openOptions(other)),
        (error) => hasCode(error, "damaged") && /opens none of the 1 files/.test(error.message),
      );
    }
  });

  test("is named wherever a repository without a config is met, and no second repository is made over it", async () => {
    const { storage } = await copied();
    await storage.remove("config", "config");
    const says = (error: unknown): boolean =>
      hasCode(error, "repository-missing") && /has lost/.test(error.message) && /repair config/.test(error.hint);
    await assert.rejects(openRepository(storage), says);
    const state = await stateOf(storage);
    await assert.rejects(makeRepository(storage), (error) => hasCode(error, "repository-exists"));
    assert.deepEqual(await stateOf(storage), state);
    assert.equal((await planRepairConfig(repairs.openOptions(base))).state, "whole");
  });
});

describe("the remedies", () => {
  test("of a whole repository are none, and of a lost index the index only", async () => {
    const { storage, repository } = await copied();
    const none = {
      config: false,
      keys: [],
      locks: false,
      index: false,
      packs: [],
      unreadableSnapshots: [],
      snapshots: false,
    };
    assert.deepEqual(remediesOf((await repairs.checkAll(repository)).findings), none);
    for await (const { name } of storage.list("index")) await storage.remove("index", name);
    const { index, packs, unreadableSnapshots } = remediesOf((await repairs.checkAll(repository)).findings);
    assert.deepEqual([index, packs, unreadableSnapshots], [true, [], []]);
  });
});
