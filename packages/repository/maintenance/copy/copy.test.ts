// Copies between repositories: everything arrives, nothing twice, damage keeps a snapshot back and nothing else.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { hasCode } from "../../errors.ts";
import { encodeSnapshot } from "../../format/snapshot.ts";
import type { MemoryStorage } from "../../testing/memory-storage.ts";
import { nodesOf, openRepository } from "../../writer/backup-fixture.ts";
import { check } from "../check/check.ts";
import { copy } from "./copy.ts";
import { assertClean, assertSameContents, copyAll, empty, filled, snapshotsIn } from "./copy-fixture.ts";

async function fileCount(storage: MemoryStorage): Promise<number> {
  let count = 0;
  for (const type of ["pack", "index", "snapshot"] as const)
    count += (await Array.fromAsync(storage.list(type))).length;
  return count;
}

describe("a copy", () => {
  test("R154: brings every snapshot with its times, tags and origin; the second one adds nothing", async () => {
    const [from, to] = [await filled(), await empty()];
    const { report } = await copyAll(from, to);
    assert.deepEqual([report.copied, report.present, report.failed], [2, 0, 0]);
    await assertSameContents(from, to);
    await assertClean(to);
    const here = await snapshotsIn(from);
    const there = await snapshotsIn(to);
    for (const [at, { id: _id, ...copied }] of there.entries()) {
      const { id, ...original } = here[at]!;
      assert.deepEqual(copied, { ...original, parent: null, original: id });
    }
    const before = await fileCount(to);
    const again = await copyAll(from, to);
    assert.deepEqual([again.report.copied, again.report.present, again.report.blobs], [0, 2, 0]);
    assert.equal(await fileCount(to), before);
  });

  for (const [one, other] of [
    [1, 2],
    [2, 1],
    [1, 1],
  ] as const) {
    test(`goes from version ${one} to version ${other}`, async () => {
      const [from, to] = [await filled(one), await empty(other)];
      await copyAll(from, to);
      await assertSameContents(from, to);
      await assertClean(to);
      await using destination = await openRepository(to);
      const blobs = [...(await destination.loadIndex()).blobs()];
      assert.equal(
        blobs.some(({ location }) => location.plainLength > 0),
        other === 2,
      );
    });
  }

  test("keeps what is compressed as it is", async () => {
    const [from, to] = [await filled(), await empty()];
    await copyAll(from, to);
    const sizes = async (storage: MemoryStorage): Promise<string[]> => {
      await using repository = await openRepository(storage);
      const index = await repository.loadIndex();
      return Array.from(index.blobs(), ({ id, location }) => `${id.toString("hex")} ${location.lengthBytes}`).sort();
    };
    assert.deepEqual(await sizes(to), await sizes(from));
  });

  test("does not believe a destination whose index names packs that are gone", async () => {
    const [from, to] = [await filled(), await empty()];
    const [first] = await snapshotsIn(from);
    await copyAll(from, to, first!.id);
    const packs = await Array.fromAsync(to.list("pack"));
    await to.remove("pack", packs[0]!.name);
    const message = "1 of the packs that the index of memory names are gone";
    await assert.rejects(
      copyAll(from, to),
      (error) => hasCode(error, "damaged") && error.message === message && /repair index/.test(error.hint),
    );
    assert.equal((await snapshotsIn(to)).length, 1);
  });

  test("of a chosen snapshot leaves the others, and takes only what is missing for them later", async () => {
    const [from, to] = [await filled(), await empty()];
    const [first] = await snapshotsIn(from);
    const one = await copyAll(from, to, first!.id);
    assert.deepEqual([one.report.copied, (await snapshotsIn(to)).length], [1, 1]);
    const rest = await copyAll(from, to);
    assert.deepEqual([rest.report.copied, rest.report.present], [1, 1]);
    assert.ok(rest.report.bytes < one.report.bytes / 2);
    await assertSameContents(from, to);
  });

  test("takes a snapshot whose tags were changed for another one, and a copy of a copy for the same", async () => {
    const [from, to, further] = [await filled(), await empty(), await empty()];
    await copyAll(from, to);
    await copyAll(to, further);
    assert.equal((await copyAll(from, further)).report.copied, 0);
    const [, second] = await snapshotsIn(from);
    {
      await using source = await openRepository(from);
      const { id, ...snapshot } = second!;
      await source.saveUnpacked("snapshot", encodeSnapshot({ ...snapshot, tags: ["kept"], original: id }));
      await source.storage.remove("snapshot", id);
    }
    const { report } = await copyAll(from, to);
    assert.deepEqual([report.copied, report.present, report.blobs], [1, 1, 0]);
    assert.equal((await snapshotsIn(to)).length, 3, "nothing is removed at the far end");
  });

  test("goes on where one stopped: what was stored and indexed is not stored again", async () => {
    const [from, to] = [await filled(), await empty()];
    await copyAll(from, to);
    for (const { id } of await snapshotsIn(to)) await to.remove("snapshot", id);
    const { report } = await copyAll(from, to);
    assert.deepEqual([report.copied, report.blobs, report.storedBytes], [2, 0, 0]);
    await assertSameContents(from, to);
  });

  test("ends at once when it is interrupted, and stores no snapshot", async () => {
    const [from, to] = [await filled(), await empty()];
    await using source = await openRepository(from);
    await using destination = await openRepository(to);
    const { snapshots } = await source.loadSnapshots();
    const abort = new AbortController();
    const request = { snapshots, mayWrite: Promise.resolve(), signal: abort.signal, workers: 1 };
    await assert.rejects(
      copy(source, destination, request, () => abort.abort(new Error("enough"))),
      /enough/,
    );
    assert.deepEqual(await snapshotsIn(to), []);
  });

  test("writes nothing when the lock is not to be had", async () => {
    const [from, to] = [await filled(), await empty()];
    await using source = await openRepository(from);
    await using destination = await openRepository(to);
    const { snapshots } = await source.loadSnapshots();
    const mayWrite = Promise.reject(new Error("locked"));
    mayWrite.catch(() => undefined);
    await assert.rejects(
      copy(source, destination, { snapshots, mayWrite, workers: 1 }, () => undefined),
      /locked/,
    );
    assert.equal(await fileCount(to), 0);
  });
});

