// Locks between processes and hosts: who excludes whom, what is stale, waiting, and what cannot be read.
import assert from "node:assert/strict";
import { test } from "node:test";
import { hasCode } from "../errors.ts";
import { idOf } from "../format/id.ts";
import type { Identity } from "./repository.ts";
import { FaultStorage, faultScript } from "../testing/fault-storage.ts";
import { deadPid, here, SharedRepository, there } from "./lock-fixture.ts";
import { readLocks, unlock } from "./lock-files.ts";
import type { LockEvent } from "./repository-lock.ts";
import { RepositoryLock } from "./repository-lock.ts";

const minuteMs = 60_000;
const shared = { exclusive: false, retryForMs: 0 };
const exclusive = { exclusive: true, retryForMs: 0 };
const isLocked = (error: unknown): boolean => hasCode(error, "locked");

test("shared locks go together, an exclusive one with none", async () => {
  const repository = await SharedRepository.make();
  const [one, two] = [await repository.open(here), await repository.open(there)];
  {
    await using first = await RepositoryLock.take(one, shared);
    await using second = await RepositoryLock.take(two, shared);
    await Promise.all([first.settled, second.settled]);
    await assert.rejects(RepositoryLock.take(two, exclusive), isLocked);
    assert.equal((await readLocks(one)).length, 2);
  }
  assert.deepEqual(await readLocks(one), []);
  await using lock = await RepositoryLock.take(one, exclusive);
  await lock.settled;
  for (const wanted of [shared, exclusive])
    await assert.rejects(
      RepositoryLock.take(two, wanted),
      (error) =>
        isLocked(error) &&
        new RegExp(`exclusively locked by process ${process.pid} of user on here`).test(String(error)),
    );
  assert.equal((await readLocks(one)).length, 1, "who was refused has left nothing");
});

test("of two that come at the same moment at most one gets the repository alone", async () => {
  const repository = await SharedRepository.make();
  const clients = [await repository.open(here), await repository.open(there)];
  const locks = await Promise.allSettled(clients.map((each) => RepositoryLock.take(each, exclusive)));
  const taken = locks.flatMap((lock) => (lock.status === "fulfilled" ? [lock.value] : []));
  const settled = await Promise.allSettled(taken.map((lock) => lock.settled));
  assert.ok(settled.filter(({ status }) => status === "fulfilled").length <= 1);
  for (const lock of taken) await lock[Symbol.asyncDispose]();
  assert.deepEqual(await readLocks(clients[0]!), []);
});

test("who comes while another one has the repository alone reads nothing, however slowly its own lock arrives", async () => {
  const repository = await SharedRepository.make();
  const delay = { kind: "delay", delayMs: 600 } as const;
  const slow = new FaultStorage(
    repository.storage,
    faultScript([{ number: 1, operation: "put", type: "lock", fault: delay }]),
  );
  const taking = RepositoryLock.take(await repository.open(here, slow), shared);
  taking.catch(() => undefined);
  // Both have found nobody before; the other one settles before the slow lock is there, and is at work when it comes.
  await using other = await RepositoryLock.take(await repository.open(there), exclusive);
  await other.settled;
  await assert.rejects(taking, isLocked);
});

test("two that find each other again and again do not hinder each other for ever", async () => {
  const repository = await SharedRepository.make();
  const clients = [await repository.open(here), await repository.open(there)];
  await Promise.all(
    clients.map(async (client) => {
      await using lock = await RepositoryLock.take(client, { exclusive: true, retryForMs: 60_000 });
      await lock.settled;
    }),
  );
});

test("waits for the other one as long as it was told to, and says so once", async () => {
  const repository = await SharedRepository.make();
  const [one, two] = [await repository.open(here), await repository.open(there)];
  const first = await RepositoryLock.take(one, exclusive);
  const heard: LockEvent[] = [];
  const listener = (event: LockEvent): void => void heard.push(event);
  await assert.rejects(RepositoryLock.take(two, { ...shared, retryForMs: 300, listener }), isLocked);
  const waiting = RepositoryLock.take(two, { ...shared, retryForMs: 10_000, listener });
  setTimeout(() => void first[Symbol.asyncDispose](), 500);
  await using second = await waiting;
  assert.equal((await readLocks(one)).length, 1);
  await second.settled;
  assert.deepEqual(
    heard.map((event) => event.kind === "waiting" && [event.forMs, event.error.code]),
    [
      [300, "locked"],
      [10_000, "locked"],
    ],
  );
});

test("who waits ends when told to", async () => {
  const repository = await SharedRepository.make();
  await using held = await RepositoryLock.take(await repository.open(here), exclusive);
  const told = new AbortController();
  setTimeout(() => told.abort(), 50);
  await assert.rejects(
    RepositoryLock.take(await repository.open(there), { ...shared, retryForMs: 60_000, signal: told.signal }),
    (error) => hasCode(error, "interrupted"),
  );
  await held.settled;
});

