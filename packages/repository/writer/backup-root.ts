// The upper part of a snapshot's tree: the directories that lead to the entries of a backup.
import { HoldfastError } from "../errors.ts";
import { openLibc } from "../filesystem/libc.ts";
import { MetadataReader } from "../filesystem/metadata.ts";
import { bytesOf, byteString } from "../filesystem/path.ts";
import { UserNames } from "../filesystem/users.ts";
import { goModeOfUnixMode, nodeTypeOfUnixMode } from "../format/file-mode.ts";
import type { TimeFormatter } from "../format/go-time.ts";
import type { TreeNode } from "../format/node.ts";
import type { Repository } from "../store/repository.ts";
import type { BackupEntry, BackupRequest } from "./backup-request.ts";
import type { FoundDirectory } from "./messages.ts";
import { NodeMaker } from "./node-maker.ts";
import { OpenDirectory } from "./open-directory.ts";
import { saveStream } from "./stream-saver.ts";
import type { TreeArchiver } from "./tree-archiver.ts";
import { TreeFragment } from "./tree-fragment.ts";
import type { WorkerPool } from "./worker-pool.ts";

/** A directory of the snapshot that is there only to lead to entries. */
interface Branch {
  /** The directory on disk that it stands for, where paths in the snapshot are those on disk. */
  source: Buffer | null;
  readonly children: Map<string, Branch | BackupEntry>;
}

const directoryMode = 0o040755;
const fileType = 0o100000;

/** Puts entries into the tree of a snapshot: streams first, in their order, then everything of the disk. */
export class BackupRoot {
  readonly #request: BackupRequest;
  readonly #archiver: TreeArchiver;
  readonly #pool: WorkerPool;
  readonly #formatTime: TimeFormatter;
  readonly #metadata = new MetadataReader(openLibc());
  readonly #nodes: NodeMaker;
  readonly #streams = new Map<BackupEntry, TreeNode>();
  /** The deepest first. */
  readonly #branches: OpenDirectory[] = [];

  constructor(request: BackupRequest, archiver: TreeArchiver, pool: WorkerPool, formatTime: TimeFormatter) {
    this.#request = request;
    this.#archiver = archiver;
    this.#pool = pool;
    this.#formatTime = formatTime;
    this.#nodes = new NodeMaker(this.#metadata, new UserNames(), request.withAtime);
  }

  /** Stores all entries; the id of the root tree. */
  async save(repository: Repository): Promise<string> {
    const { entries, parent } = this.#request;
    const root: Branch = { source: Buffer.from("/"), children: new Map() };
    for (const entry of entries) if (byteString(entry.at) !== "/") addEntry(root, entry);
    for (const entry of entries) if (entry.kind === "stream") this.#streams.set(entry, await this.#saveStream(entry));
    const whole = entries.find((entry) => entry.kind === "files" && byteString(entry.at) === "/");
    const directory = new OpenDirectory(
      whole?.kind === "files" ? whole.from : Buffer.from("/"),
      parent?.tree ?? null,
      null,
    );
    if (whole) this.#archiver.addDirectory(directory, null);
    else await this.#addBranch(repository, root, directory);
    return this.#archiver.run(this.#branches);
  }

