// The upper part of a snapshot's tree: the directories that lead to the entries of a backup.
import { hasCode, HoldfastError } from "../errors.ts";
import { openLibc } from "../filesystem/libc.ts";
import { MetadataReader } from "../filesystem/metadata.ts";
import { bytesOf, byteString } from "../filesystem/path.ts";
import { UserNames } from "../filesystem/users.ts";
import { goModeOfUnixMode, nodeTypeOfUnixMode } from "../format/file-mode.ts";
import type { TimeFormatter } from "../format/go-time.ts";
import { encodeFileNode, type TreeNode } from "../format/node.ts";
import type { Repository } from "../store/repository.ts";
import type { SelectionRules } from "../selection/selection-rules.ts";
import type { BackupEntry, BackupRequest, ClosingFile } from "./backup-request.ts";
import type { FoundDirectory } from "./messages.ts";
import { NodeMaker } from "./node-maker.ts";
import { OpenDirectory } from "./open-directory.ts";
import { saveStream } from "./stream-saver.ts";
import type { TreeArchiver } from "./tree-archiver.ts";
import { TreeFragment, treeOf } from "./tree-fragment.ts";
import type { WorkerPool } from "./worker-pool.ts";

/** A directory of the snapshot that is there only to lead to entries. */
interface Branch {
  /** The directory on disk that it stands for, where paths in the snapshot are those on disk. */
  source: Buffer | null;
  readonly children: Map<string, Branch | BackupEntry | ClosingFile>;
}

type FilesEntry = Extract<BackupEntry, { kind: "files" }>;
type StreamEntry = Extract<BackupEntry, { kind: "stream" }>;

interface StreamContent {
  /** 32 bytes each. */
  readonly ids: Buffer;
  readonly sizeBytes: number;
}

/** All rules of the entries, each once: entries name theirs by its place in this list. */
export function selectionsOf(entries: readonly BackupEntry[]): readonly SelectionRules[] {
  return [...new Set(entries.flatMap((entry) => (entry.kind === "files" ? [entry.selection] : [])))];
}

const directoryMode = 0o040755;
const fileType = 0o100000;

/** Puts entries into the tree of a snapshot: streams first, in their order, then everything of the disk, then the closing file. */
export class BackupRoot {
  readonly #request: BackupRequest;
  readonly #archiver: TreeArchiver;
  readonly #pool: WorkerPool;
  readonly #formatTime: TimeFormatter;
  readonly #metadata = new MetadataReader(openLibc());
  readonly #nodes: NodeMaker;
  /** Trees of one node; null for a stream that is left out. */
  readonly #streams = new Map<BackupEntry, Buffer | null>();
  readonly #selections: readonly SelectionRules[];
  /** Where the closing file belongs. */
  #closing: { readonly directory: OpenDirectory; readonly slot: number } | null = null;
  /** The deepest first. */
  readonly #branches: OpenDirectory[] = [];

  constructor(request: BackupRequest, archiver: TreeArchiver, pool: WorkerPool, formatTime: TimeFormatter) {
    this.#request = request;
    this.#archiver = archiver;
    this.#pool = pool;
    this.#formatTime = formatTime;
    this.#selections = selectionsOf(request.entries);
    this.#nodes = new NodeMaker(this.#metadata, new UserNames(), request.withAtime);
  }

  /** Stores all entries; the id of the root tree. */
  async save(repository: Repository): Promise<string> {
    const { entries, parent, closingFile } = this.#request;
    const root: Branch = { source: Buffer.from("/"), children: new Map() };
    for (const entry of entries) if (byteString(entry.at) !== "/") addEntry(root, entry);
    if (closingFile && root.children.has(byteString(closingFile.name)))
      throw new HoldfastError("internal", "an entry has the name of the closing file");
    if (closingFile) root.children.set(byteString(closingFile.name), closingFile);
    for (const entry of entries) if (entry.kind === "stream") this.#streams.set(entry, await this.#saveStream(entry));
    const whole = closingFile
      ? undefined
      : entries.find((entry): entry is FilesEntry => entry.kind === "files" && byteString(entry.at) === "/");
    const directory = new OpenDirectory(whole?.from ?? Buffer.from("/"), parent?.tree ?? null, null);
    if (whole) this.#archiver.addDirectory(directory, null, this.#selections.indexOf(whole.selection));
    else await this.#addBranch(repository, root, directory);
    return this.#archiver.run(this.#branches, () => this.#close());
  }

