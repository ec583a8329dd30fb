// Locks between processes and hosts, their refresh, and what is stale.
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { hasCode } from "../errors.ts";
import { MemoryStorage } from "../testing/memory-storage.ts";
import type { Identity } from "./repository.ts";
import { Repository } from "./repository.ts";
import { readLocks, RepositoryLock, unlock } from "./repository-lock.ts";

const here: Identity = { hostname: "here", username: "user", uid: 0, gid: 0, pid: process.pid };
/** Above the largest pid of Linux: no such process. */
const deadPid = 2 ** 22 + 1;

async function repositories(...identities: Identity[]): Promise<Repository[]> {
  const storage = new MemoryStorage();
  const options = { storage, password: "x", now: () => new Date(), identity: here };
  await Repository.create(options);
  return Promise.all(identities.map((identity) => Repository.open({ ...options, identity })));
}

const now = { retryForMs: 0 };
const isLocked = (error: unknown): boolean => hasCode(error, "locked");

test("shared locks go together, an exclusive one with none", async () => {
  const [one, two] = await repositories(here, { ...here, hostname: "there" });
  {
    await using first = await RepositoryLock.take(one!, { exclusive: false, ...now });
    await using second = await RepositoryLock.take(two!, { exclusive: false, ...now });
    await Promise.all([first.settled, second.settled]);
    await assert.rejects(RepositoryLock.take(two!, { exclusive: true, ...now }), isLocked);
    assert.equal((await readLocks(one!)).length, 2);
  }
  assert.deepEqual(await readLocks(one!), []);
  await using exclusive = await RepositoryLock.take(one!, { exclusive: true, ...now });
  await exclusive.settled;
  await assert.rejects(
    RepositoryLock.take(two!, { exclusive: false, ...now }),
    (error) => isLocked(error) && /here/.test(String(error)),
  );
});

test("two that come at the same moment find each other when they look again", async () => {
  const [one, two] = await repositories(here, { ...here, hostname: "there" });
  const locks = await Promise.allSettled(
    [one!, two!].map((each) => RepositoryLock.take(each, { exclusive: true, ...now })),
  );
  const taken = locks.flatMap((lock) => (lock.status === "fulfilled" ? [lock.value] : []));
  const settled = await Promise.allSettled(taken.map((lock) => lock.settled));
  assert.ok(settled.filter(({ status }) => status === "fulfilled").length <= 1);
  for (const lock of taken) await lock[Symbol.asyncDispose]();
});

test("waits for the other one as long as it was told to", async () => {
  const [one, two] = await repositories(here, { ...here, hostname: "there" });
  const first = await RepositoryLock.take(one!, { exclusive: true, ...now });
  const waiting = RepositoryLock.take(two!, { exclusive: false, retryForMs: 10_000 });
  setTimeout(() => void first[Symbol.asyncDispose](), 500);
  await using second = await waiting;
  assert.equal((await readLocks(one!)).length, 1);
  await second.settled;
});

test("a lock of a dead process here is stale, one of another host is believed for half an hour", async () => {
  let time = Date.parse("2026-01-01T00:00:00Z");
  const storage = new MemoryStorage();
  const options = { storage, password: "x", now: () => new Date(time) };
  await Repository.create({ ...options, identity: here });
  const open = (identity: Identity): Promise<Repository> => Repository.open({ ...options, identity });
  const mine = await open(here);
  // Left behind: taken and never given back.
  await RepositoryLock.take(await open({ ...here, pid: deadPid }), { exclusive: true, ...now });
  await using passed = await RepositoryLock.take(mine, { exclusive: false, ...now });
  await passed.settled;
  assert.equal(await unlock(mine, false), 1);
  await RepositoryLock.take(await open({ ...here, hostname: "there", pid: deadPid }), { exclusive: false, ...now });
  await assert.rejects(RepositoryLock.take(mine, { exclusive: true, ...now }), isLocked);
  assert.equal(await unlock(mine, false), 0);
  time += 31 * 60 * 1000;
  assert.equal(await unlock(mine, false), 2);
});

test("is written anew while it is held, and never absent meanwhile", async () => {
  mock.timers.enable({ apis: ["setInterval"] });
  try {
    const [one] = await repositories(here);
    const lock = await RepositoryLock.take(one!, { exclusive: false, ...now });
    const [before] = await readLocks(one!);
    mock.timers.tick(5 * 60 * 1000 + 1);
    for (let turn = 0; turn < 50; turn++) {
      assert.ok((await readLocks(one!)).length > 0);
      await new Promise((resolve) => setImmediate(resolve));
    }
    const after = await readLocks(one!);
    assert.equal(after.length, 1);
    assert.notEqual(after[0]?.name, before?.name);
    await lock[Symbol.asyncDispose]();
    assert.deepEqual(await readLocks(one!), []);
  } finally {
    mock.timers.reset();
  }
});
