// A backup that dies at any of its storage operations loses nothing that was there, and the next one finishes.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { hasCode } from "../errors.ts";
import { createKeyFile } from "../format/key-file.ts";
import { check } from "../maintenance/check/check.ts";
import { selectEverything } from "../selection/selection-rules.ts";
import { LocalStorage } from "../storage/local.ts";
import type { Storage } from "../storage/storage.ts";
import { Repository } from "../store/repository.ts";
import { readLocks } from "../store/lock-files.ts";
import { RepositoryLock } from "../store/repository-lock.ts";
import type { CrashEffect } from "../testing/fault-storage.ts";
import { crashAt, FaultStorage, leaveTemporaryIn } from "../testing/fault-storage.ts";
import type { BackupSummary } from "../writer/backup-request.ts";
import { backup } from "../writer/backup.ts";

const password = "x";
const work = mkdtempSync(join(tmpdir(), "holdfast-crash-"));
const source = join(work, "source");
const base = join(work, "base");
/** The contents of the source at the time of each of its two snapshots, by path below it. */
let firstState = new Map<string, Buffer>();
let secondState = new Map<string, Buffer>();
let firstSnapshot = "";
let deadPid = 0;

after(() => rmSync(work, { recursive: true, force: true }));

before(async () => {
  deadPid = spawnSync("true").pid;
  mkdirSync(join(source, "directory"), { recursive: true });
  writeFileSync(join(source, "directory", "kept"), randomBytes(50_000));
  writeFileSync(join(source, "changed"), "before ".repeat(1000));
  writeFileSync(join(source, "empty"), "");
  firstState = stateOf(source);
  {
    await using repository = await Repository.create({
      storage: new LocalStorage(base),
      password,
      now: () => new Date(),
      identity: identity(process.pid),
    });
    // Opened many times below: with a key that is cheap to derive.
    const facts = { created: 0n, username: "u", hostname: "h" };
    const key = await createKeyFile(repository.masterKey, password, facts, repository.kernel, { N: 16, r: 8, p: 1 });
    await repository.storage.put("key", key.name, [key.bytes]);
    await repository.storage.remove("key", repository.keyId);
  }
  firstSnapshot = (await backUp(new LocalStorage(base), process.pid)).snapshotId!;
  writeFileSync(join(source, "changed"), "after ".repeat(1000));
  mkdirSync(join(source, "directory", "new"));
  writeFileSync(join(source, "directory", "new", "added"), randomBytes(700_000));
  secondState = stateOf(source);
});

function identity(pid: number) {
  return { hostname: "here", username: "tester", uid: 0, gid: 0, pid };
}

/** Every file below a directory with its bytes. */
function stateOf(directory: string): Map<string, Buffer> {
  const paths = readdirSync(directory, { recursive: true, encoding: "utf8" }).sort();
  return new Map(
    paths
      .filter((path) => statSync(join(directory, path)).isFile())
      .map((path) => [path, readFileSync(join(directory, path))]),
  );
}

/** What the command line does for a backup, from opening to giving back the lock. */
async function backUp(storage: Storage, pid: number, exclusive = false): Promise<BackupSummary> {
  await using repository = await Repository.open({ storage, password, now: () => new Date(), identity: identity(pid) });
  await using lock = await RepositoryLock.take(repository, { exclusive, retryForMs: 0 });
  const { snapshots } = await repository.loadSnapshots();
  return await backup(
    repository,
    {
      entries: [{ kind: "files", from: Buffer.from(source), at: Buffer.from("/source"), selection: selectEverything }],
      paths: ["/source"],
      hostname: "here",
      username: "tester",
      uid: 0,
      gid: 0,
      tags: [],
      excludes: [],
      timeNs: BigInt(Date.now()) * 1_000_000n,
      programVersion: "test",
      parent: snapshots.at(-1) ?? null,
      oneFileSystem: false,
      withAtime: false,
      dryRun: false,
      skipIfUnchanged: false,
      readBack: false,
      mayWrite: lock.settled,
      workers: 1,
      signal: lock.signal,
    },
    (event) =>
      assert.ok(
        event.kind !== "error",
        event.kind === "error" ? `${event.path.toString()}: ${event.error.message}` : "",
      ),
  );
}

async function stateIn(repository: Repository, tree: string, below = ""): Promise<Map<string, Buffer>> {
  const state = new Map<string, Buffer>();
  for (const node of await repository.loadTree(tree)) {
    const path = join(below, node.name.toString());
    if (node.subtree !== null)
      for (const [deeper, content] of await stateIn(repository, node.subtree, path)) state.set(deeper, content);
    if (node.content === null || node.type !== "file") continue;
    const pieces = await Promise.all(node.content.map((id) => repository.loadBlob("data", id)));
    state.set(path, Buffer.concat(pieces));
  }
  return state;
}

