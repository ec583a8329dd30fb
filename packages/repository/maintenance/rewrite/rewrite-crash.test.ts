// Changing snapshots dies at any storage operation: each one is left in its old form or its new one, and whole.
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { hasCode } from "../../errors.ts";
import { createKeyFile } from "../../format/key-file.ts";
import { encodeSnapshot } from "../../format/snapshot.ts";
import { everyPath } from "../../selection/path-rules.ts";
import type { FileType, Storage } from "../../storage/storage.ts";
import { fileTypes } from "../../storage/storage.ts";
import type { Repository, StoredSnapshot } from "../../store/repository.ts";
import type { CrashEffect } from "../../testing/fault-storage.ts";
import { crashAt, FaultStorage } from "../../testing/fault-storage.ts";
import { MemoryStorage } from "../../testing/memory-storage.ts";
import { backUp, makeRepository, openRepository, Scratch } from "../../writer/backup-fixture.ts";
import { changeTags } from "./change-tags.ts";
import { check } from "../check/check.ts";
import { SnapshotReplacer } from "../replace-snapshot.ts";
import { rewriteSnapshots } from "./rewrite-snapshots.ts";

type Files = { readonly type: FileType; readonly name: string; readonly bytes: Buffer }[];

const scratch = new Scratch();
let base: Files = [];
let olds: StoredSnapshot[] = [];
after(() => scratch[Symbol.dispose]());

before(async () => {
  const storage = new MemoryStorage();
  await using repository = await makeRepository(storage);
  const facts = { created: 0n, username: "u", hostname: "h" };
  const cheap = { N: 16, r: 8, p: 1 };
  const key = await createKeyFile(repository.masterKey, "secret", facts, repository.kernel, cheap);
  await storage.put("key", key.name, [key.bytes]);
  await storage.remove("key", repository.keyId);
  mkdirSync(join(scratch.path, "a", "b"), { recursive: true });
  for (const name of ["a/secret", "a/b/secret", "a/b/kept"]) writeFileSync(join(scratch.path, name), `in ${name}`);
  for (const tags of [["one"], [], ["two"]]) {
    await backUp(repository, scratch.path, { tags });
    writeFileSync(join(scratch.path, "a", `after ${tags.join()}`), "more");
  }
  olds = (await repository.loadSnapshots()).snapshots;
  base = await filesOf(storage);
});

async function filesOf(storage: Storage): Promise<Files> {
  const files: Files = [];
  for (const type of fileTypes)
    for await (const { name } of storage.list(type)) files.push({ type, name, bytes: await storage.read(type, name) });
  return files;
}

async function copyOfBase(): Promise<MemoryStorage> {
  const storage = new MemoryStorage();
  for (const { type, name, bytes } of base) await storage.put(type, name, [bytes]);
  return storage;
}

/** An operation on all snapshots, from opening to closing. */
type Change = (repository: Repository, stored: readonly StoredSnapshot[]) => Promise<void>;

const rewriting =
  (removeOld: boolean): Change =>
  (repository, stored) =>
    rewriteSnapshots(
      repository,
      {
        snapshots: stored,
        stored,
        rules: { ...everyPath, exclude: ["secret"] },
        countsAnew: false,
        hostname: null,
        time: null,
        tagsOf: ({ tags }) =>
          removeOld ? tags : (changeTags(tags, { set: null, add: ["rewrite"], remove: [] }) ?? tags),
        removeOld,
        dryRun: false,
        mayWrite: Promise.resolve(),
      },
      ({ kind }) => assert.notEqual(kind, "failed"),
    );

const tagging: Change = async (repository, stored) => {
  const options = { original: "first", removeOld: true, mayWrite: Promise.resolve() } as const;
  const replacer = new SnapshotReplacer(repository, stored, options);
  for (const snapshot of stored) {
    const tags = changeTags(snapshot.tags, { set: null, add: ["added"], remove: ["two"] });
    if (tags !== null) await replacer.replace(snapshot, { tags });
  }
};

async function run(storage: Storage, change: Change): Promise<void> {
  await using repository = await openRepository(storage);
  await change(repository, (await repository.loadSnapshots()).snapshots);
}

