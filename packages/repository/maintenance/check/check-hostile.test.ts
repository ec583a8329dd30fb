// Files whose seal and name are right and whose content is not: the check and a restore say so, and never crash or hang.
import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { before, test } from "node:test";
import { HoldfastError } from "../../errors.ts";
import { encodeIndex } from "../../format/index-file.ts";
import { sealPack } from "../../format/pack.ts";
import { encodeSnapshot } from "../../format/snapshot.ts";
import { restore } from "../../reader/restore.ts";
import { everyPath } from "../../selection/path-rules.ts";
import type { Repository } from "../../store/repository.ts";
import { mutateJson, Seeded } from "../../testing/fuzzing.ts";
import type { MemoryStorage } from "../../testing/memory-storage.ts";
import { openRepository } from "../../writer/backup-fixture.ts";
import { checkAll, copyOf, makeDamageable } from "../repair/repair-fixture.ts";

const inputs = process.env["HOLDFAST_LONG"] === "1" ? 3000 : 8;
const limitMs = 20_000;
let base: MemoryStorage;
before(async () => {
  ({ storage: base } = await makeDamageable());
});

/** Runs the check and a restore of every snapshot; true when the check found damage. */
async function survives(storage: MemoryStorage, what: string): Promise<boolean> {
  const begun = performance.now();
  await using repository = await openRepository(storage);
  const { verdict, findings } = await checkAll(repository);
  const { snapshots } = await repository.loadSnapshots();
  const target = mkdtempSync("/dev/shm/holdfast-hostile-");
  try {
    const fixed = { subfolder: "/", rules: everyPath, overwrite: "always", delete: true, sparse: true } as const;
    for (const snapshot of snapshots.slice(-1))
      await restore(repository, { ...fixed, snapshot, target, verify: false, dryRun: false, workers: 1 }, () => {});
  } catch (error) {
    assert.ok(error instanceof HoldfastError && error.code !== "internal", `${what}: ${String(error)}`);
  } finally {
    rmSync(target, { recursive: true });
  }
  const tookMs = performance.now() - begun;
  assert.ok(tookMs < limitMs, `${what}: ${tookMs} ms`);
  assert.ok(verdict !== "damaged" || findings.some(({ message }) => message !== ""));
  return verdict === "damaged";
}

test(`${inputs} indexes with something changed in them`, async () => {
  const random = new Seeded(20261121);
  let found = 0;
  for (let number = 0; number < inputs; number++) {
    const storage = await copyOf(base);
    {
      await using repository = await openRepository(storage);
      const [first] = await Array.fromAsync(storage.list("index"));
      const json: unknown = JSON.parse((await repository.loadUnpacked("index", first!.name)).toString());
      await repository.saveUnpacked("index", Buffer.from(mutateJson(json, random)));
      await storage.remove("index", first!.name);
    }
    if (await survives(storage, `index ${number}`)) found++;
  }
  assert.ok(found > inputs / 3, `${found} of ${inputs} were found`);
});

test(`${inputs} trees with something changed in them, whose hashes are right`, async () => {
  const random = new Seeded(42);
  let found = 0;
  for (let number = 0; number < inputs; number++) {
    const storage = await copyOf(base);
    {
      await using repository = await openRepository(storage);
      const { snapshots } = await repository.loadSnapshots();
      const snapshot = snapshots.at(-1)!;
      const json: unknown = JSON.parse((await repository.loadBlob("tree", snapshot.tree)).toString());
      const tree = await storeTree(repository, Buffer.from(mutateJson(json, random)));
      const { id: _, ...facts } = snapshot;
      await repository.saveUnpacked("snapshot", encodeSnapshot({ ...facts, tree }));
      await storage.remove("snapshot", snapshot.id);
    }
    if (await survives(storage, `tree ${number}`)) found++;
  }
  assert.ok(found > inputs / 4, `${found} of ${inputs} were found`);
});

test("an index that announces four gigabytes for a blob, or places it far away: named, and no memory is taken", async () => {
  for (const lie of [{ plainLength: 0xffff_ffff }, { lengthBytes: 0xffff_ffff }, { offset: 0xffff_0000 }]) {
    const storage = await copyOf(base);
    {
      await using repository = await openRepository(storage);
      const packs = new Map<string, object[]>();
      for (const { id, type, location } of (await repository.loadIndex()).blobs()) {
        const blob = { id: id.toString("hex"), type, ...location, ...(type === "data" ? lie : {}) };
        packs.set(location.pack, [...(packs.get(location.pack) ?? []), blob]);
      }
      for (const { name } of await Array.fromAsync(storage.list("index"))) await storage.remove("index", name);
      const all = [...packs].map(([id, blobs]) => ({ id, blobs: blobs as never[] }));
      await repository.saveUnpacked("index", encodeIndex(all));
    }
    const before = process.resourceUsage().maxRSS;
    assert.ok(await survives(storage, JSON.stringify(lie)));
    assert.ok(process.resourceUsage().maxRSS - before < 300 * 1024, "kibibytes of memory were taken");
  }
});

/** Stores a tree in a pack and an index of its own; its id. */
async function storeTree(repository: Repository, json: Buffer): Promise<string> {
  const id = hash("sha256", json, "buffer");
  const sealed = repository.sealer.seal(json);
  const blob = { id, type: "tree", offset: 0, lengthBytes: sealed.length, plainLength: 0 } as const;
  const pack = Buffer.concat([sealed, sealPack([blob], repository.sealer)]);
  const name = hash("sha256", pack);
  await repository.storage.put("pack", name, [pack]);
  const listed = encodeIndex([{ id: name, blobs: [{ ...blob, id: id.toString("hex") }] }]);
  await repository.saveUnpacked("index", listed);
  return id.toString("hex");
}
