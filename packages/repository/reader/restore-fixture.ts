// For the tests of the reader: a tree of everything that is hard to restore, repositories of it, and a full comparison.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openLibc } from "../filesystem/libc.ts";
import type { FileStatus } from "../filesystem/status-area.ts";
import { MetadataReader } from "../filesystem/metadata.ts";
import { DirectoryHandle } from "../filesystem/create.ts";
import { idOf } from "../format/id.ts";
import { sealPack } from "../format/pack.ts";
import { addNewerRarities, makeSource } from "../format/golden-source.ts";
import { everyPath } from "../selection/path-rules.ts";
import { selectEverything } from "../selection/selection-rules.ts";
import { LocalStorage } from "../storage/local.ts";
import type { StoredSnapshot } from "../store/repository.ts";
import { Repository } from "../store/repository.ts";
import { backup } from "../writer/backup.ts";
import { restore } from "./restore.ts";
import type { RestoreEvent, RestoreRequest, RestoreSummary } from "./restore-request.ts";

export const password = "x";
const identity = { hostname: "test", username: "root", uid: 0, gid: 0, pid: process.pid };
const calls = openLibc();
const metadata = new MetadataReader(calls);

/** The restic that judges and that writes: 0.19. */
export function restic(directory: string, ...words: string[]): Buffer {
  const binary = process.env["HOLDFAST_RESTIC"];
  assert.ok(binary, "set HOLDFAST_RESTIC to the path of a restic binary");
  const env = { ...process.env, RESTIC_PASSWORD: password };
  return execFileSync(binary, ["-r", directory, "--no-cache", ...words], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
    maxBuffer: 1 << 30,
  });
}

/** A folder of its own that is removed in the end. */
export class Workplace implements Disposable {
  readonly directory = fs.mkdtempSync(join(tmpdir(), "holdfast-restore-"));

  at(...names: string[]): string {
    return join(this.directory, ...names);
  }

  [Symbol.dispose](): void {
    fs.rmSync(this.directory, { recursive: true, force: true });
  }
}

export function openRepository(directory: string): Promise<Repository> {
  return Repository.open({ storage: new LocalStorage(directory), password, now: () => new Date(), identity });
}

export function createRepository(directory: string): Promise<Repository> {
  return Repository.create({ storage: new LocalStorage(directory), password, now: () => new Date(), identity });
}

/** A snapshot of `source`, which stands at "/source" in it. */
export async function capture(repository: Repository, source: string): Promise<StoredSnapshot> {
  const summary = await backup(
    repository,
    {
      entries: [{ kind: "files", from: Buffer.from(source), at: Buffer.from("/source"), selection: selectEverything }],
      paths: [source],
      hostname: "test",
      username: "root",
      uid: 0,
      gid: 0,
      tags: [],
      excludes: [],
      timeNs: BigInt(Date.now()) * 1_000_000n,
      programVersion: "test",
      parent: null,
      oneFileSystem: false,
      withAtime: true,
      dryRun: false,
      skipIfUnchanged: false,
      readBack: false,
      mayWrite: Promise.resolve(),
    },
    (event) => assert.notEqual(event.kind, "error", JSON.stringify(event)),
  );
  return snapshotOf(repository, summary.snapshotId!);
}

export async function snapshotOf(repository: Repository, id: string): Promise<StoredSnapshot> {
  const { snapshots } = await repository.loadSnapshots();
  const found = snapshots.find((snapshot) => snapshot.id === id);
  assert.ok(found);
  return found;
}

export interface Restored {
  readonly summary: RestoreSummary;
  readonly events: RestoreEvent[];
  /** "during path: message" of all errors. */
  readonly errors: string[];
}

export async function restoreTo(
  repository: Repository,
  snapshot: StoredSnapshot,
  target: string,
  options: Partial<RestoreRequest> = {},
): Promise<Restored> {
  const events: RestoreEvent[] = [];
  const request: RestoreRequest = {
    snapshot,
    subfolder: "/source",
    target,
    rules: everyPath,
    overwrite: "always",
    delete: false,
    sparse: false,
    verify: false,
    dryRun: false,
    ...options,
  };
  const summary = await restore(repository, request, (event) => events.push(event));
  const errors = events.flatMap((event) =>
    event.kind === "error" ? [`${event.during} ${event.path.toString()}: ${event.error.message}`] : [],
  );
  assert.equal(summary.errors, errors.length);
  return { summary, events, errors };
}

