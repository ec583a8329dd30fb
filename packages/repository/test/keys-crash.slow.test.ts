// Changes of keys that die at any storage operation, and damaged key files: there is always a password that works.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { hasCode } from "../errors.ts";
import { createKeyFile, createMasterKey } from "../format/key-file.ts";
import { Kernel } from "../kernel/kernel.ts";
import { empty } from "../maintenance/copy/copy-fixture.ts";
import { inspectKeys } from "../maintenance/keys/inspect-keys.ts";
import { addKey, changePassword, listKeys, removeKey } from "../maintenance/keys/keys.ts";
import type { Storage } from "../storage/storage.ts";
import { Repository } from "../store/repository.ts";
import type { CrashEffect } from "../testing/fault-storage.ts";
import { crashAt, FaultStorage } from "../testing/fault-storage.ts";
import { MemoryStorage } from "../testing/memory-storage.ts";
import { openRepository } from "../writer/backup-fixture.ts";

const owner = { username: "someone", hostname: "somewhere" };
const cheap = { N: 16, r: 8, p: 1 };
const identity = { hostname: "host", username: "user", uid: 0, gid: 0, pid: process.pid };

async function opens(storage: Storage, password: string): Promise<boolean> {
  try {
    await using _repository = await Repository.open({ storage, password, now: () => new Date(), identity });
    return true;
  } catch (error) {
    assert.ok(hasCode(error, "wrong-password"), String(error));
    return false;
  }
}

/** A key with another password, made without waiting for its derivation. */
async function addCheapKey(storage: Storage, password: string): Promise<string> {
  await using repository = await openRepository(storage);
  const { name, bytes } = await createKeyFile(
    repository.masterKey,
    password,
    { created: 1n, ...owner },
    repository.kernel,
    cheap,
  );
  await storage.put("key", name, [bytes]);
  return name;
}

type Change = (repository: Repository) => Promise<unknown>;

/** Runs the change once for each of its operations, dying there, and then looks at what is left. */
async function crashEverywhere(
  effect: CrashEffect,
  change: Change,
  inspect: (storage: MemoryStorage) => Promise<void>,
): Promise<number> {
  for (let number = 1; ; number++) {
    const storage = await empty();
    await addCheapKey(storage, "second");
    let dying: FaultStorage | null = null;
    // Dies only in the change itself: opening is not what is tried here.
    await using repository = await openRepository(
      new Proxy(storage, {
        get: (target, name) => {
          const from = dying ?? target;
          const value: unknown = Reflect.get(from, name, from);
          return typeof value === "function" ? value.bind(from) : value;
        },
      }),
    );
    dying = new FaultStorage(storage, crashAt(number, effect));
    const failure = await change(repository).then(
      () => null,
      (error: unknown) => error,
    );
    await dying.settled();
    assert.equal(failure !== null, dying.crashed, String(failure));
    const { crashed } = dying;
    dying = null;
    await inspect(storage);
    if (!crashed) return number - 1;
  }
}

describe("a change of keys that dies at any operation", () => {
  for (const effect of ["not-done", "done"] as const) {
    test(`key add, ${effect}: the old passwords work`, async () => {
      const operations = await crashEverywhere(
        effect,
        (repository) => addKey(repository, "new", owner),
        async (storage) => {
          assert.ok(await opens(storage, "secret"));
          assert.ok(await opens(storage, "second"));
          await using repository = await openRepository(storage);
          assert.deepEqual((await listKeys(repository)).damaged, []);
        },
      );
      assert.equal(operations, 2);
    });

    test(`key passwd, ${effect}: the old password works, or the new one, or both; again, it finishes`, async () => {
      const operations = await crashEverywhere(
        effect,
        (repository) => changePassword(repository, "new", owner),
        async (storage) => {
          const [old, next] = [await opens(storage, "secret"), await opens(storage, "new")];
          assert.ok(old || next);
          assert.ok(await opens(storage, "second"));
          if (!old) return;
          await using repository = await openRepository(storage);
          await changePassword(repository, "new", owner);
          assert.deepEqual([await opens(storage, "secret"), await opens(storage, "new")], [false, true]);
        },
      );
      assert.equal(operations, 3);
    });

    test(`key remove, ${effect}: the password in use works; again, it finishes`, async () => {
      const removeSecond: Change = async (repository) => {
        const { keys } = await listKeys(repository);
        await removeKey(repository, keys.find(({ isCurrent }) => !isCurrent)!.id);
      };
      const operations = await crashEverywhere(effect, removeSecond, async (storage) => {
        assert.ok(await opens(storage, "secret"));
        if (!(await opens(storage, "second"))) return;
        await using repository = await openRepository(storage);
        await removeSecond(repository);
        assert.ok(!(await opens(storage, "second")));
      });
      assert.equal(operations, 5);
    });
  }
});

