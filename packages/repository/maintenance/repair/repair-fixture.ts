// What the tests of repairs share: a small repository of every kind of file, damage to it, the repairs, and the truth.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hasCode } from "../../errors.ts";
import { createKeyFile } from "../../format/key-file.ts";
import type { BlobIndex } from "../../index/blob-index.ts";
import type { FileType, Storage } from "../../storage/storage.ts";
import { fileTypes } from "../../storage/storage.ts";
import type { OpenOptions, Repository } from "../../store/repository.ts";
import { MemoryStorage } from "../../testing/memory-storage.ts";
import { backUp, makeRepository, openRepository, Scratch } from "../../writer/backup-fixture.ts";
import { check } from "../check/check.ts";
import type { CheckReport } from "../check/check-report.ts";
import { listKeys, removeKey } from "../keys/keys.ts";
import { applyRecover, planRecover } from "./recover.ts";
import { remediesOf } from "../check/remedies.ts";
import { applyRepairConfig, planRepairConfig } from "./repair-config.ts";
import { applyRepairIndex, planRepairIndex } from "./repair-index.ts";
import { applyRepairPacks, planRepairPacks } from "./repair-packs.ts";
import { repairSnapshots } from "./repair-snapshots.ts";

export const mayWrite = Promise.resolve();
export const keep = async (): Promise<void> => undefined;
const who = { hostname: "host", username: "user", uid: 0, gid: 0 };
export const recoverFacts = { ...who, timeNs: 1_700_000_000_000_000_000n, programVersion: "test" };

/** One file of a snapshot, and what it takes to bring it back. */
export interface KnownFile {
  readonly path: string;
  /** Ids of the trees from the root to the file. */
  readonly trees: readonly string[];
  readonly pieces: readonly { readonly id: string; readonly content: Buffer }[];
}

/** What was in the repository before anything happened to it. */
export interface Truth {
  readonly index: BlobIndex;
  /** By the time of the snapshot, which repairs keep. */
  readonly snapshots: ReadonlyMap<string, { readonly id: string; readonly files: readonly KnownFile[] }>;
}

/** Three snapshots, each with an index, a pack of data and one of trees of its own; two keys of the same password. */
export async function makeDamageable(): Promise<{ storage: MemoryStorage; truth: Truth }> {
  using scratch = new Scratch();
  const at = (...names: string[]): string => join(scratch.path, ...names);
  const storage = new MemoryStorage();
  await using repository = await makeRepository(storage);
  for (const created of [1n, 2n]) {
    const facts = { created, username: "user", hostname: "host" };
    const key = await createKeyFile(repository.masterKey, "secret", facts, repository.kernel, { N: 16, r: 8, p: 1 });
    await storage.put("key", key.name, [key.bytes]);
  }
  await storage.remove("key", repository.keyId);
  mkdirSync(at("a", "deep"), { recursive: true });
  writeFileSync(at("grows"), randomBytes(1_100_000));
  writeFileSync(at("a", "one"), randomBytes(3000));
  writeFileSync(at("a", "deep", "text"), "compresses well ".repeat(500));
  writeFileSync(at("empty"), "");
  await backUp(repository, scratch.path, { timeNs: 1_600_000_000_000_000_000n });
  mkdirSync(at("b"));
  writeFileSync(at("b", "two"), randomBytes(5000));
  appendFileSync(at("grows"), randomBytes(700_000));
  await backUp(repository, scratch.path, { timeNs: 1_600_000_100_000_000_000n });
  mkdirSync(at("b", "c"));
  writeFileSync(at("b", "c", "three"), randomBytes(4000));
  await backUp(repository, scratch.path, { timeNs: 1_600_000_200_000_000_000n });
  await using fresh = await openRepository(storage);
  return { storage, truth: await truthOf(fresh) };
}

