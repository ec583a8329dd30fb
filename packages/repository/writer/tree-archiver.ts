// Walks the directories of a backup with the help of the workers, and puts their trees together from the leaves up.
import { lstatSync } from "node:fs";
import { hasCode, HoldfastError } from "../errors.ts";
import type { TimeFormatter } from "../format/go-time.ts";
import type { TreeNode } from "../format/node.ts";
import { bytesOf, byteString, joinPath } from "../filesystem/path.ts";
import type { Repository } from "../store/repository.ts";
import type {
  Answer,
  ContentSegment,
  FoundDirectory,
  FoundLargeFile,
  PathProblem,
  ScanCounts,
  ScanItem,
  ScanPart,
} from "./messages.ts";
import type { Place } from "./open-directory.ts";
import { OpenDirectory } from "./open-directory.ts";
import { SharedFile } from "./shared-file.ts";
import type { BackupReporter } from "./backup-reporter.ts";
import type { BlobSaver } from "./blob-saver.ts";
import type { WorkerPool } from "./worker-pool.ts";

/** Names of a directory that go into one task. */
const namesPerItem = 2048;
/** Small directories share a task: a message costs more than looking at one of them. */
const itemsPerTask = 32;
/** A large file that changes while it is read is read again once before it is flagged. */
const largeAttempts = 2;

export interface ArchiveCounts extends ScanCounts {
  dirsNew: number;
  dirsChanged: number;
  dirsUnmodified: number;
}

export interface ArchiverParts {
  readonly repository: Repository;
  readonly pool: WorkerPool;
  readonly trees: BlobSaver;
  readonly formatTime: TimeFormatter;
  readonly reporter: BackupReporter;
}

/** A piece of work that waits for a worker. `parentTree` is looked up when its turn comes. */
interface PendingScan {
  readonly item: Omit<ScanItem, "parent">;
  readonly directory: OpenDirectory;
}

interface PendingLarge {
  readonly found: FoundLargeFile;
  readonly place: Place;
  readonly attempt: number;
}

export class TreeArchiver {
  readonly counts: ArchiveCounts = {
    filesNew: 0,
    filesChanged: 0,
    filesUnmodified: 0,
    bytes: 0,
    dirsNew: 0,
    dirsChanged: 0,
    dirsUnmodified: 0,
  };
  readonly #parts: ArchiverParts;
  readonly #scans: PendingScan[] = [];
  readonly #largeFiles: PendingLarge[] = [];
  readonly #slots = new Map<number, PendingScan>();
  readonly #numbers = new Map<OpenDirectory, number>();
  #lastNumber = 0;
  #underWay = 0;
  #wake: (() => void)[] = [];
  #rootId: string | null = null;

  constructor(parts: ArchiverParts) {
    this.#parts = parts;
  }