describe("keys that are not as they should be", () => {
  test("a key that comes back changed is removed again, and the old password stays", async () => {
    const storage = await empty();
    await using repository = await openRepository(storage);
    const put = storage.put.bind(storage);
    storage.put = (type, name, pieces) => put(type, name, [Buffer.concat(pieces).subarray(0, 100)]);
    await assert.rejects(changePassword(repository, "new", owner), (error) => hasCode(error, "damaged"));
    storage.put = put;
    assert.equal((await Array.fromAsync(storage.list("key"))).length, 1);
    assert.ok(await opens(storage, "secret"));
  });

  test("no key is removed when the one in use has gone or is damaged", async () => {
    for (const hurt of [
      (storage: MemoryStorage, id: string) => storage.remove("key", id),
      async (storage: MemoryStorage, id: string) => storage.damage("key", id, (bytes) => bytes.subarray(1)),
    ]) {
      const storage = await empty();
      const second = await addCheapKey(storage, "second");
      await using repository = await openRepository(storage);
      await hurt(storage, repository.keyId);
      await assert.rejects(removeKey(repository, second));
      const keys = await Array.fromAsync(storage.list("key"));
      assert.ok(keys.some(({ name }) => name === second));
    }
  });

  test("each is told by itself: what opens, what has another password, what is damaged; the others still open", async () => {
    const damages: ((bytes: Buffer) => Buffer)[] = [
      () => Buffer.alloc(0),
      (bytes) => bytes.subarray(0, bytes.length / 2),
      (bytes) => Buffer.concat([bytes, Buffer.from(" ")]),
      (bytes) => Buffer.from(bytes.toString().replace('"N":16', '"N":17')),
      () => Buffer.from("{}"),
    ];
    for (const damage of damages) {
      const storage = await empty();
      const second = await addCheapKey(storage, "second");
      const states = async (): Promise<Record<string, number>> => {
        const counts: Record<string, number> = {};
        for (const { state } of await inspectKeys(storage, "secret")) counts[state] = (counts[state] ?? 0) + 1;
        return counts;
      };
      assert.deepEqual(await states(), { opens: 1, "other-password": 1 });
      storage.damage("key", second, damage);
      assert.deepEqual(await states(), { opens: 1, damaged: 1 });
      assert.ok(await opens(storage, "secret"));
      await using repository = await openRepository(storage);
      await removeKey(repository, second);
      assert.deepEqual(await states(), { opens: 1 });
    }
  });

  test("an init that died before it wrote the config leaves a key that is in nobody's way", async () => {
    const storage = new MemoryStorage();
    const options = { password: "secret", now: () => new Date(), identity };
    const dying = new FaultStorage(storage, (call) =>
      call.operation === "put" && call.type === "config" ? { kind: "crash", effect: "not-done" } : undefined,
    );
    await assert.rejects(Repository.create({ ...options, storage: dying }));
    {
      await using made = await Repository.create({ ...options, storage });
      assert.equal(made.version, 2);
    }
    const states = (await inspectKeys(storage, "secret")).map(({ state }) => state);
    assert.deepEqual(states.toSorted(), ["foreign", "opens"]);
    assert.ok(await opens(storage, "secret"));
  });

  test("a key of another repository is passed over, whichever comes first", async () => {
    const storage = await empty();
    const [own] = await Array.fromAsync(storage.list("key"));
    const bytes = await storage.read("key", own!.name);
    const facts = { created: 2n, ...owner };
    const foreign = await createKeyFile(createMasterKey(), "secret", facts, Kernel.alone(), cheap);
    await storage.put("key", foreign.name, [foreign.bytes]);
    assert.ok(await opens(storage, "secret"));
    // It is listed in the order in which it was stored.
    await storage.remove("key", own!.name);
    await storage.put("key", own!.name, [bytes]);
    assert.ok(await opens(storage, "secret"));
  });

  test("without a config, or with a damaged one, a key that opens is told as such", async () => {
    const storage = await empty();
    storage.damage("config", "config", (bytes) => bytes.subarray(1));
    assert.deepEqual(
      (await inspectKeys(storage, "secret")).map(({ state }) => state),
      ["opens"],
    );
    await storage.remove("config", "config");
    assert.deepEqual(
      (await inspectKeys(storage, "secret")).map(({ state }) => state),
      ["opens"],
    );
  });
});
