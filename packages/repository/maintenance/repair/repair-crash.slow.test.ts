// Repairs that die, or are refused, at any change that they make: nothing gets worse, and the next run finishes.
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { hasCode } from "../../errors.ts";
import type { Storage } from "../../storage/storage.ts";
import type { Fault, StorageCall } from "../../testing/fault-storage.ts";
import { FaultStorage } from "../../testing/fault-storage.ts";
import type { MemoryStorage } from "../../testing/memory-storage.ts";
import { openRepository } from "../../writer/backup-fixture.ts";
import { applyRepairConfig, planRepairConfig } from "./repair-config.ts";
import * as repairs from "./repair-fixture.ts";

let base: MemoryStorage;
let truth: repairs.Truth;
let lost: repairs.LostBlobs;
let lostSnapshot = "";
let damagedPacks: readonly string[] = [];

/** Damage to several files at once, so that each repair has something to do. */
before(async () => {
  ({ storage: base, truth } = await repairs.makeDamageable());
  const [first, second, third] = [...truth.snapshots.values()];
  assert.ok(first && second && third);
  // The index files have the order of the snapshots that they were written for.
  const [index] = await Array.fromAsync(base.list("index"));
  await base.remove("index", index!.name);
  lostSnapshot = first.id;
  base.damage("snapshot", lostSnapshot, (content) => content.subarray(1));
  const root = third.files[0]!.trees[0]!;
  const [place] = truth.index.locations(root, "tree");
  base.damage("pack", place!.pack, (content) => flipped(content, place!.offset + 20));
  const two = second.files.find(({ path }) => path.endsWith("/two"));
  const [dataPlace] = truth.index.locations(two!.pieces[0]!.id, "data");
  const half = Math.floor((await base.stat("pack", dataPlace!.pack)).sizeBytes / 2);
  base.damage("pack", dataPlace!.pack, (content) => content.subarray(0, half));
  damagedPacks = [place!.pack, dataPlace!.pack];
  lost = new Set([`tree ${root}`, ...repairs.blobsWithin(truth, dataPlace!.pack, (_, end) => end > half)]);
});

function flipped(content: Buffer, at: number): Buffer {
  content[at]! ^= 1;
  return content;
}

const steps: Readonly<Record<string, (storage: Storage) => Promise<unknown>>> = {
  index: async (storage) => {
    await using repository = await openRepository(storage);
    await repairs.repairIndex(repository, false);
  },
  packs: async (storage) => {
    await using repository = await openRepository(storage);
    await repairs.repairPacks(repository, damagedPacks);
  },
  recover: async (storage) => {
    await using repository = await openRepository(storage);
    await repairs.recover(repository);
  },
  snapshots: async (storage) => {
    await using repository = await openRepository(storage);
    const { damaged } = await repository.loadSnapshots();
    await repairs.repairTheSnapshots(
      repository,
      damaged.map(({ id }) => id),
    );
  },
};

/** All repairs up to the named one. */
async function upTo(name: string, storage: Storage): Promise<void> {
  for (const [each, step] of Object.entries(steps)) {
    if (each === name) return;
    await step(storage);
  }
}

async function finish(storage: Storage): Promise<void> {
  for (const step of Object.values(steps)) await step(storage);
}

/** A reading changes nothing: dying there leaves what dying at the next change leaves. */
function isChange({ operation }: StorageCall): boolean {
  return operation === "put" || operation === "remove";
}

/** The fault at the `number`-th change; how many changes there were is told by `changes`. */
function faultAtChange(
  storage: Storage,
  number: number,
  fault: Fault,
): { storage: FaultStorage; changes: () => number } {
  let changes = 0;
  const script = (call: StorageCall): Fault | undefined => (isChange(call) && ++changes === number ? fault : undefined);
  return { storage: new FaultStorage(storage, script), changes: () => changes };
}

const crashes: readonly Fault[] = [
  { kind: "crash", effect: "not-done" },
  { kind: "crash", effect: "done" },
];