describe("a copy of damaged data", () => {
  /** The pack of the blobs that only the second snapshot needs. */
  async function secondPack(storage: MemoryStorage): Promise<string> {
    await using repository = await openRepository(storage);
    const [, second] = (await repository.loadSnapshots()).snapshots;
    const node = (await nodesOf(repository, second!.tree)).get("/data/added");
    return (await repository.loadIndex()).locations(node!.content![0]!, "data")[0]!.pack;
  }

  for (const [what, hurt] of [
    ["a changed byte", (storage: MemoryStorage, pack: string) => storage.damage("pack", pack, flip)],
    ["a missing pack", (storage: MemoryStorage, pack: string) => storage.remove("pack", pack)],
    [
      "a pack cut short",
      (storage: MemoryStorage, pack: string) => storage.damage("pack", pack, (b) => b.subarray(0, 9)),
    ],
  ] as const) {
    test(`${what}: the snapshot that needs it is named and not copied, the other is`, async () => {
      const [from, to] = [await filled(), await empty()];
      const [first, second] = await snapshotsIn(from);
      await hurt(from, await secondPack(from));
      const { report, events } = await copyAll(from, to);
      assert.deepEqual([report.copied, report.failed], [1, 1]);
      const failed = events.flatMap((event) => (event.kind === "failed" ? [event] : []));
      assert.deepEqual(
        failed.map(({ snapshot }) => snapshot.id),
        [second!.id],
      );
      assert.ok(hasCode(failed[0]!.error, "damaged"));
      const there = await snapshotsIn(to);
      assert.deepEqual(
        there.map(({ original }) => original),
        [first!.id],
      );
      await using destination = await openRepository(to);
      const { verdict } = await check(destination, { readData: true, workers: 1 }, () => undefined);
      assert.notEqual(verdict, "damaged");
    });
  }

  test("a lost tree keeps back the snapshots above it", async () => {
    const [from, to] = [await filled(), await empty()];
    const [first, second] = await snapshotsIn(from);
    await using source = await openRepository(from);
    const pack = (await source.loadIndex()).locations(second!.tree, "tree")[0]!.pack;
    from.damage("pack", pack, flip);
    const { events } = await copyAll(from, to);
    const failed = events.flatMap((event) => (event.kind === "failed" ? [event.snapshot.id] : []));
    assert.ok(failed.includes(second!.id));
    assert.equal(failed.length + (await snapshotsIn(to)).length, 2);
    assert.ok(first);
  });

  test("what the source has lost and the destination has is no loss", async () => {
    const [from, to] = [await filled(), await empty()];
    await copyAll(from, to);
    for (const { id } of await snapshotsIn(to)) await to.remove("snapshot", id);
    await from.remove("pack", await secondPack(from));
    assert.equal((await copyAll(from, to)).report.copied, 2);
    await assertSameContents(to, to);
  });

  test("another copy of the blob is taken where there is one", async () => {
    const [from, to, twin] = [await filled(), await empty(), await empty()];
    await copyAll(from, twin);
    // The same blobs in other packs of the same repository: copied out, and back behind the index that is there.
    await using source = await openRepository(from);
    const before = new Set((await source.loadIndex()).packs);
    const indexes = await Array.fromAsync(from.list("index"));
    const kept = await Promise.all(indexes.map(async ({ name }) => ({ name, bytes: await from.read("index", name) })));
    for (const { name } of kept) await from.remove("index", name);
    for (const { id } of await snapshotsIn(from)) await from.remove("snapshot", id);
    await copyAll(twin, from);
    for (const { name, bytes } of kept) await from.put("index", name, [bytes]);
    for (const pack of before) from.damage("pack", pack, () => Buffer.alloc(50));
    assert.equal((await copyAll(from, to)).report.failed, 0);
    await assertClean(to);
  });
});

function flip(bytes: Buffer): Buffer {
  for (let at = 20; at < bytes.length; at += 1000) bytes[at]! ^= 1;
  return bytes;
}