  async #addBranch(repository: Repository, branch: Branch, directory: OpenDirectory): Promise<void> {
    // Of streams nothing is taken over, and the list of a database is long.
    const mayBeKept = [...branch.children.values()].some((child) => "children" in child || "from" in child);
    const before = await subtrees(repository, mayBeKept ? directory.parentTree : null);
    const inOrder = [...branch.children].sort(([a], [b]) => (a < b ? -1 : 1));
    for (const [name, child] of inOrder) {
      if ("make" in child) this.#closing = { directory, slot: this.#archiver.reserve(directory) };
      else if ("children" in child) await this.#addChildBranch(repository, name, child, directory, before);
      else if (child.kind === "files") this.#addFiles(name, child, directory, before);
      else this.#addStream(child, directory);
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

  #addStream(entry: StreamEntry, directory: OpenDirectory): void {
    const json = this.#streams.get(entry);
    if (json) this.#archiver.addNode(directory, { json, directories: [] });
  }

  #addFiles(name: string, entry: FilesEntry, directory: OpenDirectory, before: ReadonlyMap<string, string>): void {
    const { from } = entry;
    const selection = this.#selections.indexOf(entry.selection);
    try {
      const status = this.#metadata.lstat(from);
      if (nodeTypeOfUnixMode(status.mode) !== "dir") {
        const above = from.subarray(0, Math.max(1, from.lastIndexOf(0x2f)));
        this.#archiver.addNames(directory, above, [name], selection);
        return;
      }
      const { json, found } = this.#directoryNode(name, this.#nodes.read(bytesOf(name), from), before);
      const [place] = this.#archiver.addNode(directory, { json, directories: [found] });
      this.#archiver.addDirectory(new OpenDirectory(from, found.parentTree, place!), status.deviceId, selection);
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

  /** The tree of this node alone, with this content. */
  #treeOfFile(node: TreeNode, { ids, sizeBytes }: StreamContent): Buffer {
    const json = encodeFileNode({ ...node, size: BigInt(sizeBytes) }, ids, this.#formatTime);
    return treeOf([Buffer.from(","), json]);
  }

  #branchNode(name: string, source: Buffer | null): TreeNode {
    if (source) return this.#nodes.read(bytesOf(name), source);
    return this.#madeNode(bytesOf(name), directoryMode, this.#request.timeNs, this.#request);
  }

  /** A node for what is not on disk. */
  #madeNode(name: Buffer, unixMode: number, timeNs: bigint, owner: { uid: number; gid: number }): TreeNode {
    const { uid, gid } = owner;
    const times = { mtimeNs: timeNs, ctimeNs: timeNs, atimeNs: timeNs };
    const status = { mode: unixMode, uid, gid, links: 1, inode: 0n, deviceId: 0n, rdev: 0n, size: 0n, ...times };
    const type = nodeTypeOfUnixMode(unixMode);
    return { ...this.#nodes.basic(name, type, status), mode: goModeOfUnixMode(unixMode) };
  }

  async #saveStream(entry: StreamEntry): Promise<Buffer | null> {
    this.#archiver.entering(byteString(entry.at));
    try {
      const content = await saveStream(this.#pool, entry.read, entry.hint);
      await entry.finish();
      return this.#streamNode(entry, content);
    } catch (error) {
      if (entry.whenBroken === "fail" || !hasCode(error, "source")) throw error;
      const { code, message } = error;
      this.#archiver.report({ path: byteString(entry.at), during: "read", code, message });
      return null;
    }
  }

  #streamNode(entry: StreamEntry, content: StreamContent): Buffer {
    this.#archiver.counts.filesNew++;
    this.#archiver.counts.bytes += content.sizeBytes;
    this.#pool.progress.add("files", 1);
    const name = entry.at.subarray(entry.at.lastIndexOf(0x2f) + 1);
    return this.#treeOfFile(this.#madeNode(name, fileType | entry.mode, entry.mtimeNs, entry), content);
  }

  async #close(): Promise<void> {
    const { closingFile: file, timeNs, uid, gid } = this.#request;
    if (!file || !this.#closing) return;
    let rest = await file.make();
    const read = (into: Buffer): Promise<number> => {
      const length = rest.copy(into);
      rest = rest.subarray(length);
      return Promise.resolve(length);
    };
    const content = await saveStream(this.#pool, read, { kind: "rabin" });
    const made = this.#madeNode(file.name, fileType | file.mode, timeNs, { uid, gid });
    await this.#archiver.fill(this.#closing.directory, this.#closing.slot, this.#treeOfFile(made, content));
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