for (const [name, step] of Object.entries(steps)) {
  describe(`repairing: ${name}`, () => {
    for (const fault of [...crashes, { kind: "fail", code: "no-space" } as const]) {
      const what =
        fault.kind === "crash" ? `a crash at any change, which is ${fault.effect}` : "a full disk at any change";
      test(`survives ${what}`, async () => {
        const ready = await repairs.copyOf(base);
        await upTo(name, ready);
        let number = 1;
        while (await broken(ready, step, number, fault)) number++;
        assert.ok(number > 2, `only ${number - 1} changes were made`);
      });
    }
  });
}

/** False when the repair ended before its `number`-th change. */
async function broken(
  ready: Storage,
  step: (storage: Storage) => Promise<unknown>,
  number: number,
  fault: Fault,
): Promise<boolean> {
  const storage = await repairs.copyOf(ready);
  const readable = await repairs.readableBlobs(storage, truth).catch(() => new Set<string>());
  const faulty = faultAtChange(storage, number, fault);
  const outcome: unknown = await step(faulty.storage).then(
    () => null,
    (error: unknown) => error,
  );
  await faulty.storage.settled();
  const isReached = faulty.changes() >= number;
  assert.equal(outcome !== null, isReached, String(outcome));
  if (isReached) assert.ok(hasCode(outcome, fault.kind === "fail" ? fault.code : "interrupted"), String(outcome));
  const now = await repairs.readableBlobs(storage, truth);
  for (const blob of readable) assert.ok(now.has(blob), `the ${blob} cannot be read any more`);
  await finish(storage);
  await repairs.assertContents(storage, truth, lost, [lostSnapshot]);
  return isReached;
}

describe("repairing all", () => {
  test("gives a repository that a check finds whole", async () => {
    const storage = await repairs.copyOf(base);
    await finish(storage);
    await repairs.assertRestHolds(storage, truth, lost, [lostSnapshot]);
  });

  test("of a repository that may only grow ends with that answer, and leaves it as usable as it was", async () => {
    const storage = await repairs.copyOf(base);
    for (const [name, step] of Object.entries(steps)) {
      const before = await repairs.namesIn(storage);
      const readable = await repairs.readableBlobs(storage, truth);
      const growing = new FaultStorage(storage, ({ operation }) =>
        operation === "remove" ? { kind: "fail", code: "refused" } : undefined,
      );
      if (name === "recover") await step(growing);
      else await assert.rejects(step(growing), (error) => hasCode(error, "refused"));
      const after = (await repairs.namesIn(storage)).map(({ type, name: file }) => `${type} ${file}`);
      for (const { type, name: file } of before) assert.ok(after.includes(`${type} ${file}`));
      const now = await repairs.readableBlobs(storage, truth);
      for (const blob of readable) assert.ok(now.has(blob));
    }
    await finish(storage);
    await repairs.assertContents(storage, truth, lost, [lostSnapshot]);
  });
});

describe("repairing: config", () => {
  test("survives a crash at any change, and keeps the damaged one first", async () => {
    const { storage: whole, truth: all } = await repairs.makeDamageable();
    whole.damage("config", "config", (content) => flipped(content, 30));
    const bytes = await whole.read("config", "config");
    for (const fault of crashes) {
      for (let number = 1, isReached = true; isReached; number++) {
        const storage = await repairs.copyOf(whole);
        const faulty = faultAtChange(storage, number, fault);
        const options = repairs.openOptions(faulty.storage);
        const kept: Buffer[] = [];
        const keep = async (old: Buffer): Promise<void> => void kept.push(old);
        const outcome: unknown = await applyRepairConfig(faulty.storage, await planRepairConfig(options), keep).then(
          () => null,
          (error: unknown) => error,
        );
        isReached = faulty.changes() >= number;
        assert.equal(hasCode(outcome, "interrupted"), isReached, String(outcome));
        assert.ok(kept.length === 1 && kept[0]!.equals(bytes));
        await repairs.repairAll(storage);
        await repairs.assertContents(storage, all, new Set(), []);
      }
    }
  });
});
