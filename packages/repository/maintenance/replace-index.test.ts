// Tests of replacing the index: its files are bounded, and the old ones stay until the new ones are there.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { hasCode } from "../errors.ts";
import { parseIndexFile } from "../format/index-file.ts";
import type { PackedBlob } from "../format/pack.ts";
import type { Storage } from "../storage/storage.ts";
import { FaultStorage, faultScript } from "../testing/fault-storage.ts";
import type { Operation } from "../testing/fault-storage.ts";
import { openRepository } from "../writer/backup-fixture.ts";
import { empty } from "./copy/copy-fixture.ts";
import { names } from "./prune/prune-fixture.ts";
import type { PackListing } from "./replace-index.ts";
import { replaceIndex } from "./replace-index.ts";

const id = (): string => randomBytes(32).toString("hex");

function* packsOf(count: number, blobsEach: number): Generator<PackListing> {
  for (let pack = 0; pack < count; pack++) {
    const blobs: PackedBlob[] = [];
    for (let offset = 0; offset < blobsEach * 100; offset += 100)
      blobs.push({ id: id(), type: "data", offset, lengthBytes: 100, plainLength: 0 });
    yield { id: id(), blobs };
  }
}

/** How many blobs and packs each index file names. */
async function sizesOf(storage: Storage): Promise<{ blobs: number; packs: number }[]> {
  await using repository = await openRepository(storage);
  const sizes: { blobs: number; packs: number }[] = [];
  for (const name of await names(storage, "index")) {
    const size = { blobs: 0, packs: 0 };
    parseIndexFile(await repository.loadUnpacked("index", name), {
      ids: Buffer.alloc(64),
      pack: () => size.packs++,
      blob: () => size.blobs++,
    });
    sizes.push(size);
  }
  return sizes.toSorted((a, b) => b.blobs - a.blobs);
}

async function withOldIndexes(): Promise<{ storage: Awaited<ReturnType<typeof empty>>; oldIndexes: string[] }> {
  const storage = await empty();
  await using repository = await openRepository(storage);
  for (let file = 0; file < 3; file++) await replaceIndex(repository, { packs: packsOf(2, 3), oldIndexes: [] });
  return { storage, oldIndexes: await names(storage, "index") };
}

describe("replacing the index", () => {
  test("writes files of at most 50,000 blobs, and divides no pack", async () => {
    const { storage, oldIndexes } = await withOldIndexes();
    await using repository = await openRepository(storage);
    const { written, removed } = await replaceIndex(repository, { packs: packsOf(130, 1000), oldIndexes });
    assert.equal(removed, 3);
    assert.deepEqual(await names(storage, "index"), written.toSorted());
    assert.deepEqual(await sizesOf(storage), [
      { blobs: 50_000, packs: 50 },
      { blobs: 50_000, packs: 50 },
      { blobs: 30_000, packs: 30 },
    ]);
    const index = await repository.loadIndex();
    assert.equal(index.size, 130_000);
  });

  test("takes packs from an asynchronous source, a single one larger than a file too", async () => {
    const storage = await empty();
    await using repository = await openRepository(storage);
    const source = async function* (): AsyncGenerator<PackListing> {
      yield* packsOf(1, 10);
      yield* packsOf(1, 50_001);
      yield* packsOf(1, 0);
      yield* packsOf(1, 10);
    };
    await replaceIndex(repository, { packs: source(), oldIndexes: [] });
    assert.deepEqual(await sizesOf(storage), [
      { blobs: 50_001, packs: 1 },
      { blobs: 10, packs: 1 },
      { blobs: 10, packs: 1 },
    ]);
  });

  test("of nothing leaves no index", async () => {
    const { storage, oldIndexes } = await withOldIndexes();
    await using repository = await openRepository(storage);
    assert.equal((await repository.loadIndex()).size, 18);
    await replaceIndex(repository, { packs: [], oldIndexes: [...oldIndexes, id()] });
    assert.deepEqual(await names(storage, "index"), []);
    assert.equal((await repository.loadIndex()).size, 0);
  });

  test("removes nothing before all is written", async () => {
    const { storage, oldIndexes } = await withOldIndexes();
    const watched = new FaultStorage(storage, () => undefined);
    await using repository = await openRepository(watched);
    await replaceIndex(repository, { packs: packsOf(60, 1000), oldIndexes });
    const changes = watched.calls.filter(({ operation }) => operation === "put" || operation === "remove");
    const expected: Operation[] = ["put", "put", "remove", "remove", "remove"];
    assert.deepEqual(
      changes.map(({ operation }) => operation),
      expected,
    );
  });

  test("leaves the old index alone when a file cannot be written, or its packs cannot be told", async () => {
    const { storage, oldIndexes } = await withOldIndexes();
    const full = faultScript([
      { number: 2, operation: "put", type: "index", fault: { kind: "fail", code: "no-space" } },
    ]);
    await using failing = await openRepository(new FaultStorage(storage, full));
    await assert.rejects(replaceIndex(failing, { packs: packsOf(60, 1000), oldIndexes }), (error) =>
      hasCode(error, "no-space"),
    );
    await using repository = await openRepository(storage);
    const broken = function* (): Generator<PackListing> {
      yield* packsOf(1, 1);
      throw new TypeError("no more");
    };
    await assert.rejects(replaceIndex(repository, { packs: broken(), oldIndexes }), TypeError);
    const left = await names(storage, "index");
    assert.ok(oldIndexes.every((name) => left.includes(name)));
  });

  test("stops at its signal, and keeps the old index until then", async () => {
    const { storage, oldIndexes } = await withOldIndexes();
    await using repository = await openRepository(storage);
    const abort = new AbortController();
    const packs = function* (): Generator<PackListing> {
      yield* packsOf(1, 1);
      abort.abort();
    };
    await assert.rejects(replaceIndex(repository, { packs: packs(), oldIndexes, signal: abort.signal }), (error) =>
      hasCode(error, "interrupted"),
    );
    assert.deepEqual(await names(storage, "index"), oldIndexes);
  });
});
