// What the tests of prune share: snapshots stored without threads, and whether a repository still holds them.
import assert from "node:assert/strict";
import { hash, randomBytes } from "node:crypto";
import { sealPack } from "../../format/pack.ts";
import { encodeIndex } from "../../format/index-file.ts";
import { BlobIndex } from "../../index/blob-index.ts";
import type { Storage } from "../../storage/storage.ts";
import type { Repository } from "../../store/repository.ts";
import { MemoryStorage } from "../../testing/memory-storage.ts";
import { contentOf, nodesOf, openRepository } from "../../writer/backup-fixture.ts";
import { BlobSaver } from "../../writer/blob-saver.ts";
import { PackStore } from "../../writer/pack-store.ts";
import { check } from "../check/check.ts";
import type { CheckReport } from "../check/check-report.ts";
import { copyFiles, empty } from "../copy/copy-fixture.ts";
import type { PruneOptions, PrunePlan } from "./plan-prune.ts";
import { planPrune } from "./plan-prune.ts";
import type { PruneReport } from "./prune.ts";
import { applyPrune } from "./prune.ts";

/** Content by name; names are those of files in the root of a snapshot. */
export type Files = Readonly<Record<string, Buffer>>;

const storeOptions = { dryRun: false, readBack: false, mayWrite: Promise.resolve() };
const time = "2020-01-01T00:00:00Z";

/**
 * Stores a snapshot as a backup does; its id. The files named in `packs` share a pack each list, the others have one
 * together. With `isBlind` everything is stored again, as by somebody who does not see the index.
 */
export async function storeSnapshot(
  repository: Repository,
  files: Files,
  options: { packs?: readonly (readonly string[])[]; isBlind?: boolean } = {},
): Promise<string> {
  const { packs = [], isBlind = false } = options;
  repository.forgetIndex();
  const index = isBlind ? BlobIndex.create(0) : await repository.loadIndex();
  const store = new PackStore(repository, index, storeOptions);
  const data = new BlobSaver(repository, index, store, "data");
  const trees = new BlobSaver(repository, index, store, "tree");
  const ids = new Map<string, string>();
  const rest = Object.keys(files).filter((name) => !packs.flat().includes(name));
  for (const names of [...packs, rest]) {
    for (const name of names) ids.set(name, await data.save(files[name]!));
    await data.flush();
  }
  const tree = await trees.save(treeOf(files, ids));
  await trees.flush();
  await store.finish();
  repository.forgetIndex();
  return storeSnapshotOf(repository, tree);
}

function treeOf(files: Files, ids: ReadonlyMap<string, string>): Buffer {
  const metadata = { type: "file", mode: 0o644, mtime: time, atime: time, ctime: time, uid: 0, gid: 0 };
  const nodes = Object.keys(files)
    .toSorted()
    .map((name) => ({ name, ...metadata, size: files[name]!.length, content: [ids.get(name)] }));
  return Buffer.from(`${JSON.stringify({ nodes })}\n`);
}

let snapshotsStored = 0;

function storeSnapshotOf(repository: Repository, tree: string): Promise<string> {
  const when = new Date(1.6e12 + 1000 * snapshotsStored++).toISOString();
  const snapshot = { time: when, tree, paths: ["/data"], hostname: "host", username: "user" };
  return repository.saveUnpacked("snapshot", Buffer.from(JSON.stringify(snapshot)));
}

/** Data and trees in one pack, as restic wrote them long ago. */
export async function storeMixedSnapshot(repository: Repository, files: Files): Promise<string> {
  const blobs = Object.values(files).map((plain) => ({ plain, id: hash("sha256", plain), type: "data" as const }));
  const ids = new Map(Object.entries(files).map(([name, plain]) => [name, hash("sha256", plain)]));
  const tree = treeOf(files, ids);
  const all = [...blobs, { plain: tree, id: hash("sha256", tree), type: "tree" as const }];
  let offset = 0;
  const sealed = all.map(({ plain, id, type }) => {
    const bytes = repository.sealer.seal(plain);
    const blob = { id, type, offset, lengthBytes: bytes.length, plainLength: 0, bytes };
    offset += bytes.length;
    return blob;
  });
  const header = sealPack(
    sealed.map(({ id, ...entry }) => ({ ...entry, id: Buffer.from(id, "hex") })),
    repository.sealer,
  );
  const pack = Buffer.concat([...sealed.map(({ bytes }) => bytes), header]);
  const name = hash("sha256", pack);
  await repository.storage.put("pack", name, [pack]);
  await repository.saveUnpacked("index", encodeIndex([{ id: name, blobs: sealed }]));
  return storeSnapshotOf(repository, all.at(-1)!.id);
}