export function setXattr(path: string, name: string, value: Buffer): void {
  using parent = DirectoryHandle.open(calls, Buffer.from(join(path, "..")));
  const base = Buffer.from(path.slice(path.lastIndexOf("/") + 1));
  const others = metadata.readXattrs(Buffer.from(path)).filter((each) => each.name !== name);
  parent.setXattrsOf(base, [...others, { name, value }]);
}

/** An ACL as Linux stores it: version 2, then tag, permissions and id of each entry. */
export function acl(entries: readonly (readonly [tag: number, permissions: number, id: number])[]): Buffer {
  const bytes = Buffer.alloc(4 + entries.length * 8);
  bytes.writeUInt32LE(2, 0);
  for (const [i, [tag, permissions, id]] of entries.entries()) {
    bytes.writeUInt16LE(tag, 4 + i * 8);
    bytes.writeUInt16LE(permissions, 6 + i * 8);
    bytes.writeUInt32LE(id, 8 + i * 8);
  }
  return bytes;
}
const someAcl = acl([
  [1, 7, 0xffffffff],
  [2, 5, 1234],
  [4, 5, 0xffffffff],
  [16, 7, 0xffffffff],
  [32, 0, 0xffffffff],
]);

/** Everything that is hard to restore. */
export function makeNastyTree(directory: string, sparseBytes: number): void {
  makeSource(directory);
  addNewerRarities(directory);
  const at = (...names: string[]): string => join(directory, ...names);
  fs.symlinkSync("/nowhere/at/all", at("dangling"));
  for (const [name, type, major, minor] of [
    ["block", "b", 7, 200],
    ["char", "c", 1, 3],
    ["large numbers", "c", 300, 70_000],
  ] as const) {
    execFileSync("mknod", [at(name), type, String(major), String(minor)]);
  }
  fs.mkdirSync(at("deep", "er"), { recursive: true });
  for (const [name, size] of [
    ["one blob", 5000],
    ["many blobs", 9_000_000],
    ["none", 0],
  ] as const) {
    fs.writeFileSync(at(name), randomBytes(size));
    fs.linkSync(at(name), at("deep", `link to ${name}`));
    fs.linkSync(at(name), at("deep", "er", `link to ${name}`));
  }
  fs.writeFileSync(at("twice the same"), Buffer.alloc(3_000_000, "the same again and again"));
  fs.copyFileSync(at("twice the same"), at("deep", "twice the same"));
  const sparse = fs.openSync(at("sparse"), "w");
  fs.writeSync(sparse, "begin", 0);
  fs.writeSync(sparse, "middle", Math.floor(sparseBytes / 2) + 77);
  fs.ftruncateSync(sparse, sparseBytes);
  fs.closeSync(sparse);
  fs.writeFileSync(
    at("zeros inside"),
    Buffer.concat([randomBytes(10_000), Buffer.alloc(100_000), randomBytes(10_000)]),
  );
  fs.mkdirSync(at("directory with acl"));
  setXattr(at("directory with acl"), "system.posix_acl_access", someAcl);
  setXattr(at("directory with acl"), "system.posix_acl_default", someAcl);
  fs.writeFileSync(at("directory with acl", "inherits"), "a");
  fs.writeFileSync(at("directory with acl", "does not"), "b");
  setXattr(at("directory with acl", "does not"), "user.only", Buffer.from("this"));
  fs.writeFileSync(at("given away"), "c");
  fs.chownSync(at("given away"), 1234, 4321);
  fs.chmodSync(at("given away"), 0o6711);
  fs.lchownSync(at("dangling"), 77, 78);
  fs.mkdirSync(at("no entry"));
  fs.writeFileSync(at("no entry", "file"), "d");
  fs.chmodSync(at("no entry"), 0o500);
  for (const name of ["deep/er", "deep", "sticky", "no entry", "directory with acl", "dangling", ""]) {
    execFileSync("touch", ["-h", "-d", "1968-05-06 07:08:09.123456789", at(name)]);
  }
  // Times of access in the future are not changed by reading (relatime), so that they can be compared.
  execFileSync("find", [
    directory,
    "-type",
    "f",
    "-exec",
    "touch",
    "-a",
    "-d",
    "2037-05-06 07:08:09.123456789",
    "{}",
    "+",
  ]);
}

