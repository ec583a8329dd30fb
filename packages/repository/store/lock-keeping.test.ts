// A lock while it is held: refreshed in time, given up when it cannot be, and nothing written once it is lost.
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { hasCode } from "../errors.ts";
import { FaultStorage } from "../testing/fault-storage.ts";
import type { FaultScript } from "../testing/fault-storage.ts";
import { here, SharedRepository, there } from "./lock-fixture.ts";
import { readLocks, unlock } from "./lock-files.ts";
import type { LockEvent } from "./repository-lock.ts";
import { RepositoryLock } from "./repository-lock.ts";

const minuteMs = 60_000;
const shared = { exclusive: false, retryForMs: 0 };
const exclusive = { exclusive: true, retryForMs: 0 };
const isLocked = (error: unknown): boolean => hasCode(error, "locked");

/** A held lock whose timer runs only when it is told to, in a storage that fails as `script` says. */
class Held implements AsyncDisposable {
  readonly heard: LockEvent[] = [];
  readonly shared: SharedRepository;
  readonly repository: Awaited<ReturnType<SharedRepository["open"]>>;
  lock!: RepositoryLock;

  private constructor(repository: SharedRepository, client: Held["repository"]) {
    this.shared = repository;
    this.repository = client;
  }

  static async take(script: FaultScript = () => undefined, aheadMs = 0): Promise<Held> {
    const repository = await SharedRepository.make();
    const storage = new FaultStorage(repository.storage, script);
    const held = new Held(repository, await repository.open(here, storage, aheadMs));
    mock.timers.enable({ apis: ["setInterval"] });
    held.lock = await RepositoryLock.take(held.repository, { ...shared, listener: (event) => held.heard.push(event) });
    await held.lock.settled;
    return held;
  }

  /** The clock on the wall goes on by `minutes`, and then the timer comes: also what a sleep of the machine looks like. */
  async after(minutes: number): Promise<void> {
    this.shared.timeMs += minutes * minuteMs;
    mock.timers.tick(1000);
    await sleep(10);
  }

  async names(): Promise<string[]> {
    return (await readLocks(this.repository)).map(({ name }) => name);
  }

  storesSnapshot(): Promise<string> {
    return this.repository.saveUnpacked("snapshot", Buffer.from("{}"));
  }

  async snapshots(): Promise<number> {
    return (await Array.fromAsync(this.shared.storage.list("snapshot"))).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    mock.timers.reset();
    await this.lock[Symbol.asyncDispose]();
  }
}

test("is written anew every five minutes, never absent meanwhile, and gone at the end", async () => {
  const held = await Held.take();
  {
    await using lock = held;
    const [first] = await lock.names();
    await lock.after(4.9);
    assert.deepEqual(await lock.names(), [first]);
    lock.shared.timeMs += 0.2 * minuteMs;
    mock.timers.tick(1000);
    for (let turn = 0; turn < 50; turn++) {
      assert.ok((await lock.names()).length > 0);
      await new Promise((resolve) => setImmediate(resolve));
    }
    const after = await lock.names();
    assert.equal(after.length, 1);
    assert.notEqual(after[0], first);
    for (let turn = 0; turn < 10; turn++) await lock.after(5);
    assert.equal(lock.lock.signal.aborted, false, "for as long as it is refreshed");
    await lock.storesSnapshot();
  }
  assert.deepEqual(await held.names(), []);
  assert.deepEqual(held.heard, []);
});

test("is refreshed by the time that passes, also when the clock on the wall is put back", async () => {
  await using held = await Held.take();
  await held.after(-120);
  await held.storesSnapshot();
  await held.after(121);
  assert.equal(held.lock.signal.aborted, false);
});

test("a refresh that fails is told, tried again after a minute, and harmless when it comes in time", async () => {
  let fails = false;
  await using held = await Held.take(({ operation, type }) =>
    fails && operation === "put" && type === "lock" ? { kind: "fail", code: "storage" } : undefined,
  );
  const [first] = await held.names();
  fails = true;
  await held.after(5.1);
  await held.after(0.9);
  assert.deepEqual(
    held.heard.map(({ kind }) => kind),
    ["not-refreshed"],
  );
  await held.storesSnapshot();
  fails = false;
  assert.deepEqual(await held.names(), [first]);
  await held.after(0.2);
  assert.notDeepEqual(await held.names(), [first]);
  await held.storesSnapshot();
  assert.equal(held.lock.signal.aborted, false);
});

test("stops in time when it cannot be refreshed: before others may take it for stale", async () => {
  let fails = false;
  await using held = await Held.take(({ operation, type }) =>
    fails && operation !== "remove" && type === "lock" ? { kind: "fail", code: "storage" } : undefined,
  );
  fails = true;
  await held.after(22);
  assert.equal(held.lock.signal.aborted, false);
  await held.after(1);
  assert.equal(held.lock.signal.aborted, true);
  assert.match(String(held.lock.signal.reason), /could not be refreshed in time/);
  await assert.rejects(held.storesSnapshot(), isLocked);
  assert.equal(await held.snapshots(), 0);
});

