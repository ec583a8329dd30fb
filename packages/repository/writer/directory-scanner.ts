// Looks through directories in a worker thread: finds what changed, stores small files, and writes the nodes.
import type { Sealer } from "../codec/seal.ts";
import type { Decompressor } from "../codec/zstd.ts";
import { HoldfastError } from "../errors.ts";
import type { MetadataReader } from "../filesystem/metadata.ts";
import { bytesOf, byteString, joinPath } from "../filesystem/path.ts";
import type { FileStatus } from "../filesystem/status-area.ts";
import type { NodeType } from "../format/file-mode.ts";
import { nodeTypeOfUnixMode } from "../format/file-mode.ts";
import type { TimeFormatter } from "../format/go-time.ts";
import { parseTime } from "../format/go-time.ts";
import type { BlobIndex } from "../index/blob-index.ts";
import type { Selection } from "../selection/selection.ts";
import type { FileSaver } from "./file-saver.ts";
import type { FoundDirectory, FoundLargeFile, PathProblem, ScanCounts, ScanItem, ScanPart } from "./messages.ts";
import type { NodeMaker } from "./node-maker.ts";
import type { ParentNode } from "./parent-tree.ts";
import { ParentTree } from "./parent-tree.ts";
import { TreeFragment } from "./tree-fragment.ts";
import type { TreeSealer } from "./tree-sealer.ts";

/** A task ends when it has stored this much, so that the threads share the work evenly to the end. */
const budgetFiles = 256;
const budgetBytes = 4 * 1024 * 1024;
/** Looking at a name costs far less than storing a file. */
const budgetNames = 4096;
const noBytes = Buffer.alloc(0);
/** A file that changes while it is read is read again this often before it is stored as it is and flagged. */
const readAttempts = 3;

export interface ScanBudget {
  files: number;
  bytes: number;
  names: number;
}

export function newBudget(): ScanBudget {
  return { files: budgetFiles, bytes: budgetBytes, names: budgetNames };
}

export function isSpent(budget: ScanBudget): boolean {
  return budget.files <= 0 || budget.bytes <= 0 || budget.names <= 0;
}

export interface ScannerParts {
  readonly metadata: MetadataReader;
  readonly nodes: NodeMaker;
  readonly files: FileSaver;
  readonly index: BlobIndex;
  readonly selections: readonly Selection[];
  readonly sealer: Sealer;
  readonly treeSealer: TreeSealer;
  readonly decompressor: Decompressor;
  readonly formatTime: TimeFormatter;
  readonly oneFileSystem: boolean;
  readonly report: (problem: PathProblem) => void;
  readonly socket: (path: Buffer) => void;
  /** A file is finished; `keptBytes` of it were not read, because they are in the parent. */
  readonly fileDone: (keptBytes: number) => void;
}

/** State of one directory under the scanner's eyes. */
interface Visit {
  readonly item: ScanItem;
  readonly selection: Selection;
  readonly path: Buffer;
  readonly parent: ParentTree | null;
  readonly directories: FoundDirectory[];
  readonly largeFiles: FoundLargeFile[];
  readonly counts: ScanCounts;
}

export class DirectoryScanner {
  readonly #parts: ScannerParts;
  readonly #idBytes = Buffer.alloc(32);
  readonly #fragment: TreeFragment;
  /** The parent's tree of a directory that is looked through in several tasks. */
  #lastParent: { directory: number; tree: ParentTree; lastName: string } | null = null;

  constructor(parts: ScannerParts) {
    this.#parts = parts;
    this.#fragment = new TreeFragment(parts.formatTime);
  }

