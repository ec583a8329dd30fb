// A copy that dies at any storage operation of either side harms neither, and the next one finishes what it began.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { hasCode } from "../errors.ts";
import { check } from "../maintenance/check/check.ts";
import { copy } from "../maintenance/copy/copy.ts";
import { assertSameContents, copyFiles, empty, filled, snapshotsIn } from "../maintenance/copy/copy-fixture.ts";
import { LocalStorage } from "../storage/local.ts";
import type { Storage } from "../storage/storage.ts";
import { Repository } from "../store/repository.ts";
import { RepositoryLock } from "../store/repository-lock.ts";
import type { CrashEffect } from "../testing/fault-storage.ts";
import { crashAt, FaultStorage, leaveTemporaryIn } from "../testing/fault-storage.ts";

const password = "secret";
const work = mkdtempSync(join(tmpdir(), "holdfast-copy-crash-"));
let deadPid = 0;

before(() => {
  deadPid = spawnSync("true").pid;
});
after(() => rmSync(work, { recursive: true, force: true }));

function open(storage: Storage, pid: number): Promise<Repository> {
  const identity = { hostname: "here", username: "tester", uid: 0, gid: 0, pid };
  return Repository.open({ storage, password, now: () => new Date(), identity });
}

/** What the command line does, from opening to giving back the locks. */
async function copyOver(from: Storage, to: Storage, pid: number): Promise<void> {
  await using source = await open(from, pid);
  await using sourceLock = await RepositoryLock.take(source, { exclusive: false, retryForMs: 0 });
  await using destination = await open(to, pid);
  await using lock = await RepositoryLock.take(destination, { exclusive: false, retryForMs: 0 });
  const { snapshots } = await source.loadSnapshots();
  const mayWrite = Promise.all([sourceLock.settled, lock.settled]).then(() => undefined);
  mayWrite.catch(() => undefined);
  const report = await copy(source, destination, { snapshots, mayWrite, signal: lock.signal, workers: 1 }, () => {});
  assert.equal(report.failed, 0);
}

const leftovers: ReadonlySet<string> = new Set(["pack-unindexed", "lock-stale"]);

async function assertSound(directory: string): Promise<void> {
  await using repository = await open(new LocalStorage(directory), process.pid);
  const { findings } = await check(repository, { readData: true, workers: 1 }, () => undefined);
  assert.deepEqual(
    findings.filter(({ kind }) => !leftovers.has(kind)),
    [],
  );
}

function assertResticFindsItSound(directory: string): void {
  const restic = process.env["HOLDFAST_RESTIC"];
  assert.ok(restic, "set HOLDFAST_RESTIC to the path of a restic binary");
  const { status, stderr } = spawnSync(restic, ["-r", directory, "--no-cache", "--no-lock", "check", "--read-data"], {
    env: { ...process.env, RESTIC_PASSWORD: password },
    encoding: "utf8",
  });
  assert.equal(status, 0, stderr);
}

/** Giving back the locks fails, too, when the process is dead: then all errors come as one. */
function isInterruption(error: unknown): boolean {
  return error instanceof SuppressedError ? isInterruption(error.error) : hasCode(error, "interrupted");
}

/** One copy that dies at the `number`-th operation of one side, and what follows; false when it finished before. */
async function crashOnce(side: "source" | "destination", number: number, effect: CrashEffect): Promise<boolean> {
  const from = join(work, `from-${effect}-${number}`);
  const to = join(work, `to-${effect}-${number}`);
  await copyFiles(await filled(), new LocalStorage(from));
  await copyFiles(await empty(), new LocalStorage(to));
  const directory = side === "source" ? from : to;
  const dying = new FaultStorage(new LocalStorage(directory), crashAt(number, effect), {
    leaveTemporary: leaveTemporaryIn(directory),
  });
  const [source, destination] =
    side === "source" ? [dying, new LocalStorage(to)] : ([new LocalStorage(from), dying] as const);
  const outcome = await copyOver(source, destination, deadPid).then(
    () => null,
    (error: unknown) => error,
  );
  await dying.settled();
  if (dying.crashed) assert.ok(isInterruption(outcome), String(outcome));
  else assert.equal(outcome, null);
  const operation = dying.calls[number - 1]?.operation;
  // Of what changes nothing, "not-done" has told everything; only a put can leave half a file.
  if (effect === "not-done" || operation === "put" || (operation === "remove" && effect === "done")) {
    if (side === "destination") await assertSound(to);
    if (side === "destination" && operation === "put") assertResticFindsItSound(to);
    await copyOver(new LocalStorage(from), new LocalStorage(to), process.pid);
    await assertSound(directory);
    await assertSameContents(new LocalStorage(from), new LocalStorage(to));
    assert.equal((await snapshotsIn(new LocalStorage(to))).length, 2, "no snapshot was copied twice");
    if (operation === "put") assertResticFindsItSound(to);
  }
  for (const each of [from, to]) rmSync(each, { recursive: true });
  return dying.crashed;
}

describe("a copy that dies", () => {
  for (const effect of ["not-done", "done", "temporary"] as const) {
    test(`at any operation of the destination, which is ${effect}`, async () => {
      let number = 1;
      while (await crashOnce("destination", number, effect)) number++;
      assert.ok(number > 15, `only ${number} operations were tried`);
    });
  }

  test("at any operation of the source", async () => {
    let number = 1;
    while (await crashOnce("source", number, "not-done")) number++;
    assert.ok(number > 10, `only ${number} operations were tried`);
  });
});