/** All that a restore has to bring back, by path (byte strings). Blocks are those on the disk. */
export function describeTree(directory: string): { facts: Map<string, string>; blocks: Map<string, number> } {
  const found: { path: Buffer; shown: string; status: FileStatus }[] = [];
  const visit = (path: Buffer, shown: string): void => {
    const status = metadata.lstat(path);
    found.push({ path, shown, status });
    if (!isOf(status, fs.constants.S_IFDIR)) return;
    for (const name of metadata.readdir(path).sort((one, other) => one.compare(other))) {
      visit(Buffer.concat([path, Buffer.from("/"), name]), `${shown}/${name.latin1Slice()}`);
    }
  };
  visit(Buffer.from(directory), "");
  // Only now files are read, which changes the time of access, for all names of a file.
  const facts = new Map<string, string>();
  const blocks = new Map<string, number>();
  const firstNames = new Map<bigint, string>();
  for (const { path, shown, status } of found) {
    if (!firstNames.has(status.inode)) firstNames.set(status.inode, shown);
    facts.set(shown, factsOf(path, status, firstNames.get(status.inode)!));
    const stats = fs.lstatSync(path);
    // What a directory takes depends on the order in which its names came.
    if (stats.isFile()) blocks.set(shown, stats.blocks);
  }
  return { facts, blocks };
}

function isOf(status: FileStatus, type: number): boolean {
  return (status.mode & fs.constants.S_IFMT) === type;
}

function factsOf(path: Buffer, status: FileStatus, firstName: string): string {
  const isFile = isOf(status, fs.constants.S_IFREG);
  const isDirectory = isOf(status, fs.constants.S_IFDIR);
  const isLink = isOf(status, fs.constants.S_IFLNK);
  return JSON.stringify({
    mode: status.mode.toString(8),
    uid: status.uid,
    gid: status.gid,
    rdev: String(status.rdev),
    mtime: String(status.mtimeNs),
    xattrs: metadata
      .readXattrs(path)
      .map(({ name, value }) => `${name}=${value.toString("hex")}`)
      .sort(),
    // Looking at a directory or a link sets theirs.
    atime: isFile ? String(status.atimeNs) : "",
    size: isDirectory ? "" : String(status.size),
    links: isDirectory ? "" : `${status.links} ${firstName}`,
    target: isLink ? metadata.readlink(path).toString("hex") : "",
    content: isFile ? createHash("sha256").update(fs.readFileSync(path)).digest("hex") : "",
  });
}

/** Asserts that two trees hold the same; the metadata of their roots may differ. */
export function assertSameTree(actual: string, expected: string): void {
  assertSameFacts(describeTree(actual).facts, describeTree(expected).facts);
}

export function assertSameFacts(one: ReadonlyMap<string, string>, other: ReadonlyMap<string, string>): void {
  const differences: string[] = [];
  for (const path of new Set([...one.keys(), ...other.keys()])) {
    if (path !== "" && one.get(path) !== other.get(path))
      differences.push(`${path}: ${one.get(path)} instead of ${other.get(path)}`);
  }
  assert.deepEqual(differences.slice(0, 10), []);
  assert.ok(one.size > 1);
}

/** Stores trees, however strange, in a pack of their own; returns their ids. */
export function storeTrees(repository: Repository, trees: readonly Buffer[]): Promise<string[]> {
  return storeBlobs(
    repository,
    "tree",
    trees.map((content) => ({ content, id: idOf(content) })),
  );
}

/** Stores well sealed blobs under the ids given, right or wrong. */
export async function storeBlobs(
  repository: Repository,
  type: "data" | "tree",
  wanted: readonly { content: Buffer; id: string }[],
): Promise<string[]> {
  const sealed = wanted.map(({ content }) => repository.sealer.seal(content));
  let offset = 0;
  const blobs = wanted.map(({ id }, i) => {
    const blob = { id: Buffer.from(id, "hex"), type, offset, lengthBytes: sealed[i]!.length, plainLength: 0 };
    offset += blob.lengthBytes;
    return blob;
  });
  const pack = Buffer.concat([...sealed, sealPack(blobs, repository.sealer)]);
  await repository.storage.put("pack", idOf(pack), [pack]);
  const listed = blobs.map((blob) => ({
    id: blob.id.toString("hex"),
    type,
    offset: blob.offset,
    length: blob.lengthBytes,
  }));
  await repository.saveUnpacked("index", Buffer.from(JSON.stringify({ packs: [{ id: idOf(pack), blobs: listed }] })));
  return wanted.map(({ id }) => id);
}
