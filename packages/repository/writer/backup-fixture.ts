// What the writer's tests share: a repository in memory, a backup of a directory, and the files of a snapshot.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HoldfastError } from "../errors.ts";
import type { TreeNode } from "../format/node.ts";
import { selectEverything } from "../selection/selection-rules.ts";
import type { Storage } from "../storage/storage.ts";
import type { StoredSnapshot } from "../store/repository.ts";
import { Repository } from "../store/repository.ts";
import { MemoryStorage } from "../testing/memory-storage.ts";
import type { BackupEntry, BackupEvent, BackupRequest, BackupSummary } from "./backup-request.ts";
import { backup } from "./backup.ts";

const identity = { hostname: "host", username: "user", uid: 0, gid: 0, pid: process.pid };

/** A directory named `data` that is removed at the end of its scope. */
export class Scratch implements Disposable {
  readonly #above = mkdtempSync(join(tmpdir(), "holdfast-writer-"));
  readonly path = join(this.#above, "data");

  constructor() {
    mkdirSync(this.path);
  }

  [Symbol.dispose](): void {
    rmSync(this.#above, { recursive: true, force: true });
  }
}

export async function makeRepository(storage: Storage = new MemoryStorage(), version: 1 | 2 = 2): Promise<Repository> {
  return Repository.create({ storage, password: "secret", now: () => new Date(), identity, version });
}

export async function openRepository(storage: Storage): Promise<Repository> {
  return Repository.open({ storage, password: "secret", now: () => new Date(), identity });
}

export type Events = BackupEvent[];

/** Backs up `path` as `/data` (or `change.entries`) with the latest snapshot as the parent, as a user's second backup does. */
export async function backUp(
  repository: Repository,
  path: string,
  change: Partial<BackupRequest> = {},
  events: Events = [],
): Promise<BackupSummary> {
  const { snapshots } = await repository.loadSnapshots();
  const entry: BackupEntry = {
    kind: "files",
    from: Buffer.from(path),
    at: Buffer.from("/data"),
    selection: selectEverything,
  };
  const request: BackupRequest = {
    entries: [entry],
    paths: [path],
    hostname: "host",
    username: "user",
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
    mayWrite: Promise.resolve(),
    workers: 2,
    ...change,
  };
  return backup(repository, request, (event) => events.push(event));
}

/** The snapshot that a backup made. */
export async function snapshotOf(repository: Repository, summary: BackupSummary): Promise<StoredSnapshot> {
  const found = (await repository.loadSnapshots()).snapshots.find(({ id }) => id === summary.snapshotId);
  if (!found) throw new HoldfastError("not-found", "the backup made no snapshot");
  return found;
}

/** All nodes below a tree by their path as byte strings, read by parsing every tree. */
export async function nodesOf(repository: Repository, treeId: string, above = ""): Promise<Map<string, TreeNode>> {
  const found = new Map<string, TreeNode>();
  for (const node of await repository.loadTree(treeId)) {
    const path = `${above}/${node.name.toString("latin1")}`;
    found.set(path, node);
    if (node.subtree) for (const [below, each] of await nodesOf(repository, node.subtree, path)) found.set(below, each);
  }
  return found;
}

/** The content of a file in a snapshot, from its blobs. */
export async function contentOf(repository: Repository, node: TreeNode | undefined): Promise<Buffer> {
  if (!node?.content) throw new HoldfastError("not-found", "there is no such file in the snapshot");
  const pieces: Buffer[] = [];
  for (const id of node.content) pieces.push(await repository.loadBlob("data", id));
  return Buffer.concat(pieces);
}