async function assertSnapshotHolds(
  repository: Repository,
  snapshotId: string,
  state: ReadonlyMap<string, Buffer>,
): Promise<void> {
  const { snapshots, damaged } = await repository.loadSnapshots();
  assert.deepEqual(damaged, []);
  const snapshot = snapshots.find(({ id }) => id === snapshotId);
  assert.ok(snapshot, `the snapshot ${snapshotId} is gone`);
  const held = await stateIn(repository, snapshot.tree);
  assert.deepEqual([...held.keys()].sort(), [...state.keys()].map((path) => join("source", path)).sort());
  for (const [path, content] of state) assert.ok(held.get(join("source", path))!.equals(content), `${path} differs`);
}

const leftovers: ReadonlySet<string> = new Set(["pack-unindexed", "lock-stale"]);

async function assertSound(
  directory: string,
  held: readonly (readonly [snapshotId: string, state: ReadonlyMap<string, Buffer>])[],
): Promise<void> {
  await using repository = await Repository.open({
    storage: new LocalStorage(directory),
    password,
    now: () => new Date(),
    identity: identity(process.pid),
  });
  const { findings } = await check(repository, { readData: true, workers: 1 }, () => undefined);
  assert.deepEqual(
    findings.filter(({ kind }) => !leftovers.has(kind)),
    [],
  );
  for (const [snapshotId, state] of held) await assertSnapshotHolds(repository, snapshotId, state);
}

function assertResticFindsItSound(directory: string): void {
  const restic = process.env["HOLDFAST_RESTIC"];
  assert.ok(restic, "set HOLDFAST_RESTIC to the path of a restic binary");
  const words = ["-r", directory, "--no-cache", "--no-lock", "check", "--read-data"];
  const { status, stderr } = spawnSync(restic, words, {
    env: { ...process.env, RESTIC_PASSWORD: password },
    encoding: "utf8",
  });
  assert.equal(status, 0, stderr);
}

/** One backup that dies at its `number`-th operation, and what follows; false when it finished before. */
async function crashOnce(number: number, effect: CrashEffect): Promise<boolean> {
  const directory = join(work, `${effect}-${number}`);
  cpSync(base, directory, { recursive: true });
  const storage = new FaultStorage(new LocalStorage(directory), crashAt(number, effect), {
    leaveTemporary: leaveTemporaryIn(directory),
  });
  const outcome = await backUp(storage, deadPid).then(
    () => null,
    (error: unknown) => error,
  );
  await storage.settled();
  if (storage.crashed) assert.ok(isInterruption(outcome), String(outcome));
  else assert.equal(outcome, null);
  assert.equal(storage.calls.length >= number, storage.crashed);
  // Only a put can leave half a file: of all others "not-done" has told everything.
  const tellsNothingNew = effect === "temporary" && storage.crashed && storage.calls[number - 1]!.operation !== "put";
  if (!tellsNothingNew) await assertLeftUsable(directory);
  rmSync(directory, { recursive: true });
  return storage.crashed;
}

async function assertLeftUsable(directory: string): Promise<void> {
  await assertSound(directory, [[firstSnapshot, firstState]]);
  assertResticFindsItSound(directory);
  // An exclusive lock: what the dead process left must not stand in the way even of that.
  const next = await backUp(new LocalStorage(directory), process.pid, true);
  await assertSound(directory, [
    [firstSnapshot, firstState],
    [next.snapshotId!, secondState],
  ]);
  assertResticFindsItSound(directory);
}

/** Giving back the lock fails, too, when the process is dead: then both errors come as one. */
function isInterruption(error: unknown): boolean {
  return error instanceof SuppressedError ? isInterruption(error.error) : hasCode(error, "interrupted");
}

describe("a backup that dies", () => {
  for (const effect of ["not-done", "done", "temporary"] as const) {
    test(`at any operation, which is ${effect}`, async () => {
      let number = 1;
      while (await crashOnce(number, effect)) number++;
      assert.ok(number > 15, `only ${number} operations were tried`);
    });
  }

  test("leaves a lock that is known to be stale and does not keep others out", async () => {
    const directory = join(work, "stale");
    cpSync(base, directory, { recursive: true });
    const storage = new FaultStorage(new LocalStorage(directory), (call) =>
      call.operation === "put" && call.type === "snapshot" ? { kind: "crash", effect: "not-done" } : undefined,
    );
    await assert.rejects(backUp(storage, deadPid), isInterruption);
    await storage.settled();
    await using repository = await Repository.open({
      storage: new LocalStorage(directory),
      password,
      now: () => new Date(),
      identity: identity(process.pid),
    });
    assert.deepEqual(
      (await readLocks(repository)).map(({ lock }) => lock?.pid),
      [deadPid],
    );
    await using lock = await RepositoryLock.take(repository, { exclusive: true, retryForMs: 0 });
    assert.equal(lock.signal.aborted, false);
  });
});
