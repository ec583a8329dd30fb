// The rolling record snapshot: stored, merged, superseded, kept where nothing may be removed, honest about damage.
import assert from "node:assert/strict";
import { test } from "node:test";
import { backup, hasCode, HoldfastError, Repository } from "@holdfast/repository";
import { MemoryStorage } from "@holdfast/repository/testing/memory-storage";
import { loadRecord, saveRecord } from "./record-snapshot.ts";
import type { Hold, Pin, StackRecord } from "./stack-record.ts";
import { emptyRecord } from "./stack-record.ts";
import { isRecord, planOf, recordOf, recordTags, snapshotTags, stackOf } from "./tags.ts";

const writer = {
  hostname: "host",
  username: "user",
  uid: 1,
  gid: 2,
  programVersion: "holdfast test",
  mayWrite: Promise.resolve(),
};
let ms = Date.UTC(2026, 10, 21);
const options = (storage: MemoryStorage) => ({
  storage,
  password: "secret",
  now: () => new Date((ms += 1000)),
  identity: { hostname: "host", username: "user", uid: 1, gid: 2, pid: process.pid },
});

const pin = (id: string): Pin => ({
  id,
  snapshotId: "s",
  at: "2026-11-21T12:00:00Z",
  removedAt: null,
  by: "me",
  note: id,
});
const hold = (id: string): Hold => ({ ...pin(id), until: null });
const pins = (...ids: string[]): StackRecord => ({ ...emptyRecord, pins: ids.map(pin) });
const idsOf = (record: StackRecord): string[] => record.pins.map(({ id }) => id).sort();

/** Refuses what an append-only storage does. */
class AppendOnlyStorage extends MemoryStorage {
  override remove(type: Parameters<MemoryStorage["remove"]>[0], name: string): Promise<void> {
    if (type !== "snapshot") return super.remove(type, name);
    return Promise.reject(new HoldfastError("refused", "append-only"));
  }
}

test("tags tell recovery points and records apart", () => {
  const point = { tags: snapshotTags("mist", "daily") };
  assert.deepEqual(point.tags, ["holdfast", "stack:mist", "plan:daily"]);
  assert.deepEqual([stackOf(point), planOf(point), isRecord(point), recordOf(point)], ["mist", "daily", false, null]);
  const record = { tags: recordTags("mist") };
  assert.deepEqual([stackOf(record), planOf(record), isRecord(record), recordOf(record)], [null, null, true, "mist"]);
  const foreign = { tags: ["stack:mist", "plan:daily", "record:mist"] };
  assert.deepEqual(
    [stackOf(foreign), planOf(foreign), isRecord(foreign), recordOf(foreign)],
    [null, null, false, null],
  );
});

test("a record is stored, read by another, changed, and always one snapshot", async () => {
  const storage = new MemoryStorage();
  await using repository = await Repository.create(options(storage));
  assert.deepEqual(await loadRecord(repository, "mist"), { record: emptyRecord, snapshotIds: [], problems: [] });
  await saveRecord(repository, "mist", { ...pins("a"), holds: [hold("h")] }, writer);
  await saveRecord(repository, "wiki", pins("w"), writer);
  const saved = await saveRecord(repository, "mist", pins("b"), writer);
  await using other = await Repository.open(options(storage));
  const loaded = await loadRecord(other, "mist");
  assert.deepEqual(loaded.snapshotIds, [saved.snapshotId]);
  assert.deepEqual(idsOf(loaded.record), ["a", "b"]);
  assert.deepEqual(loaded.record.holds, [hold("h")]);
  const { snapshots } = await other.loadSnapshots();
  assert.deepEqual(
    new Set(snapshots.map(({ paths }) => paths[0])),
    new Set(["/holdfast-record/mist", "/holdfast-record/wiki"]),
  );
  assert.equal(snapshots.length, 2);
  const removed = await saveRecord(
    other,
    "mist",
    { ...emptyRecord, pins: [{ ...pin("a"), removedAt: "2026-11-22T00:00:00Z" }] },
    writer,
  );
  assert.equal(removed.record.pins.find(({ id }) => id === "a")?.removedAt, "2026-11-22T00:00:00Z");
});