async function truthOf(repository: Repository): Promise<Truth> {
  const snapshots = new Map<string, { id: string; files: KnownFile[] }>();
  for (const { id, time, tree } of (await repository.loadSnapshots()).snapshots)
    snapshots.set(time, { id, files: await filesOf(repository, tree) });
  return { index: await repository.loadIndex(), snapshots };
}

/** Every file below a tree, whose blobs must all be readable. */
export async function filesOf(
  repository: Repository,
  tree: string,
  above = "",
  trees: readonly string[] = [],
): Promise<KnownFile[]> {
  const files: KnownFile[] = [];
  const chain = [...trees, tree];
  for (const { name, subtree, content } of await repository.loadTree(tree)) {
    const path = `${above}/${name.toString()}`;
    if (subtree !== null) files.push(...(await filesOf(repository, subtree, path, chain)));
    if (content === null) continue;
    const pieces: { id: string; content: Buffer }[] = [];
    for (const id of content) pieces.push({ id, content: await repository.loadBlob("data", id) });
    files.push({ path, trees: chain, pieces });
  }
  return files;
}

export async function copyOf(storage: Storage): Promise<MemoryStorage> {
  const copy = new MemoryStorage();
  for (const type of fileTypes)
    for await (const { name } of storage.list(type)) await copy.put(type, name, [await storage.read(type, name)]);
  return copy;
}

export interface StoredName {
  readonly type: FileType;
  readonly name: string;
}

export async function namesIn(storage: Storage): Promise<StoredName[]> {
  const names: StoredName[] = [];
  for (const type of fileTypes) for await (const { name } of storage.list(type)) names.push({ type, name });
  return names;
}

export function openOptions(storage: Storage): OpenOptions {
  return { storage, password: "secret", now: () => new Date(), identity: { ...who, pid: process.pid } };
}

export function checkAll(repository: Repository): Promise<CheckReport> {
  return check(repository, { readData: true, workers: 1 }, () => undefined);
}

/** What a person does about a damaged repository, told by nothing but what the check says. */
export async function repairAll(storage: Storage): Promise<void> {
  const config = await planRepairConfig(openOptions(storage));
  await applyRepairConfig(storage, config, async () => undefined);
  await using repository = await openRepository(storage);
  const remedies = remediesOf((await checkAll(repository)).findings);
  for (const { id } of (await listKeys(repository)).damaged) {
    assert.ok(remedies.keys.includes(id));
    await removeKey(repository, id);
  }
  if (remedies.index) await repairIndex(repository, false);
  if (remedies.packs.length > 0) await repairPacks(repository, remedies.packs);
  const left = remediesOf((await checkAll(repository)).findings);
  assert.deepEqual([left.config, left.index, left.packs], [false, false, []]);
  // While the hurt snapshots are still there: what they reach needs no gathering.
  await recover(repository);
  await repairTheSnapshots(repository, left.unreadableSnapshots);
}

export async function repairIndex(repository: Repository, readAllPacks: boolean): Promise<void> {
  const plan = await planRepairIndex(repository, { readAllPacks });
  if (plan.isNeeded) await applyRepairIndex(repository, plan, { mayWrite, keep });
}

/** Those of the named packs that are still there. */
export async function repairPacks(repository: Repository, names: readonly string[]): Promise<Map<string, Buffer>> {
  const there = (await Array.fromAsync(repository.storage.list("pack"))).map(({ name }) => name);
  const plan = await planRepairPacks(
    repository,
    names.filter((name) => there.includes(name)),
  );
  const kept = new Map<string, Buffer>();
  await applyRepairPacks(repository, plan, { mayWrite, keep: async (pack, bytes) => void kept.set(pack, bytes) });
  return kept;
}

export async function repairTheSnapshots(repository: Repository, unreadable: readonly string[]): Promise<void> {
  const { snapshots } = await repository.loadSnapshots();
  const request = { snapshots, stored: snapshots, unreadable, forget: true, dryRun: false, mayWrite, keep };
  await repairSnapshots(repository, request, () => undefined);
}

export async function recover(repository: Repository): Promise<string | null> {
  const plan = await planRecover(repository);
  return applyRecover(repository, plan, recoverFacts, { mayWrite });
}