test("whoever writes first after a sleep waits until the lock is young again", async () => {
  await using held = await Held.take();
  const [first] = await held.names();
  held.shared.timeMs += 600 * minuteMs;
  await held.storesSnapshot();
  assert.equal(await held.snapshots(), 1);
  const after = await held.names();
  assert.equal(after.length, 1);
  assert.notEqual(after[0], first);
});

test("after a sleep nothing is written when others have gone ahead, and that is said", async () => {
  await using held = await Held.take();
  held.shared.timeMs += 31 * minuteMs;
  const other = await held.shared.open(there);
  {
    await using pruning = await RepositoryLock.take(other, exclusive);
    await pruning.settled;
  }
  await assert.rejects(
    held.storesSnapshot(),
    (error) => isLocked(error) && /removed by somebody else/.test(String(error)),
  );
  await assert.rejects(held.repository.storage.remove("key", held.repository.keyId), isLocked);
  assert.equal(held.lock.signal.aborted, true);
  assert.equal(await held.snapshots(), 0);
  assert.deepEqual(await held.names(), [], "nor is a lock left behind");
});

test("two that wake up at the same moment: at most one goes on", async () => {
  await using held = await Held.take();
  held.shared.timeMs += 31 * minuteMs;
  const other = await held.shared.open(there);
  const [mine, theirs] = await Promise.allSettled([
    held.storesSnapshot(),
    (async () => {
      await using pruning = await RepositoryLock.take(other, exclusive);
      await pruning.settled;
    })(),
  ]);
  assert.ok(mine.status === "rejected" || theirs.status === "rejected");
});

test("when somebody removes it, the next refresh stops the work", async () => {
  await using held = await Held.take();
  assert.equal(await unlock(await held.shared.open(there), true), 1);
  await held.after(1);
  assert.equal(held.lock.signal.aborted, false);
  await held.after(5);
  assert.equal(held.lock.signal.aborted, true);
  assert.deepEqual(await held.names(), []);
});

test("no snapshot and no index stays that is stored after the lock was removed, refreshed or not", async () => {
  await using held = await Held.take();
  await unlock(await held.shared.open(there), true);
  await assert.rejects(held.storesSnapshot(), isLocked);
  await assert.rejects(held.repository.saveUnpacked("index", Buffer.from("{}")), isLocked);
  for (const type of ["snapshot", "index"] as const)
    assert.deepEqual(await Array.fromAsync(held.shared.storage.list(type)), []);
});

test("a clock that is behind makes the lock stale for others; what it protects is safe all the same", async () => {
  await using held = await Held.take(undefined, -60 * minuteMs);
  await held.storesSnapshot();
  {
    await using pruning = await RepositoryLock.take(await held.shared.open(there), exclusive);
    await pruning.settled;
  }
  await assert.rejects(held.storesSnapshot(), isLocked);
  assert.equal(await held.snapshots(), 1);
});

test("nothing is written before it is settled", async () => {
  const repository = await SharedRepository.make();
  const client = await repository.open(here);
  await using lock = await RepositoryLock.take(client, shared);
  const writing = client.saveUnpacked("snapshot", Buffer.from("{}"));
  await sleep(20);
  assert.deepEqual(await Array.fromAsync(repository.storage.list("snapshot")), []);
  await Promise.all([writing, lock.settled]);
});

test("an index that was read before the lock counts for nothing", async () => {
  const repository = await SharedRepository.make();
  const client = await repository.open(here);
  const before = await client.loadIndex();
  await using _lock = await RepositoryLock.take(client, shared);
  assert.notEqual(await client.loadIndex(), before);
});

test("a lock that cannot be given back is told, and does not undo what was done", async () => {
  const held = await Held.take(({ operation, type }) =>
    operation === "remove" && type === "lock" ? { kind: "fail", code: "storage" } : undefined,
  );
  await held[Symbol.asyncDispose]();
  assert.deepEqual(
    held.heard.map(({ kind }) => kind),
    ["not-removed"],
  );
});

test("writers that wait together for a lock that is lost do not each try again", async () => {
  let fails = false;
  let tries = 0;
  await using held = await Held.take(({ operation, type }) => {
    if (!fails || type !== "lock" || operation === "remove") return undefined;
    tries++;
    return { kind: "fail", code: "storage" };
  });
  held.shared.timeMs += 40 * minuteMs;
  fails = true;
  const writers = await Promise.allSettled(Array.from({ length: 6 }, () => held.storesSnapshot()));
  assert.ok(writers.every(({ status }) => status === "rejected"));
  assert.equal(tries, 1);
});

test("a snapshot that cannot be taken back after the lock was lost is named, with what to do", async () => {
  await using held = await Held.take(({ operation, type }) =>
    operation === "remove" && type === "snapshot" ? { kind: "fail", code: "refused" } : undefined,
  );
  await unlock(await held.shared.open(there), true);
  await assert.rejects(held.storesSnapshot(), (error) => {
    assert.ok(hasCode(error, "locked"));
    assert.match(error.message, /removed by somebody else, and the snapshot [0-9a-f]{64} .* stays there/);
    return /repo check/.test(error.hint);
  });
});