  /** Looks through one directory as far as the budget goes. Problems with single paths are reported, not thrown. */
  scan(item: ScanItem, budget: ScanBudget): ScanPart {
    const path = bytesOf(item.path);
    const selection = this.#parts.selections[item.selection]!;
    const names = item.names ?? this.#names(path, selection);
    const visit: Visit = {
      item,
      selection,
      path,
      parent: this.#parentTree(item, path),
      directories: [],
      largeFiles: [],
      counts: { filesNew: 0, filesChanged: 0, filesUnmodified: 0, bytes: 0 },
    };
    this.#fragment.clear();
    let done = 0;
    for (; done < names.length && !isSpent(budget); done++) {
      budget.names--;
      this.#visitName(visit, names[done]!, budget);
    }
    if (this.#lastParent && done > 0) this.#lastParent.lastName = names[done - 1]!;
    return this.#finish(visit, names.slice(done));
  }

  #finish(visit: Visit, rest: readonly string[]): ScanPart {
    const { item, directories, largeFiles, counts } = visit;
    const whole = item.names === null && rest.length === 0 && directories.length === 0 && largeFiles.length === 0;
    const found = { slot: item.slot, directories, largeFiles, rest, counts };
    return whole
      ? { ...found, ...this.#parts.treeSealer.seal(this.#fragment.tree()), json: noBytes }
      : { ...found, treeId: null, tree: null, json: this.#fragment.copyTree() };
  }

  /** In ascending order of bytes, which is the order of byte strings. */
  #names(path: Buffer, selection: Selection): string[] {
    try {
      const all = this.#parts.metadata.names(path).sort();
      const markers = selection.markersIn(path, (message) =>
        this.#problem(path, "scan", new HoldfastError("source", message)),
      );
      return markers.length === 0 ? all : all.filter((name) => !selection.excludesEntry(bytesOf(name), markers));
    } catch (error) {
      this.#problem(path, "scan", error);
      return [];
    }
  }

  #parentTree(item: ScanItem, path: Buffer): ParentTree | null {
    if (!item.parent) return null;
    const last = this.#lastParent;
    if (last?.directory === item.directory) {
      const forward = item.names !== null && last.lastName < item.names[0]!;
      return forward ? last.tree : (last.tree = new ParentTree(last.tree.json));
    }
    try {
      const plain = this.#parts.sealer.open(item.parent.sealed);
      const { plainLength } = item.parent;
      const json = plainLength > 0 ? this.#parts.decompressor.decompress(plain, plainLength) : plain;
      this.#lastParent = { directory: item.directory, tree: new ParentTree(json), lastName: "" };
      return this.#lastParent.tree;
    } catch (error) {
      this.#problem(path, "scan", error);
      return null;
    }
  }