test("a lock of a dead process here is stale at once, any other after half an hour without a refresh", async () => {
  const repository = await SharedRepository.make();
  const mine = await repository.open(here);
  const leave = async (identity: Identity): Promise<void> =>
    void (await RepositoryLock.take(await repository.open(identity), shared));
  await leave({ ...here, pid: deadPid });
  assert.equal(await unlock(mine, false), 1);
  for (const identity of [{ ...there, pid: deadPid }, here]) await leave(identity);
  repository.timeMs += 30 * minuteMs;
  await assert.rejects(RepositoryLock.take(mine, exclusive), isLocked);
  assert.equal(await unlock(mine, false), 0);
  repository.timeMs += 1;
  assert.equal(await unlock(mine, false), 2);
});

test("a stale lock in the way is removed, so that its owner learns of it; one that is not in the way stays", async () => {
  const repository = await SharedRepository.make();
  const mine = await repository.open(here);
  await RepositoryLock.take(await repository.open({ ...here, pid: deadPid }), shared);
  {
    await using _lock = await RepositoryLock.take(mine, shared);
    assert.equal((await readLocks(mine)).length, 2);
  }
  await using lock = await RepositoryLock.take(mine, exclusive);
  await lock.settled;
  assert.deepEqual(
    (await readLocks(mine)).map((each) => each.lock?.pid),
    [process.pid],
  );
});

test("the clock of another host may differ by less than half an hour", async () => {
  for (const [aheadMs, isPassed] of [
    [29 * minuteMs, false],
    [-29 * minuteMs, false],
    [-31 * minuteMs, true],
    [600 * minuteMs, false],
  ] as const) {
    const repository = await SharedRepository.make();
    await RepositoryLock.take(await repository.open(there, repository.storage, aheadMs), shared);
    const taking = RepositoryLock.take(await repository.open(here), exclusive);
    if (isPassed) await (await taking)[Symbol.asyncDispose]();
    else await assert.rejects(taking, isLocked, `ahead by ${aheadMs} ms`);
  }
});

test("a lock that cannot be read keeps everybody out, as with restic, until all locks are removed", async () => {
  const repository = await SharedRepository.make();
  const half = Buffer.from("half of a lock");
  await repository.storage.put("lock", idOf(half), [half]);
  const wishes = [shared, exclusive, { ...exclusive, retryForMs: 60_000 }];
  await Promise.all(
    wishes.map(async (wanted) =>
      assert.rejects(
        RepositoryLock.take(await repository.open(here), wanted),
        (error) => hasCode(error, "locked") && /cannot be read/.test(error.message) && /--remove-all/.test(error.hint),
      ),
    ),
  );
  const mine = await repository.open(here);
  assert.equal(await unlock(mine, false), 0);
  assert.equal(await unlock(mine, true), 1);
  await using _lock = await RepositoryLock.take(mine, shared);
});

test("a lock that is half there when it is read first is waited for", async () => {
  const repository = await SharedRepository.make();
  const other = await RepositoryLock.take(await repository.open(there), shared);
  const [{ name } = { name: "" }] = await readLocks(await repository.open(here));
  const whole = await repository.storage.read("lock", name);
  repository.storage.damage("lock", name, (bytes) => bytes.subarray(0, 40));
  setTimeout(() => repository.storage.damage("lock", name, () => whole), 100);
  await using _lock = await RepositoryLock.take(await repository.open(here), shared);
  await other[Symbol.asyncDispose]();
});

test("an empty lock file, and one that vanishes while it is read, are none", async () => {
  const repository = await SharedRepository.make();
  const nothing = Buffer.alloc(0);
  await repository.storage.put("lock", idOf(nothing), [nothing]);
  {
    await using _lock = await RepositoryLock.take(await repository.open(here), exclusive);
  }
  await RepositoryLock.take(await repository.open(there), exclusive);
  const gone = faultScript(
    [1, 2, 3].map(
      (number) => ({ number, operation: "read", type: "lock", fault: { kind: "fail", code: "not-found" } }) as const,
    ),
  );
  await using _lock = await RepositoryLock.take(
    await repository.open(here, new FaultStorage(repository.storage, gone)),
    exclusive,
  );
});

test("locks that the storage does not hand out are no reason to go ahead", async () => {
  const repository = await SharedRepository.make();
  await RepositoryLock.take(await repository.open(there), exclusive);
  const fault = { kind: "fail", code: "storage" } as const;
  const storage = new FaultStorage(
    repository.storage,
    faultScript([{ number: 1, operation: "read", type: "lock", fault }]),
  );
  await assert.rejects(RepositoryLock.take(await repository.open(here, storage), shared), (error) =>
    hasCode(error, "storage"),
  );
});

test("a place that cannot be written says how to read it all the same", async () => {
  for (const code of ["permission", "refused", "no-space"] as const) {
    const repository = await SharedRepository.make();
    const storage = new FaultStorage(
      repository.storage,
      faultScript([{ number: 1, operation: "put", type: "lock", fault: { kind: "fail", code } }]),
    );
    await assert.rejects(
      RepositoryLock.take(await repository.open(here, storage), shared),
      (error) => hasCode(error, code) && /cannot be locked/.test(error.message) && /--no-lock/.test(error.hint),
    );
  }
});