  async #addBranch(repository: Repository, branch: Branch, directory: OpenDirectory): Promise<void> {
    const before = await subtrees(repository, directory.parentTree);
    const inOrder = [...branch.children].sort(([a], [b]) => (a < b ? -1 : 1));
    for (const [name, child] of inOrder) {
      if ("children" in child) await this.#addChildBranch(repository, name, child, directory, before);
      else if (child.kind === "stream") this.#archiver.addNode(directory, this.#encode(this.#streams.get(child)!));
      else this.#addFiles(name, child.from, directory, before);
    }
    this.#branches.push(directory);
  }

  async #addChildBranch(
    repository: Repository,
    name: string,
    child: Branch,
    directory: OpenDirectory,
    before: ReadonlyMap<string, string>,
  ): Promise<void> {
    const { json, found } = this.#directoryNode(name, this.#branchNode(name, child.source), before);
    const [place] = this.#archiver.addNode(directory, { json, directories: [found] });
    const open = new OpenDirectory(child.source ?? Buffer.from("/"), found.parentTree, place!);
    await this.#addBranch(repository, child, open);
  }

  #addFiles(name: string, from: Buffer, directory: OpenDirectory, before: ReadonlyMap<string, string>): void {
    try {
      const status = this.#metadata.lstat(from);
      if (nodeTypeOfUnixMode(status.mode) !== "dir") {
        const above = from.subarray(0, Math.max(1, from.lastIndexOf(0x2f)));
        this.#archiver.addNames(directory, above, [name]);
        return;
      }
      const { json, found } = this.#directoryNode(name, this.#nodes.read(bytesOf(name), from), before);
      const [place] = this.#archiver.addNode(directory, { json, directories: [found] });
      this.#archiver.addDirectory(new OpenDirectory(from, found.parentTree, place!), status.deviceId);
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      this.#archiver.report({ path: byteString(from), during: "scan", code: error.code, message: error.message });
    }
  }

  #directoryNode(
    name: string,
    node: TreeNode,
    before: ReadonlyMap<string, string>,
  ): { json: Buffer; found: FoundDirectory } {
    const fragment = new TreeFragment(this.#formatTime);
    const idAt = fragment.add(node);
    const found = { name, idAt, parentTree: before.get(name) ?? null, deviceId: node.deviceId, closed: false };
    return { json: fragment.copyTree(), found };
  }

  #encode(node: TreeNode): { json: Buffer; directories: readonly FoundDirectory[] } {
    const fragment = new TreeFragment(this.#formatTime);
    fragment.add(node);
    return { json: fragment.copyTree(), directories: [] };
  }

  #branchNode(name: string, source: Buffer | null): TreeNode {
    return source ? this.#nodes.read(bytesOf(name), source) : this.#madeNode(name, directoryMode, this.#request.timeNs);
  }

  /** A node for what is not on disk: it belongs to who makes the backup. */
  #madeNode(name: string, unixMode: number, timeNs: bigint): TreeNode {
    const { uid, gid } = this.#request;
    const times = { mtimeNs: timeNs, ctimeNs: timeNs, atimeNs: timeNs };
    const status = { mode: unixMode, uid, gid, links: 1, inode: 0n, deviceId: 0n, rdev: 0n, size: 0n, ...times };
    const type = nodeTypeOfUnixMode(unixMode);
    return { ...this.#nodes.basic(bytesOf(name), type, status), mode: goModeOfUnixMode(unixMode) };
  }

  async #saveStream(entry: Extract<BackupEntry, { kind: "stream" }>): Promise<TreeNode> {
    this.#archiver.entering(byteString(entry.at));
    const { ids, sizeBytes } = await saveStream(this.#pool, entry.read, entry.hint);
    await entry.finish?.();
    this.#archiver.counts.filesNew++;
    this.#archiver.counts.bytes += sizeBytes;
    this.#pool.progress.add("files", 1);
    const name = byteString(entry.at.subarray(entry.at.lastIndexOf(0x2f) + 1));
    return { ...this.#madeNode(name, fileType | entry.mode, entry.mtimeNs), size: BigInt(sizeBytes), content: ids };
  }
}

/** Hangs an entry into the tree of branches. An entry below another one is part of it already. */
function addEntry(root: Branch, entry: BackupEntry): void {
  const names = byteString(entry.at)
    .split("/")
    .filter((name) => name !== "");
  let branch = root;
  for (const [depth, name] of names.entries()) {
    const there = branch.children.get(name);
    if (there && !("children" in there)) return;
    if (depth === names.length - 1) {
      branch.children.set(name, entry);
      return;
    }
    const next = there ?? { source: sourceOf(entry, names, depth), children: new Map() };
    branch.children.set(name, next);
    branch = next;
    branch.source ??= sourceOf(entry, names, depth);
  }
}

/** The directory on disk that the first `depth + 1` names stand for, if the names from there on are those on disk. */
function sourceOf(entry: BackupEntry, names: readonly string[], depth: number): Buffer | null {
  if (entry.kind !== "files") return null;
  const onDisk = byteString(entry.from)
    .split("/")
    .filter((name) => name !== "");
  const below = names.slice(depth);
  const same = onDisk.slice(-below.length);
  if (same.length < below.length || same.some((name, i) => name !== below[i])) return null;
  return bytesOf(`/${onDisk.slice(0, onDisk.length - below.length + 1).join("/")}`);
}

/** Names and trees of the directories in a tree; none when it cannot be read: then everything below counts as new. */
async function subtrees(repository: Repository, treeId: string | null): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  if (treeId === null) return found;
  try {
    for (const node of await repository.loadTree(treeId))
      if (node.subtree) found.set(byteString(node.name), node.subtree);
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code !== "damaged") throw error;
  }
  return found;
}