/** What the command line does, between opening and closing. */
export async function prune(
  repository: Repository,
  options: PruneOptions = {},
): Promise<{ plan: PrunePlan; report: PruneReport }> {
  const plan = await planPrune(repository, { workers: 1, ...options }, () => undefined);
  return { plan, report: await applyPrune(repository, plan, () => undefined) };
}

export async function names(storage: Storage, type: "index" | "pack" | "snapshot"): Promise<string[]> {
  return (await Array.fromAsync(storage.list(type))).map(({ name }) => name).toSorted();
}

export async function copyOf(storage: Storage): Promise<MemoryStorage> {
  const copied = new MemoryStorage();
  await copyFiles(storage, copied);
  return copied;
}

export const random = (sizeBytes = 3000): Buffer => randomBytes(sizeBytes);

export interface Scene {
  readonly storage: MemoryStorage;
  readonly kept: Map<string, Files>;
  readonly forgotten: Files;
}

/** Two snapshots in packs that they share; the older one is forgotten. */
export async function partlyUsed(version: 1 | 2 = 2): Promise<Scene> {
  const storage = await empty(version);
  await using repository = await openRepository(storage);
  const shared = { a: random(), b: random(), c: random() };
  const text = Buffer.alloc(20_000, "text ");
  const forgotten = { ...shared, d: random(), e: random(), f: text };
  const first = await storeSnapshot(repository, forgotten, { packs: [["a", "d"], ["b", "e"], ["f"]] });
  const second = { ...shared, g: random() };
  const kept = new Map<string, Files>([[await storeSnapshot(repository, second), second]]);
  await storage.remove("snapshot", first);
  return { storage, kept, forgotten };
}

/** A blob that is needed lies in two packs, in each with one that is not. */
export async function twoCopies(): Promise<Omit<Scene, "forgotten">> {
  const storage = await empty();
  const [x, y, z] = [random(), random(), random()];
  const kept = new Map<string, Files>();
  await opened(storage, async (repository) => {
    const first = await storeSnapshot(repository, { x, y });
    const second = await storeSnapshot(repository, { x, z }, { isBlind: true });
    kept.set(await storeSnapshot(repository, { x }), { x });
    for (const id of [first, second]) await storage.remove("snapshot", id);
  });
  return { storage, kept };
}

export async function opened<T>(storage: Storage, work: (repository: Repository) => Promise<T>): Promise<T> {
  await using repository = await openRepository(storage);
  return await work(repository);
}

export async function stateOf(storage: Storage): Promise<string[]> {
  return [...(await names(storage, "snapshot")), ...(await names(storage, "index")), ...(await names(storage, "pack"))];
}

/** Every snapshot that is expected is there, each file of it with the very bytes. */
export async function assertHolds(storage: Storage, snapshots: ReadonlyMap<string, Files>): Promise<void> {
  await using repository = await openRepository(storage);
  const stored = await repository.loadSnapshots();
  assert.deepEqual(stored.damaged, []);
  for (const [id, files] of snapshots) {
    const snapshot = stored.snapshots.find((each) => each.id === id);
    assert.ok(snapshot, `the snapshot ${id} is gone`);
    const nodes = await nodesOf(repository, snapshot.tree);
    assert.deepEqual(
      [...nodes.keys()].toSorted(),
      Object.keys(files)
        .map((name) => `/${name}`)
        .toSorted(),
    );
    for (const [name, content] of Object.entries(files))
      assert.ok((await contentOf(repository, nodes.get(`/${name}`))).equals(content), `${name} of ${id} differs`);
  }
}

/** Fails unless every byte is sound; of leftovers only kinds that are named may be there. */
export async function assertSound(storage: Storage, leftovers: readonly string[] = []): Promise<CheckReport> {
  await using repository = await openRepository(storage);
  const report = await check(repository, { readData: true, workers: 1 }, () => undefined);
  assert.deepEqual(
    report.findings.filter(({ kind }) => !leftovers.includes(kind)),
    [],
  );
  return report;
}
