// Removing snapshots: stopped at any operation each is there or gone, and asked again it finishes.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { hasCode } from "../../errors.ts";
import { createKeyFile } from "../../format/key-file.ts";
import { encodeSnapshot } from "../../format/snapshot.ts";
import type { Storage } from "../../storage/storage.ts";
import type { Repository } from "../../store/repository.ts";
import { crashAt, FaultStorage, faultScript } from "../../testing/fault-storage.ts";
import type { FaultScript } from "../../testing/fault-storage.ts";
import { MemoryStorage } from "../../testing/memory-storage.ts";
import { makeRepository, openRepository } from "../../writer/backup-fixture.ts";
import { forgetSnapshots } from "./forget.ts";

const count = 12;
const notAborted = new AbortController().signal;

/** A storage with a repository of some snapshots of nothing, which opens in no time; their ids. */
async function prepared(): Promise<{ storage: MemoryStorage; ids: string[] }> {
  const storage = new MemoryStorage();
  await using repository = await makeRepository(storage);
  const facts = { created: 0n, username: "user", hostname: "host" };
  const key = await createKeyFile(repository.masterKey, "secret", facts, repository.kernel, { N: 16, r: 8, p: 1 });
  await storage.put("key", key.name, [key.bytes]);
  await storage.remove("key", repository.keyId);
  const ids: string[] = [];
  for (let number = 0; number < count; number++) ids.push(await repository.saveUnpacked("snapshot", snapshot(number)));
  return { storage, ids };
}

function snapshot(number: number): Buffer {
  return encodeSnapshot({
    time: new Date(Date.UTC(2024, 0, 1 + number)).toISOString(),
    parent: null,
    tree: "0".repeat(64),
    paths: ["/data"],
    hostname: "host",
    username: "user",
    uid: 0,
    gid: 0,
    excludes: [],
    tags: [],
    original: null,
    programVersion: "",
    summary: null,
    unknownFields: {},
  });
}

async function idsIn(storage: Storage): Promise<Set<string>> {
  return new Set((await Array.fromAsync(storage.list("snapshot"))).map(({ name }) => name));
}

/** A repository that is open, whose storage from now on does as the script says. */
async function faulty(
  storage: Storage,
  script: FaultScript,
): Promise<{ repository: Repository; faults: FaultStorage }> {
  let isOn = false;
  let before = 0;
  const faults = new FaultStorage(storage, (call) => {
    if (isOn) return script({ ...call, number: call.number - before });
    before = call.number;
    return undefined;
  });
  const repository = await openRepository(faults);
  isOn = true;
  return { repository, faults };
}

describe("forgetting snapshots", () => {
  for (const effect of ["done", "not-done"] as const) {
    it(`that dies at any operation, which is ${effect}, leaves each there or gone, and the next one finishes`, async () => {
      const { storage, ids } = await prepared();
      const going = ids.slice(2, 10);
      const contents = await Promise.all(going.map((id) => storage.read("snapshot", id)));
      let number = 1;
      for (let crashed = true; crashed; number++) {
        for (const [place, id] of going.entries()) await storage.put("snapshot", id, [contents[place]!]);
        const { repository, faults } = await faulty(storage, crashAt(number, effect));
        const outcome = await forgetSnapshots(repository, going, { signal: notAborted }).catch(
          (error: unknown) => error,
        );
        await faults.settled();
        ({ crashed } = faults);
        if (crashed) assert.ok(hasCode(outcome, "interrupted"), String(outcome));
        const left = await idsIn(storage);
        for (const id of ids) if (!going.includes(id)) assert.ok(left.has(id));
        await using next = await openRepository(storage);
        assert.deepEqual(await forgetSnapshots(next, going, { signal: notAborted }), { removed: going, failed: [] });
        assert.deepEqual((await next.loadSnapshots()).snapshots.length, count - going.length);
      }
      assert.equal(number, 8 + 2, "each removal was tried once");
    });
  }

  it("names those that the storage does not remove, and removes the rest", async () => {
    const { storage, ids } = await prepared();
    const script = faultScript([{ number: 3, operation: "remove", fault: { kind: "fail", code: "permission" } }]);
    const { repository } = await faulty(storage, script);
    await using _repository = repository;
    const seen: string[] = [];
    const { removed, failed } = await forgetSnapshots(repository, ids, {
      signal: notAborted,
      onRemoved: (id) => seen.push(id),
    });
    assert.equal(removed.length, count - 1);
    assert.deepEqual(seen.toSorted(), removed.toSorted());
    const [only] = failed;
    assert.equal(failed.length, 1);
    assert.equal(only?.error.code, "permission");
    assert.deepEqual(await idsIn(storage), new Set([only.id]));
  });

  it("ends where it is asked to", async () => {
    const { storage, ids } = await prepared();
    await using repository = await openRepository(storage);
    const controller = new AbortController();
    await assert.rejects(
      forgetSnapshots(repository, ids, { signal: controller.signal, onRemoved: () => controller.abort() }),
      (error) => hasCode(error, "interrupted"),
    );
    const left = (await idsIn(storage)).size;
    assert.ok(left > 0 && left < count, `${left} are left`);
  });
});