  #visitName(visit: Visit, text: string, budget: ScanBudget): void {
    const path = joinPath(visit.path, text);
    const name = path.subarray(path.length - text.length);
    try {
      if (!visit.item.chosen && visit.selection.excludesPath(path)) return;
      const status = this.#parts.metadata.lstat(path);
      const type = nodeTypeOfUnixMode(status.mode);
      if (type !== "dir" && !visit.item.chosen && visit.selection.excludesSize(status.size)) return;
      if (type === "socket") return this.#parts.socket(path);
      this.#visitFile(visit, { name, path, type }, status, budget);
    } catch (error) {
      // Between reading the directory and looking at the file it may go away: that is no problem of the backup.
      if (error instanceof HoldfastError && error.context["errno"] === "ENOENT" && error.context["vanished"] !== true)
        return;
      this.#problem(path, "read", error);
    }
  }

  #visitFile(visit: Visit, file: FoundFile, status: FileStatus, budget: ScanBudget): void {
    const basic = this.#parts.nodes.basic(file.name, file.type, status);
    const head = visit.parent ? this.#fragment.tryHead(basic) : null;
    const before = head ? visit.parent!.find(file.name, head.bytes, head.from, head.to) : null;
    if (before?.sameHead && this.#isStored(visit.parent!.json, before)) return this.#keep(visit, file, status, before);
    const isOther =
      this.#parts.oneFileSystem && visit.item.deviceId !== null && status.deviceId !== visit.item.deviceId;
    if (file.type === "dir") {
      const idAt = this.#fragment.add(this.#parts.nodes.complete(basic, file.path));
      this.#found(visit, file, status, idAt, before ? subtreeOf(visit.parent!.json, before) : null, isOther);
    } else if (isOther) {
      return;
    } else if (file.type === "file") {
      this.#saveFile(visit, file, status, before, budget);
    } else {
      this.#fragment.add(this.#parts.nodes.complete(basic, file.path));
    }
  }

  /** Takes a node over from the parent's tree, byte for byte. */
  #keep(visit: Visit, file: FoundFile, status: FileStatus, before: ParentNode): void {
    const start = this.#fragment.copy(visit.parent!.json, before.start, before.end);
    if (file.type === "file") {
      visit.counts.filesUnmodified++;
      visit.counts.bytes += Number(status.size);
      this.#parts.fileDone(Number(status.size));
    } else if (file.type === "dir") {
      const isOther =
        this.#parts.oneFileSystem && visit.item.deviceId !== null && status.deviceId !== visit.item.deviceId;
      const idAt = start + before.subtreeAt - before.start;
      this.#found(visit, file, status, idAt, subtreeOf(visit.parent!.json, before), isOther);
    }
  }

  #found(
    visit: Visit,
    file: FoundFile,
    status: FileStatus,
    idAt: number,
    parentTree: string | null,
    closed: boolean,
  ): void {
    visit.directories.push({ name: byteString(file.name), idAt, parentTree, deviceId: status.deviceId, closed });
  }

  #saveFile(visit: Visit, file: FoundFile, first: FileStatus, before: ParentNode | null, budget: ScanBudget): void {
    const { files, nodes, metadata } = this.#parts;
    let status = first;
    for (let attempt = 1; ; attempt++) {
      const node = nodes.complete(nodes.basic(file.name, "file", status), file.path);
      const known = before ? this.#unchangedContent(visit.parent!.json, before, status) : null;
      const saved =
        known ??
        (status.size === 0n
          ? { ids: [], sizeBytes: 0, changed: false }
          : files.fits(status.size)
            ? readOrVanish(() => files.saveSmall(file.path, status))
            : null);
      if (saved === null) {
        visit.largeFiles.push({ at: this.#fragment.length, node, path: byteString(file.path), isNew: before === null });
        return;
      }
      if (saved.changed && attempt < readAttempts) {
        status = readOrVanish(() => metadata.lstat(file.path));
        continue;
      }
      if (saved.changed) this.#problem(file.path, "changed", new HoldfastError("source", "changed while it was read"));
      this.#fragment.add({ ...node, size: BigInt(saved.sizeBytes), content: saved.ids });
      this.#count(visit.counts, saved.sizeBytes, known ? "filesUnmodified" : before ? "filesChanged" : "filesNew");
      if (!known) budget.files--;
      if (!known) budget.bytes -= saved.sizeBytes;
      return;
    }
  }

  #count(counts: ScanCounts, sizeBytes: number, kind: "filesNew" | "filesChanged" | "filesUnmodified"): void {
    counts[kind]++;
    counts.bytes += sizeBytes;
    this.#parts.fileDone(kind === "filesUnmodified" ? sizeBytes : 0);
  }

  /** The content of the file in the parent, when times, size and inode say that it is the same. */
  #unchangedContent(json: Buffer, before: ParentNode, status: FileStatus) {
    const node = JSON.parse(json.toString("utf8", before.start, before.end)) as ParentJson;
    const same =
      node.type === "file" &&
      (node.size ?? 0) === Number(status.size) &&
      (node.inode ?? 0) === Number(status.inode) &&
      parseTime(node.mtime) === status.mtimeNs &&
      parseTime(node.ctime) === status.ctimeNs;
    if (!same || !node.content || !this.#isStored(json, before)) return null;
    return { ids: node.content, sizeBytes: Number(status.size), changed: false };
  }

  /** A node may be taken over only while all its blobs are in the index. */
  #isStored(json: Buffer, node: ParentNode): boolean {
    for (let i = 0, at = node.contentAt; i < node.contentCount; i++, at += 67) {
      this.#idBytes.hexWrite(json.latin1Slice(at, at + 64), 0, 32);
      if (!this.#parts.index.has(this.#idBytes, "data")) return false;
    }
    return true;
  }

  #problem(path: Buffer, during: PathProblem["during"], error: unknown): void {
    const code = error instanceof HoldfastError ? error.code : "source";
    if (code === "interrupted" || code === "internal" || code === "usage") throw error;
    this.#parts.report({
      path: byteString(path),
      during,
      code,
      message: error instanceof Error ? error.message : String(error),
    });
  }
}

interface FoundFile {
  readonly name: Buffer;
  readonly path: Buffer;
  readonly type: NodeType;
}

/** What change detection needs of a node of the parent. */
interface ParentJson {
  readonly type: string;
  readonly size?: number;
  readonly inode?: number;
  readonly mtime: string;
  readonly ctime: string;
  readonly content: string[] | null;
}

function subtreeOf(json: Buffer, node: ParentNode): string | null {
  return node.subtreeAt < 0 ? null : json.latin1Slice(node.subtreeAt, node.subtreeAt + 64);
}

/** Runs what reads a file that was seen a moment ago: if it is gone now, the backup misses it and must say so. */
function readOrVanish<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof HoldfastError && error.context["errno"] !== "ENOENT") throw error;
    const code = (error as NodeJS.ErrnoException).code;
    if (!(error instanceof HoldfastError) && code !== "ENOENT") {
      throw new HoldfastError(
        code === "EACCES" || code === "EPERM" ? "permission" : "source",
        `cannot be read: ${String(code)}`,
        { cause: error },
      );
    }
    throw new HoldfastError("source", "vanished while the backup ran", { context: { vanished: true }, cause: error });
  }
}
