// Tests of reading chosen blobs of a pack, and of storing them again without unpacking.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import type { PackedBlob } from "../format/pack.ts";
import { BlobIndex } from "../index/blob-index.ts";
import type { Repository } from "../store/repository.ts";
import { MemoryStorage } from "../testing/memory-storage.ts";
import { makeRepository, openRepository } from "../writer/backup-fixture.ts";
import { BlobSaver } from "../writer/blob-saver.ts";
import { PackStore } from "../writer/pack-store.ts";
import { readPackBlobs } from "./pack-blobs.ts";

const storeOptions = { dryRun: false, readBack: true, mayWrite: Promise.resolve() };

/** One pack of blobs of all sizes; what they hold by id. */
async function packOf(
  repository: Repository,
): Promise<{ pack: string; blobs: PackedBlob[]; plain: Map<string, Buffer> }> {
  const index = await repository.loadIndex();
  const packs = new PackStore(repository, index, storeOptions);
  const saver = new BlobSaver(repository, index, packs, "data");
  const plain = new Map<string, Buffer>();
  for (const size of [0, 1, 2, 700, 300_000, 5_000_000, 40, 900_000]) {
    const content = size === 900_000 ? Buffer.alloc(size, "compressible ") : randomBytes(size);
    plain.set(await saver.save(content), content);
  }
  await saver.flush();
  await packs.finish();
  const blobs = Array.from(index.blobs(), ({ id, type, location }) => ({ id: id.toString("hex"), type, ...location }));
  return { pack: index.packs[0]!, blobs, plain };
}

describe("blobs read from a pack", () => {
  test("are what was stored, whichever are asked for, in few requests", async () => {
    await using repository = await makeRepository();
    const { pack, blobs, plain } = await packOf(repository);
    assert.equal(blobs.length, 8);
    const asked = blobs.filter((_, at) => at !== 3);
    const found = new Map<string, Buffer>();
    for await (const read of readPackBlobs(repository, pack, asked.toReversed())) {
      assert.ok("plain" in read);
      found.set(read.blob.id, Buffer.from(read.plain));
    }
    assert.equal(found.size, 7);
    for (const [id, content] of found) assert.ok(content.equals(plain.get(id)!));
  });

  test("that are damaged are named, the others come", async () => {
    const storage = new MemoryStorage();
    await using repository = await makeRepository(storage);
    const { pack, blobs } = await packOf(repository);
    const bytes = Buffer.from(await storage.read("pack", pack));
    const hurt = blobs[4]!;
    bytes[hurt.offset + 20]! ^= 1;
    await storage.remove("pack", pack);
    await storage.put("pack", pack, [bytes.subarray(0, blobs[7]!.offset + 10)]);
    const lost: string[] = [];
    let whole = 0;
    for await (const read of readPackBlobs(repository, pack, blobs)) {
      if ("error" in read) lost.push(read.blob.id);
      else whole++;
    }
    assert.deepEqual(lost, [hurt.id, blobs[7]!.id]);
    assert.equal(whole, 6);
  });

  test("of a pack that is gone are all lost", async () => {
    const storage = new MemoryStorage();
    await using repository = await makeRepository(storage);
    const { pack, blobs } = await packOf(repository);
    await storage.remove("pack", pack);
    const read = await Array.fromAsync(readPackBlobs(repository, pack, blobs));
    assert.equal(read.length, 8);
    for (const each of read) assert.match("error" in each ? each.error.message : "", /its pack is missing/);
  });

  test("go into another pack as they are, and are read there", async () => {
    const storage = new MemoryStorage();
    await using repository = await makeRepository(storage);
    const { pack, blobs, plain } = await packOf(repository);
    const fresh = BlobIndex.create(blobs.length);
    const packs = new PackStore(repository, fresh, storeOptions);
    const saver = new BlobSaver(repository, fresh, packs, "data");
    for await (const read of readPackBlobs(repository, pack, blobs.slice(2))) {
      assert.ok("sealed" in read);
      const entry = fresh.claim(Buffer.from(read.blob.id, "hex"), "data");
      await saver.add({ entry, bytes: read.sealed, plainLength: read.blob.plainLength });
    }
    await saver.flush();
    await packs.finish();
    await storage.remove("pack", pack);
    await using again = await openRepository(storage);
    for (const { id } of blobs.slice(2)) assert.ok((await again.loadBlob("data", id)).equals(plain.get(id)!));
  });
});
