// Tests of the caution of repairs: what is out of reach is not taken for lost, and what goes is kept before.
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { hasCode, HoldfastError } from "../../errors.ts";
import type { Storage } from "../../storage/storage.ts";
import type { Repository } from "../../store/repository.ts";
import { MemoryStorage } from "../../testing/memory-storage.ts";
import { makeRepository, openRepository } from "../../writer/backup-fixture.ts";
import { applyRepairConfig, planRepairConfig } from "./repair-config.ts";
import * as repairs from "./repair-fixture.ts";
import { applyRepairIndex, planRepairIndex } from "./repair-index.ts";
import { planRepairPacks } from "./repair-packs.ts";
import { repairSnapshots } from "./repair-snapshots.ts";

const { mayWrite } = repairs;
let base: MemoryStorage;
let truth: repairs.Truth;
before(async () => {
  ({ storage: base, truth } = await repairs.makeDamageable());
});

/** A copy of the repository, opened. */
async function copied(): Promise<{ storage: MemoryStorage; repository: Repository }> {
  const storage = await repairs.copyOf(base);
  return { storage, repository: await openRepository(storage) };
}

async function stateOf(storage: Storage): Promise<string[]> {
  return (await repairs.namesIn(storage)).map(({ type, name }) => `${type} ${name}`).sort();
}

/** As a disk that is not mounted, or a server that lost its rights, looks. */
async function withoutPacks(): Promise<{ storage: MemoryStorage; repository: Repository }> {
  const there = await copied();
  for await (const { name } of there.storage.list("pack")) await there.storage.remove("pack", name);
  return there;
}

function failsToRead(storage: MemoryStorage, type: string, code: "storage" | "permission"): void {
  const read = storage.read.bind(storage);
  storage.read = (asked, name, range) =>
    asked === type ? Promise.reject(new HoldfastError(code, "not now")) : read(asked, name, range);
}

describe("what is only out of reach is not taken for lost:", () => {
  test("the index stays when not one of its packs is there, unless all packs are to be read", async () => {
    const { storage, repository } = await withoutPacks();
    const count = (await repository.loadIndex()).packs.length;
    const state = await stateOf(storage);
    await assert.rejects(planRepairIndex(repository, { readAllPacks: false }), (error) => {
      assert.ok(hasCode(error, "damaged") && /mounted/.test(error.hint));
      return error.message === `none of the ${count} packs that the index names is there`;
    });
    assert.deepEqual(await stateOf(storage), state);
    await repairs.repairIndex(repository, true);
    assert.deepEqual(await Array.fromAsync(storage.list("index")), []);
  });

  test("snapshots stay when there is no pack at all", async () => {
    const { storage, repository } = await withoutPacks();
    await repairs.repairIndex(repository, true);
    const state = await stateOf(storage);
    await assert.rejects(
      repairs.repairTheSnapshots(repository, []),
      (error) => hasCode(error, "damaged") && /not one pack/.test(error.message) && /mounted/.test(error.hint),
    );
    assert.deepEqual(await stateOf(storage), state);
  });

  test("an index file that the storage does not give for now ends the repair, and a check reports it", async () => {
    for (const code of ["storage", "permission"] as const) {
      const { storage, repository } = await copied();
      const [pack] = await Array.fromAsync(storage.list("pack"));
      failsToRead(storage, "index", code);
      await assert.rejects(planRepairIndex(repository, { readAllPacks: false }), (error) => hasCode(error, code));
      await assert.rejects(planRepairPacks(repository, [pack!.name]), (error) => hasCode(error, code));
      const { findings } = await repairs.checkAll(repository);
      assert.ok(findings.some(({ kind, message }) => kind === "file-damaged" && /not now/.test(message)));
    }
  });
});

describe("what a repair removes is kept before:", () => {
  test("damaged index files, and nothing is removed when they cannot be kept", async () => {
    const { storage, repository } = await copied();
    const [index] = await Array.fromAsync(storage.list("index"));
    storage.damage("index", index!.name, (content) => content.subarray(1));
    const bytes = await storage.read("index", index!.name);
    const state = await stateOf(storage);
    const plan = await planRepairIndex(repository, { readAllPacks: false });
    const fails = (): Promise<void> => Promise.reject(new Error("no room"));
    await assert.rejects(applyRepairIndex(repository, plan, { mayWrite, keep: fails }), /no room/);
    assert.deepEqual(await stateOf(storage), state);
    const kept = new Map<string, Buffer>();
    const keep = async (name: string, content: Buffer): Promise<void> => void kept.set(name, content);
    await applyRepairIndex(repository, plan, { mayWrite, keep });
    assert.deepEqual([...kept], [[index!.name, bytes]]);
  });

  test("snapshot files that cannot be read, or of which nothing is left", async () => {
    const { storage, repository } = await copied();
    const [first, second] = truth.snapshots.values();
    await storage.remove("pack", truth.index.locations(first!.files[0]!.trees[0]!, "tree")[0]!.pack);
    storage.damage("snapshot", second!.id, (content) => content.subarray(1));
    const expected = [];
    for (const { id } of [first!, second!]) expected.push([id, await storage.read("snapshot", id)]);
    const state = await stateOf(storage);
    const { snapshots } = await repository.loadSnapshots();
    const request = { snapshots, stored: snapshots, unreadable: [second!.id], forget: true, dryRun: false, mayWrite };
    const fails = (): Promise<void> => Promise.reject(new Error("no room"));
    await assert.rejects(
      repairSnapshots(repository, { ...request, keep: fails }, () => undefined),
      /no room/,
    );
    const left = await stateOf(storage);
    assert.ok(state.every((file) => left.includes(file)));
    const kept = new Map<string, Buffer>();
    const keep = async (id: string, content: Buffer): Promise<void> => void kept.set(id, content);
    await repairSnapshots(repository, { ...request, keep }, () => undefined);
    assert.deepEqual([...kept], expected);
    for (const { id } of [first!, second!])
      await assert.rejects(storage.stat("snapshot", id), (error) => hasCode(error, "not-found"));
  });
});

describe("the repair of the config", () => {
  test("leaves a config alone that reads differently each time", async () => {
    const { storage } = await copied();
    const whole = await storage.read("config", "config");
    storage.damage("config", "config", (content) => content.subarray(1));
    const plan = await planRepairConfig(repairs.openOptions(storage));
    assert.equal(plan.state, "damaged");
    storage.damage("config", "config", () => whole);
    await assert.rejects(
      applyRepairConfig(storage, plan, repairs.keep),
      (error) => hasCode(error, "damaged") && /differently each time/.test(error.message),
    );
    assert.ok((await storage.read("config", "config")).equals(whole));
  });

  test("passes over a key of the same password that opens nothing here", async () => {
    const { storage } = await copied();
    const other = new MemoryStorage();
    const { keyId } = await makeRepository(other);
    const mixed = new MemoryStorage();
    await mixed.put("key", keyId, [await other.read("key", keyId)]);
    for (const { type, name } of await repairs.namesIn(storage))
      if (type !== "config") await mixed.put(type, name, [await storage.read(type, name)]);
    const plan = await planRepairConfig(repairs.openOptions(mixed));
    assert.equal(plan.state, "missing");
    assert.notEqual(plan.keyId, keyId);
  });
});
