// Crashes in the middle of forget and prune, at every single storage operation, and what must hold afterwards.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { hasCode } from "../errors.ts";
import { forgetSnapshots } from "../maintenance/forget/forget.ts";
import { copyFiles, empty } from "../maintenance/copy/copy-fixture.ts";
import type { Files } from "../maintenance/prune/prune-fixture.ts";
import {
  assertHolds,
  assertSound,
  names,
  prune,
  storeMixedSnapshot,
  storeSnapshot,
} from "../maintenance/prune/prune-fixture.ts";
import { LocalStorage } from "../storage/local.ts";
import type { Storage } from "../storage/storage.ts";
import { Repository } from "../store/repository.ts";
import { RepositoryLock } from "../store/repository-lock.ts";
import type { CrashEffect, Operation } from "../testing/fault-storage.ts";
import { crashAt, FaultStorage, leaveTemporaryIn } from "../testing/fault-storage.ts";
import { openRepository } from "../writer/backup-fixture.ts";

const work = mkdtempSync(join(tmpdir(), "holdfast-prune-crash-"));
const base = join(work, "base");
const kept = new Map<string, Files>();
let forgotten: string[] = [];
let operations: Operation[] = [];
let deadPid = 0;
const atOnce = 3;

after(() => rmSync(work, { recursive: true, force: true }));

before(async () => {
  deadPid = spawnSync("true").pid;
  const storage = new LocalStorage(base);
  await copyFiles(await empty(), storage);
  await using repository = await openRepository(storage);
  const file = (): Buffer => randomBytes(2000);
  const shared = { a: file(), b: file(), c: file() };
  // Packs that are needed wholly, in part, twice, and not at all; one with data and trees.
  forgotten = [
    await storeSnapshot(repository, { ...shared, d: file(), e: file() }, { packs: [["a", "d"], ["b", "c"], ["e"]] }),
    await storeMixedSnapshot(repository, { m: file() }),
  ];
  const second = { ...shared, f: file() };
  kept.set(await storeSnapshot(repository, second, { isBlind: true }), second);
  const third = { a: shared.a, g: file() };
  kept.set(await storeMixedSnapshot(repository, third), third);
  operations = await wholeRun();
});

/** The storage operations of a run that nothing disturbs. */
async function wholeRun(): Promise<Operation[]> {
  const directory = join(work, "whole");
  cpSync(base, directory, { recursive: true });
  const storage = new FaultStorage(new LocalStorage(directory), () => undefined);
  await forgetAndPrune(storage, process.pid);
  const { blobs, unused } = await assertSound(new LocalStorage(directory));
  assert.equal(unused?.blobs, 0);
  // Five files in two snapshots, and two trees.
  assert.equal(blobs, 7);
  return storage.calls.map(({ operation }) => operation);
}

/** What the command line does for `forget --prune`, from opening to giving back the lock. */
async function forgetAndPrune(storage: Storage, pid: number): Promise<void> {
  const identity = { hostname: "here", username: "tester", uid: 0, gid: 0, pid };
  await using repository = await Repository.open({ storage, password: "secret", now: () => new Date(), identity });
  await using lock = await RepositoryLock.take(repository, { exclusive: true, retryForMs: 0 });
  await lock.settled;
  const { snapshots } = await repository.loadSnapshots();
  const ids = snapshots.map(({ id }) => id).filter((id) => forgotten.includes(id));
  await forgetSnapshots(repository, ids, { signal: lock.signal });
  await prune(repository, { maxUnused: { kind: "bytes", bytes: 0 }, signal: lock.signal });
}

const rubbish = ["pack-unindexed", "index-empty", "lock-stale", "pack-indexed-twice", "pack-mixed"];

async function crashOnce(number: number, effect: CrashEffect): Promise<void> {
  const directory = join(work, `${effect}-${number}`);
  cpSync(base, directory, { recursive: true });
  const storage = new FaultStorage(new LocalStorage(directory), crashAt(number, effect), {
    leaveTemporary: leaveTemporaryIn(directory),
  });
  const outcome = await forgetAndPrune(storage, deadPid).then(
    () => null,
    (error: unknown) => error,
  );
  await storage.settled();
  assert.ok(storage.crashed && isInterruption(outcome), `${number}, ${effect}: ${String(outcome)}`);
  const local = new LocalStorage(directory);
  await assertSound(local, rubbish);
  await assertHolds(local, kept);
  // restic takes long to start: a sample.
  if (number % 5 === 0) assertResticFindsItSound(directory);
  await forgetAndPrune(new LocalStorage(directory), process.pid);
  const { unused } = await assertSound(local, ["lock-stale"]);
  assert.equal(unused?.blobs, 0);
  assert.deepEqual(await names(local, "snapshot"), [...kept.keys()].toSorted());
  await assertHolds(local, kept);
  if (number % 5 === 0) assertResticFindsItSound(directory);
  rmSync(directory, { recursive: true });
}

/** Giving back the lock fails, too, when the process is dead: then both errors come as one. */
function isInterruption(error: unknown): boolean {
  return error instanceof SuppressedError ? isInterruption(error.error) : hasCode(error, "interrupted");
}

function assertResticFindsItSound(directory: string): void {
  const restic = process.env["HOLDFAST_RESTIC"];
  assert.ok(restic, "set HOLDFAST_RESTIC to the path of a restic binary");
  const words = ["-r", directory, "--no-cache", "--no-lock", "check", "--read-data"];
  const { status, stderr } = spawnSync(restic, words, {
    env: { ...process.env, RESTIC_PASSWORD: "secret" },
    encoding: "utf8",
  });
  assert.equal(status, 0, stderr);
}

async function crashAtEach(numbers: readonly number[], effect: CrashEffect): Promise<void> {
  const left = numbers.values();
  const lane = async (): Promise<void> => {
    for (const number of left) await crashOnce(number, effect);
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
}

/** The numbers of the operations that change something. */
function changes(...wanted: readonly Operation[]): number[] {
  return operations.flatMap((operation, at) => (wanted.includes(operation) ? [at + 1] : []));
}

describe("forget with prune that dies", () => {
  test("at any change, which is not done, and in between", async () => {
    const others = operations.map((_, at) => at + 1).filter((number) => !changes("put", "remove").includes(number));
    assert.ok(others.length > 20, `only ${others.length} operations that read`);
    await crashAtEach([...changes("put", "remove"), ...others.filter((_, at) => at % 3 === 0)], "not-done");
  });

  test("at any change, which is done", async () => {
    const numbers = changes("put", "remove");
    assert.ok(numbers.length > 12, `only ${numbers.length} changes`);
    await crashAtEach(numbers, "done");
  });

  test("at any file that is written, and left unfinished", async () => {
    await crashAtEach(changes("put"), "temporary");
  });
});
