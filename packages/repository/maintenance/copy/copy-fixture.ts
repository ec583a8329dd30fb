// What the tests of copies share: repositories in memory, made once and then cloned, and what is asked of their copies.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createKeyFile } from "../../format/key-file.ts";
import type { Storage } from "../../storage/storage.ts";
import { fileTypes } from "../../storage/storage.ts";
import type { Repository, StoredSnapshot } from "../../store/repository.ts";
import { MemoryStorage } from "../../testing/memory-storage.ts";
import { backUp, contentOf, makeRepository, nodesOf, openRepository, Scratch } from "../../writer/backup-fixture.ts";
import { check } from "../check/check.ts";
import type { CopyEvent, CopyReport } from "./copy.ts";
import { copy } from "./copy.ts";

type Version = 1 | 2;
const made = new Map<string, Promise<MemoryStorage>>();

/** An empty repository; of each version always the same one. */
export function empty(version: Version = 2): Promise<MemoryStorage> {
  return clone(`empty ${version}`, () => makeEmpty(version));
}

/** A repository with two snapshots of files of all kinds, and keys of its own. */
export function filled(version: Version = 2): Promise<MemoryStorage> {
  return clone(`filled ${version}`, async () => {
    const storage = await makeEmpty(version);
    await fill(storage);
    return storage;
  });
}

async function clone(name: string, make: () => Promise<MemoryStorage>): Promise<MemoryStorage> {
  let original = made.get(name);
  if (!original) made.set(name, (original = make()));
  const copied = new MemoryStorage();
  await copyFiles(await original, copied);
  return copied;
}

export async function copyFiles(from: Storage, to: Storage): Promise<void> {
  await to.createLayout();
  for (const type of fileTypes)
    for await (const { name } of from.list(type)) await to.put(type, name, [await from.read(type, name)]);
}

async function makeEmpty(version: Version): Promise<MemoryStorage> {
  const storage = new MemoryStorage();
  await using repository = await makeRepository(storage, version);
  // Opened many times: with a key that is cheap to derive.
  const facts = { created: 0n, username: "u", hostname: "h" };
  const key = await createKeyFile(repository.masterKey, "secret", facts, repository.kernel, { N: 16, r: 8, p: 1 });
  await storage.put("key", key.name, [key.bytes]);
  await storage.remove("key", repository.keyId);
  return storage;
}

async function fill(storage: Storage): Promise<void> {
  await using repository = await openRepository(storage);
  using scratch = new Scratch();
  mkdirSync(join(scratch.path, "below", "deeper"), { recursive: true });
  const files = { empty: 0, small: 10, "below/medium": 400_000, "below/deeper/large": 2_500_000 };
  for (const [name, size] of Object.entries(files)) writeFileSync(join(scratch.path, name), randomBytes(size));
  writeFileSync(join(scratch.path, "text"), "it compresses well ".repeat(50_000));
  await backUp(repository, scratch.path, { tags: ["first"] });
  writeFileSync(join(scratch.path, "added"), randomBytes(700_000));
  await backUp(repository, scratch.path, { tags: ["second", "x"], excludes: ["*.tmp"] });
}

/** With repositories opened anew, as processes do; all snapshots, or only one. */
export async function copyAll(
  from: Storage,
  to: Storage,
  only?: string,
): Promise<{ report: CopyReport; events: CopyEvent[] }> {
  await using source = await openRepository(from);
  await using destination = await openRepository(to);
  const { snapshots } = await source.loadSnapshots();
  const events: CopyEvent[] = [];
  const request = {
    snapshots: snapshots.filter(({ id }) => only === undefined || id === only),
    mayWrite: Promise.resolve(),
    workers: 1,
  };
  return { report: await copy(source, destination, request, (event) => events.push(event)), events };
}

export async function snapshotsIn(storage: Storage): Promise<StoredSnapshot[]> {
  await using repository = await openRepository(storage);
  return (await repository.loadSnapshots()).snapshots;
}

/** Every snapshot has its counterpart, with the same bytes in every file. */
export async function assertSameContents(from: Storage, to: Storage): Promise<void> {
  await using source = await openRepository(from);
  await using destination = await openRepository(to);
  const here = (await source.loadSnapshots()).snapshots;
  const there = (await destination.loadSnapshots()).snapshots;
  assert.deepEqual(
    there.map(({ tree }) => tree),
    here.map(({ tree }) => tree),
  );
  for (const { tree } of there) assert.deepEqual(await filesIn(destination, tree), await filesIn(source, tree));
}

async function filesIn(repository: Repository, tree: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const [path, node] of await nodesOf(repository, tree)) {
    if (node.type === "file") found.set(path, (await contentOf(repository, node)).toString("base64"));
  }
  return found;
}

export async function assertClean(storage: Storage): Promise<void> {
  await using repository = await openRepository(storage);
  const { verdict, findings } = await check(repository, { readData: true, workers: 1 }, () => undefined);
  assert.deepEqual([verdict, findings], ["clean", []]);
}