/** Everything that a tree names, read: its paths. */
async function pathsIn(repository: Repository, tree: string, above = ""): Promise<string[]> {
  const paths: string[] = [];
  for (const node of await repository.loadTree(tree)) {
    const path = `${above}/${node.name.toString()}`;
    paths.push(path);
    for (const id of node.content ?? []) await repository.loadBlob("data", id);
    if (node.subtree !== null) paths.push(...(await pathsIn(repository, node.subtree, path)));
  }
  return paths;
}

/** The snapshots without their ids, which differ with every encryption. */
function contentsOf(snapshots: readonly StoredSnapshot[]): string[] {
  return snapshots.map(({ id: _, ...content }) => encodeSnapshot(content).toString()).toSorted();
}

/** After a crash: of each old snapshot there is the old form or one of the `expected` new ones, each of them whole. */
async function assertNothingLost(storage: Storage, expected: readonly string[]): Promise<void> {
  await using repository = await openRepository(storage);
  const { snapshots, damaged } = await repository.loadSnapshots();
  assert.deepEqual(damaged, []);
  const known = new Set([...expected, ...contentsOf(olds)]);
  for (const content of contentsOf(snapshots)) assert.ok(known.has(content), content);
  for (const old of olds)
    assert.ok(
      snapshots.some(({ id, original }) => id === old.id || original === old.id),
      `${old.id} is lost`,
    );
  for (const { tree } of snapshots) await pathsIn(repository, tree);
}

const leftovers: ReadonlySet<string> = new Set(["pack-unindexed"]);

async function assertSound(storage: Storage, expected: readonly string[]): Promise<void> {
  await using repository = await openRepository(storage);
  const { findings } = await check(repository, { readData: true, workers: 1 }, () => undefined);
  assert.deepEqual(
    findings.filter(({ kind, severity }) => severity === "error" && !leftovers.has(kind)),
    [],
  );
  assert.deepEqual(contentsOf((await repository.loadSnapshots()).snapshots), expected);
}

/** What an undisturbed run leaves, and in how many operations. */
async function undisturbed(change: Change): Promise<{ expected: string[]; operations: number }> {
  const storage = new FaultStorage(await copyOfBase(), () => undefined);
  await run(storage, change);
  const operations = storage.calls.length;
  await using repository = await openRepository(storage);
  return { expected: contentsOf((await repository.loadSnapshots()).snapshots), operations };
}

const isInterruption = (error: unknown): boolean =>
  error instanceof SuppressedError ? isInterruption(error.error) : hasCode(error, "interrupted");

async function crashEverywhere(change: Change, effect: CrashEffect): Promise<void> {
  const { expected, operations } = await undisturbed(change);
  for (let number = 1; number <= operations; number++) {
    const below = await copyOfBase();
    const storage = new FaultStorage(below, crashAt(number, effect));
    await assert.rejects(run(storage, change), isInterruption);
    await storage.settled();
    await assertNothingLost(below, expected);
    await run(below, change);
    await assertNothingLost(below, expected);
    await using repository = await openRepository(below);
    assert.deepEqual(contentsOf((await repository.loadSnapshots()).snapshots), expected, `after ${number}`);
    if (number === operations) await assertSound(below, expected);
  }
}

const changes = {
  "rewrite --forget": rewriting(true),
  rewrite: rewriting(false),
  tag: tagging,
};

for (const [name, change] of Object.entries(changes)) {
  describe(`${name} that dies at any storage operation`, () => {
    test("leaves what it is meant to leave when it does not die", async () => {
      const { expected, operations } = await undisturbed(change);
      assert.equal(expected.length, name === "rewrite" ? 6 : 3);
      assert.ok(operations > 12, String(operations));
      const storage = await copyOfBase();
      await run(storage, change);
      await using repository = await openRepository(storage);
      for (const { tree, original } of (await repository.loadSnapshots()).snapshots) {
        const secrets = (await pathsIn(repository, tree)).filter((path) => path.endsWith("/secret"));
        assert.equal(secrets.length, original === null || name === "tag" ? 2 : 0);
      }
      await assertSound(storage, expected);
    });
    for (const effect of ["not-done", "done"] as const) {
      test(`which is ${effect}: nothing is lost, and the next run finishes as if nothing had been`, () =>
        crashEverywhere(change, effect));
    }
  });
}