/** As the words of blobs, `data ID`. */
export type LostBlobs = ReadonlySet<string>;

/** A check finds no damage, and the contents are as `assertContents` says. */
export async function assertRestHolds(
  storage: Storage,
  truth: Truth,
  lost: LostBlobs,
  lostSnapshots: readonly string[],
): Promise<void> {
  {
    await using repository = await openRepository(storage);
    const { verdict, findings } = await checkAll(repository);
    assert.notEqual(verdict, "damaged", JSON.stringify(findings, null, 1));
  }
  await assertContents(storage, truth, lost, lostSnapshots);
}

/**
 * Every snapshot of the truth (but for `lostSnapshots`) has all its files but for what `lost` takes from them; and
 * whatever a tree that is left names is in some snapshot. No file has another byte than it had.
 */
export async function assertContents(
  storage: Storage,
  truth: Truth,
  lost: LostBlobs,
  lostSnapshots: readonly string[],
): Promise<void> {
  await using repository = await openRepository(storage);
  const { snapshots, damaged } = await repository.loadSnapshots();
  assert.deepEqual(damaged, []);
  const found = new Set<string>();
  for (const { time, tree, tags } of snapshots) {
    const files = await filesOf(repository, tree);
    for (const { path, pieces } of files) found.add(`${path.split("/").at(-1)} ${contentOf(pieces)}`);
    const known = truth.snapshots.get(time);
    const held = files.map((file) => `${file.path} ${contentOf(file.pieces)}`);
    if (known) assert.deepEqual(held.sort(), expected(known.files, lost).sort());
    else assert.deepEqual(tags, ["recovered"]);
  }
  for (const [time, { id, files }] of truth.snapshots) {
    const isGone = lostSnapshots.includes(id) || files.every(({ trees }) => lost.has(`tree ${trees[0]}`));
    const forms = snapshots.filter((snapshot) => snapshot.time === time);
    assert.equal(forms.length, isGone ? 0 : 1, `the snapshot of ${time}`);
    for (const file of files) {
      if (lost.has(`tree ${file.trees.at(-1)}`)) continue;
      const pieces = file.pieces.filter((piece) => !lost.has(`data ${piece.id}`));
      assert.ok(found.has(`${file.path.split("/").at(-1)} ${contentOf(pieces)}`), `${file.path} of ${time} is nowhere`);
    }
  }
}

function expected(files: readonly KnownFile[], lost: LostBlobs): string[] {
  return files
    .filter(({ trees }) => trees.every((tree) => !lost.has(`tree ${tree}`)))
    .map(({ path, pieces }) => `${path} ${contentOf(pieces.filter((piece) => !lost.has(`data ${piece.id}`)))}`);
}

function contentOf(pieces: readonly { readonly content: Buffer }[]): string {
  return Buffer.concat(pieces.map(({ content }) => content)).toString("base64");
}

/** The blobs that lie, in part or whole, where `isHurt` says of the bytes from `start` to `end` of a pack. */
export function blobsWithin(truth: Truth, pack: string, isHurt: (start: number, end: number) => boolean): LostBlobs {
  const lost = new Set<string>();
  for (const { id, type, location } of truth.index.blobs()) {
    if (location.pack !== pack || !isHurt(location.offset, location.offset + location.lengthBytes)) continue;
    lost.add(`${type} ${id.toString("hex")}`);
  }
  return lost;
}

/** The blobs of the truth that can be read now. */
export async function readableBlobs(storage: Storage, truth: Truth): Promise<Set<string>> {
  await using repository = await openRepository(storage);
  const readable = new Set<string>();
  for (const { id, type } of truth.index.blobs()) {
    try {
      await repository.loadBlob(type, id.toString("hex"));
      readable.add(`${type} ${id.toString("hex")}`);
    } catch (error) {
      if (!hasCode(error, "damaged")) throw error;
    }
  }
  return readable;
}