test("saving what is known already stores nothing", async () => {
  const storage = new MemoryStorage();
  await using repository = await Repository.create(options(storage));
  const first = await saveRecord(repository, "mist", pins("a"), writer);
  const again = await saveRecord(repository, "mist", pins("a"), writer);
  assert.equal(again.snapshotId, null);
  assert.deepEqual(again.snapshotIds, [first.snapshotId]);
});

test("two hosts that write at once lose nothing of each other, though neither has read the index anew", async () => {
  const storage = new MemoryStorage();
  await using one = await Repository.create(options(storage));
  await using two = await Repository.open(options(storage));
  await saveRecord(one, "mist", pins("a"), writer);
  await Promise.all([one.loadIndex(), two.loadIndex()]);
  await Promise.all([saveRecord(one, "mist", pins("b"), writer), saveRecord(two, "mist", pins("c"), writer)]);
  for (const repository of [one, two]) {
    const { record, problems } = await loadRecord(repository, "mist");
    assert.deepEqual(problems, []);
    assert.deepEqual(idsOf(record), ["a", "b", "c"]);
  }
  const merged = await saveRecord(one, "mist", emptyRecord, writer);
  assert.equal(merged.snapshotIds.length, 1);
  assert.deepEqual(idsOf((await loadRecord(two, "mist")).record), ["a", "b", "c"]);
});

test("where nothing may be removed the old ones stay, and the record is the same", async () => {
  const storage = new AppendOnlyStorage();
  await using repository = await Repository.create(options(storage));
  for (const id of ["a", "b", "c"]) await saveRecord(repository, "mist", pins(id), writer);
  const { record, snapshotIds, problems } = await loadRecord(repository, "mist");
  assert.equal(snapshotIds.length, 3);
  assert.deepEqual(idsOf(record), ["a", "b", "c"]);
  assert.deepEqual(problems, []);
});

/** A snapshot with the tags of a record and this content. */
async function storeForged(repository: Repository, text: string): Promise<string> {
  let bytes = Buffer.from(text);
  const { mayWrite, ...facts } = writer;
  const summary = await backup(
    repository,
    {
      ...facts,
      mayWrite,
      entries: [
        {
          kind: "stream",
          at: Buffer.from("/record.json"),
          read: async (into) => {
            const count = bytes.copy(into);
            bytes = bytes.subarray(count);
            return count;
          },
          finish: async () => {},
          whenBroken: "fail",
          mode: 0o600,
          uid: 0,
          gid: 0,
          mtimeNs: 0n,
          hint: { kind: "rabin" },
        },
      ],
      paths: ["/holdfast-record/mist"],
      tags: recordTags("mist"),
      excludes: [],
      timeNs: 0n,
      parent: null,
      oneFileSystem: false,
      withAtime: false,
      dryRun: false,
      skipIfUnchanged: false,
      readBack: false,
      workers: 1,
    },
    () => {},
  );
  return summary.snapshotId!;
}

test("a record that cannot be read is a problem that is told, stays, and does not hide the others", async () => {
  const storage = new MemoryStorage();
  await using repository = await Repository.create(options(storage));
  await saveRecord(repository, "mist", pins("a"), writer);
  const forged = [
    await storeForged(repository, "{}"),
    await storeForged(repository, '{"version":"2.0"}'),
    await storeForged(repository, '{"version":"1.0","stack":"wiki","proofs":[],"pins":[],"holds":[]}'),
  ];
  const { record, problems } = await loadRecord(repository, "mist");
  assert.deepEqual(idsOf(record), ["a"]);
  assert.deepEqual(problems.map(({ code }) => code).sort(), ["damaged", "damaged", "unsupported"]);
  const saved = await saveRecord(repository, "mist", pins("b"), writer);
  assert.equal(saved.problems.length, 3);
  const left = new Set((await repository.loadSnapshots()).snapshots.map(({ id }) => id));
  assert.deepEqual(left, new Set([...forged, saved.snapshotId!]));
});

test("a damaged snapshot file might be a record: it is told", async () => {
  const storage = new MemoryStorage();
  await using repository = await Repository.create(options(storage));
  const { snapshotId } = await saveRecord(repository, "mist", pins("a"), writer);
  storage.damage("snapshot", snapshotId!, (content) => {
    content[20]! ^= 1;
    return content;
  });
  const { record, problems } = await loadRecord(repository, "mist");
  assert.deepEqual(record, emptyRecord);
  assert.equal(problems.length, 1);
  assert.ok(hasCode(problems[0], "damaged"));
});
