// What common operations ask of the storage, counted: a listing for each type, and nothing twice.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { createKeyFile } from "../format/key-file.ts";
import type { Storage } from "../storage/storage.ts";
import { Repository } from "../store/repository.ts";
import { FaultStorage } from "../testing/fault-storage.ts";
import { MemoryStorage } from "../testing/memory-storage.ts";
import { backUp, makeRepository } from "../writer/backup-fixture.ts";

const snapshotCount = 4;
const work = mkdtempSync(join(tmpdir(), "holdfast-costs-"));
const source = join(work, "source");
after(() => rmSync(work, { recursive: true, force: true }));

/** Some snapshots with an index file each, and a directory of two hundred files in them. */
async function makeHistory(): Promise<Storage> {
  const storage = new MemoryStorage();
  await using repository = await makeRepository(storage);
  // Opened many times below: with a key that is cheap to derive.
  const facts = { created: 0n, username: "u", hostname: "h" };
  const key = await createKeyFile(repository.masterKey, "secret", facts, repository.kernel, { N: 16, r: 8, p: 1 });
  await repository.storage.put("key", key.name, [key.bytes]);
  await repository.storage.remove("key", repository.keyId);
  mkdirSync(source, { recursive: true });
  for (let number = 0; number < 200; number++) writeFileSync(join(source, `file-${number}`), `content ${number}`);
  for (let number = 0; number < snapshotCount; number++) {
    writeFileSync(join(source, "changing"), `state ${number}`);
    await backUp(repository, source);
  }
  return storage;
}

const history = makeHistory();

/** Runs `work` on the repository opened anew; how often it asked for what. */
async function costOf(
  cacheDirectory: string | undefined,
  use: (repository: Repository) => Promise<void>,
): Promise<Record<string, number>> {
  const storage = new FaultStorage(await history, () => undefined);
  {
    const identity = { hostname: "host", username: "user", uid: 0, gid: 0, pid: process.pid };
    const options = { storage, password: "secret", cacheDirectory, now: () => new Date(), identity };
    await using repository = await Repository.open(options);
    await use(repository);
  }
  const counts: Record<string, number> = {};
  for (const { operation, type } of storage.calls) {
    const kind = `${operation} ${type}`;
    counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts;
}

async function openAll(repository: Repository): Promise<void> {
  assert.ok((await repository.loadSnapshots()).snapshots.length >= snapshotCount);
  assert.ok((await repository.loadIndex()).size > 200);
}

describe("costs", () => {
  const opening = { "read config": 1, "list key": 1, "read key": 1 };
  const listing = { "list snapshot": 1, "list index": 1 };

  test("without a cache each snapshot and each index file is read once, after one listing of each", async () => {
    const counts = await costOf(undefined, openAll);
    assert.deepEqual(counts, { ...opening, ...listing, "read snapshot": snapshotCount, "read index": snapshotCount });
  });

  test("a second open with a cache reads nothing but the lists", async () => {
    const cache = join(work, "cache");
    const first = await costOf(cache, openAll);
    assert.equal(first["read snapshot"], snapshotCount);
    assert.equal(first["read index"], snapshotCount);
    assert.deepEqual(await costOf(cache, openAll), { ...opening, ...listing });
  });

  test("a cache that was removed costs what the first open cost", async () => {
    const cache = join(work, "removed");
    const first = await costOf(cache, openAll);
    rmSync(cache, { recursive: true });
    assert.deepEqual(await costOf(cache, openAll), first);
  });

  test("the trees of a snapshot that was looked at before come from the cache", async () => {
    const cache = join(work, "trees");
    const lookAt = async (repository: Repository): Promise<void> => {
      const { snapshots } = await repository.loadSnapshots();
      const [data] = await repository.loadTree(snapshots.at(-1)!.tree);
      assert.equal((await repository.loadTree(data!.subtree!)).length, 201);
    };
    assert.ok(((await costOf(cache, lookAt))["read pack"] ?? 0) > 0);
    assert.equal((await costOf(cache, lookAt))["read pack"], undefined);
  });

  test("a backup lists each type once", async () => {
    const cache = join(work, "backup");
    const counts = await costOf(cache, async (repository) => void (await backUp(repository, source)));
    const lists = Object.entries(counts).filter(([kind]) => kind.startsWith("list "));
    assert.deepEqual(
      lists.filter(([, times]) => times > 1),
      [],
    );
    assert.equal(counts["list pack"], undefined, "a backup knows what is stored from the index");
  });
});