  /**
   * Looks through everything that was added; the id of the root's tree. `branches` are the directories that were put
   * together by hand, the deepest first: some of them may wait for nothing. `last` runs when all the rest is stored.
   */
  async run(branches: readonly OpenDirectory[], last: () => Promise<void>): Promise<string> {
    for (const branch of branches) if (branch.isComplete && !branch.isSaved) await this.#complete(branch);
    await Promise.all(Array.from({ length: this.#parts.pool.workers * 2 }, () => this.#lane()));
    await last();
    if (this.#rootId === null) throw new HoldfastError("internal", "the tree of the snapshot was not completed");
    return this.#rootId;
  }

  /** Adds a directory of the disk, all of it, to what `run` looks through. */
  addDirectory(directory: OpenDirectory, deviceId: bigint | null, selection: number): void {
    const path = byteString(directory.path);
    this.#addScan(directory, { path, names: null, deviceId, selection, chosen: false }, undefined);
  }

  /** Adds names from the directory `path` of the disk, which somebody chose: no rule excludes them. */
  addNames(directory: OpenDirectory, path: Buffer, names: readonly string[], selection: number): void {
    const scan = { path: byteString(path), names, deviceId: null, selection, chosen: true };
    this.#addScan(directory, scan, undefined);
  }

  /** Adds nodes that are known already; the places of the subtrees in them. */
  addNode(directory: OpenDirectory, nodes: { json: Buffer; directories: readonly FoundDirectory[] }): Place[] {
    const slot = this.reserve(directory);
    directory.fill(slot, { ...nodes, largeFiles: [] });
    return nodes.directories.map(({ idAt }) => ({ directory, slot, at: idAt }));
  }

  /** Keeps a place in the order of the tree, which waits for `fill`. */
  reserve(directory: OpenDirectory): number {
    const slot = ++this.#lastNumber;
    directory.expectParts([slot]);
    return slot;
  }

  async fill(directory: OpenDirectory, slot: number, json: Buffer): Promise<void> {
    directory.fill(slot, { json, directories: [], largeFiles: [] });
    if (directory.isComplete) await this.#complete(directory);
  }

  report(problem: PathProblem): void {
    this.#parts.reporter.problem(problem);
  }

  entering(path: string): void {
    this.#parts.reporter.entering(path);
  }

  #addScan(
    directory: OpenDirectory,
    scan: Pick<ScanItem, "path" | "names" | "deviceId" | "selection" | "chosen">,
    after: number | undefined,
  ): void {
    const slot = ++this.#lastNumber;
    const number = this.#numbers.get(directory) ?? ++this.#lastNumber;
    this.#numbers.set(directory, number);
    const pending = { item: { ...scan, directory: number, slot }, directory };
    directory.expectParts([slot], after);
    this.#slots.set(slot, pending);
    this.#scans.push(pending);
  }

  /** One of several loops that keep the workers busy; ends when nothing waits and nothing is under way. */
  async #lane(): Promise<void> {
    for (;;) {
      const large = this.#largeFiles.pop();
      if (large) await this.#track(() => this.#saveLarge(large));
      else if (this.#scans.length > 0) await this.#track(() => this.#scan(this.#takeScans()));
      else if (this.#underWay === 0) return this.#wakeAll();
      else await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
  }

  async #track(work: () => Promise<void>): Promise<void> {
    this.#underWay++;
    try {
      await work();
    } finally {
      this.#underWay--;
      this.#wakeAll();
    }
  }

  #wakeAll(): void {
    for (const resolve of this.#wake.splice(0)) resolve();
  }

  /** The newest first: going into the depth keeps the number of unfinished directories low. */
  #takeScans(): PendingScan[] {
    const share = Math.ceil(this.#scans.length / (this.#parts.pool.workers * 2));
    return this.#scans.splice(-Math.min(itemsPerTask, share)).reverse();
  }

  async #scan(scans: readonly PendingScan[]): Promise<void> {
    this.#parts.reporter.entering(scans[0]!.item.path);
    const items = await Promise.all(
      scans.map(async ({ item, directory }) => ({ ...item, parent: await this.#loadParent(directory) })),
    );
    const answer = await this.#parts.pool.run({ kind: "scan", items });
    answer.problems.forEach((problem) => this.#parts.reporter.problem(problem));
    answer.sockets.forEach((path) => this.#parts.reporter.socket(path));
    for (const item of answer.undone) this.#scans.push(this.#slots.get(item.slot)!);
    for (const part of answer.parts) await this.#take(part);
  }

  async #loadParent(directory: OpenDirectory): Promise<ScanItem["parent"]> {
    if (!directory.parentTree) return null;
    try {
      const { sealed, plainLength } = await this.#parts.repository.loadSealedTree(directory.parentTree);
      // A copy of its own: a message takes the whole memory behind a view with it.
      return { sealed: new Uint8Array(sealed), plainLength };
    } catch (error) {
      // A parent that cannot be read costs time, not data: everything in it is read again.
      if (!hasCode(error, "damaged") && !hasCode(error, "storage")) throw error;
      return null;
    }
  }

  async #take(part: ScanPart): Promise<void> {
    const { directory, item } = this.#slots.get(part.slot)!;
    this.#slots.delete(part.slot);
    for (const key of ["filesNew", "filesChanged", "filesUnmodified", "bytes"] as const)
      this.counts[key] += part.counts[key];
    if (part.tree) await this.#parts.trees.add(part.tree);
    if (part.treeId) return this.#finished(directory, part.treeId);
    this.#splitRest(directory, part, item);
    directory.fill(part.slot, part);
    for (const [at, found] of part.largeFiles.entries()) {
      this.#largeFiles.push({ found, place: { directory, slot: part.slot, at }, attempt: 1 });
    }
    for (const found of part.directories) {
      const place = { directory, slot: part.slot, at: found.idAt };
      const child = new OpenDirectory(joinPath(directory.path, found.name), found.parentTree, place);
      if (found.closed) await this.#complete(child);
      else this.addDirectory(child, item.deviceId ?? found.deviceId, item.selection);
    }
    this.#wakeAll();
    if (directory.isComplete) await this.#complete(directory);
  }

  /** Cuts the names that a worker left over into items, each with its place in the order of the tree. */
  #splitRest(directory: OpenDirectory, part: ScanPart, item: PendingScan["item"]): void {
    const runs: (readonly string[])[] = [];
    for (let at = 0; at < part.rest.length; at += namesPerItem) runs.push(part.rest.slice(at, at + namesPerItem));
    // Backwards, because each is put directly behind the part, and because the last one pushed is taken first.
    for (const names of runs.reverse()) this.#addScan(directory, { ...item, names }, part.slot);
  }

  async #complete(directory: OpenDirectory): Promise<void> {
    directory.isSaved = true;
    const id = await this.#parts.trees.save(directory.encode(this.#parts.formatTime));
    directory.release();
    await this.#finished(directory, id);
  }

  async #finished(directory: OpenDirectory, id: string): Promise<void> {
    this.#numbers.delete(directory);
    const { place } = directory;
    if (!place) {
      this.#rootId = id;
      return;
    }
    this.counts[
      directory.parentTree === null ? "dirsNew" : directory.parentTree === id ? "dirsUnmodified" : "dirsChanged"
    ]++;
    place.directory.setSubtree(place, id);
    if (place.directory.isComplete) await this.#complete(place.directory);
  }

  async #saveLarge({ found, place, attempt }: PendingLarge): Promise<void> {
    const { path } = found;
    this.#parts.reporter.entering(path);
    const shared = SharedFile.share();
    const { mtime: mtimeNs, ctime: ctimeNs, inode } = found.node;
    const file = { path, shared, mtimeNs, ctimeNs, inode };
    const answers = await Promise.all(
      Array.from({ length: this.#parts.pool.workers }, () => this.#parts.pool.run({ kind: "large", file })),
    );
    const problem = answers.find((answer) => answer.problem)?.problem;
    const changed = answers.some((answer) => answer.changed);
    if (!problem && changed && attempt < largeAttempts) {
      const again = refreshed(found.node, bytesOf(path));
      if (again) return this.#saveLarge({ found: { ...found, node: again }, place, attempt: attempt + 1 });
    }
    if (problem) this.#parts.reporter.problem(problem);
    else if (changed)
      this.#parts.reporter.problem({ path, during: "changed", code: "source", message: "changed while it was read" });
    const node = problem ? null : contentOf(found.node, answers);
    if (node) this.#count(found, node);
    place.directory.setLargeFile(place, node);
    if (place.directory.isComplete) await this.#complete(place.directory);
  }

  #count(found: FoundLargeFile, node: TreeNode): void {
    this.counts[found.isNew ? "filesNew" : "filesChanged"]++;
    this.counts.bytes += Number(node.size);
    this.#parts.pool.progress.add("files", 1);
  }
}

/** The node with what the workers read: all regions in the order of the file. */
function contentOf(node: TreeNode, answers: readonly Extract<Answer, { kind: "large" }>[]): TreeNode {
  const segments: ContentSegment[] = answers.flatMap((answer) => answer.segments);
  segments.sort((a, b) => a.sequence - b.sequence);
  const content: string[] = [];
  for (const { ids, repeat } of segments) for (let i = 0; i < repeat; i++) content.push(...ids);
  const sizeBytes = Math.max(...answers.map((answer) => answer.sizeBytes));
  return { ...restored(node), size: BigInt(sizeBytes), content };
}

/** The node's buffers came through a message, which made plain byte arrays of them. */
function restored(node: TreeNode): TreeNode {
  return {
    ...node,
    name: Buffer.from(node.name),
    xattrs: node.xattrs.map(({ name, value }) => ({ name, value: Buffer.from(value) })),
  };
}

/** The node with the times and sizes of now; null when the file is gone or became something else. */
function refreshed(node: TreeNode, path: Buffer): TreeNode | null {
  const stats = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  if (!stats?.isFile()) return null;
  const atime = node.atime === node.mtime ? stats.mtimeNs : stats.atimeNs;
  return { ...node, mtime: stats.mtimeNs, atime, ctime: stats.ctimeNs, inode: stats.ino, size: stats.size };
}
