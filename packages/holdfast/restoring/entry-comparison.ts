// Compares an entry of a snapshot, with all below it, with what stands on the disk. Shares nothing with the restore.
import { constants } from "node:fs";
import { geteuid } from "node:process";
import { setImmediate } from "node:timers/promises";
import {
  createTimeFormatter,
  displayPath,
  HoldfastError,
  MetadataReader,
  openLibc,
  unixModeOfGoMode,
  walkSteps,
  type BlobIndex,
  type FileStatus,
  type Repository,
  type TreeNode,
} from "@holdfast/repository";
import type { Difference } from "@holdfast/sources";
import { differenceOfContent } from "./content-comparison.ts";
import { DifferenceList } from "./difference-list.ts";

const { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } = constants;
const setIdBits = 0o6000;
/** Attributes that a restore sets and removes; the others are labels that a security module gives by itself. */
const restoredAttribute = /^(user|trusted)\.|^system\.posix_acl_|^security\.capability$/;
const entriesBetweenTurns = 256;
const typeWords: Readonly<Record<number, string>> = {
  [S_IFREG]: "a file",
  [S_IFDIR]: "a folder",
  [S_IFLNK]: "a link",
  [constants.S_IFIFO]: "a pipe",
  [constants.S_IFSOCK]: "a socket",
  [constants.S_IFBLK]: "a block device",
  [constants.S_IFCHR]: "a character device",
};

/** One name of a file that the snapshot has under several. */
interface FirstName {
  readonly shown: string;
  readonly status: FileStatus;
}

/** For one comparison. Throws `damaged` where the snapshot cannot be read, and what reading the disk throws. */
export class EntryComparison {
  readonly #repository: Repository;
  readonly #index: BlobIndex;
  readonly #signal: AbortSignal;
  readonly #metadata = new MetadataReader(openLibc());
  readonly #differences = new DifferenceList();
  readonly #formatTime = createTimeFormatter();
  readonly #firstNames = new Map<string, FirstName>();
  readonly #isRoot = geteuid?.() === 0;
  #entries = 0;

  constructor(repository: Repository, index: BlobIndex, signal: AbortSignal) {
    this.#repository = repository;
    this.#index = index;
    this.#signal = signal;
  }

  /** `path` names the entry in differences; `copy` is compared. */
  async run(node: TreeNode, path: Buffer, copy: Buffer): Promise<Difference[]> {
    await this.#compare(node, path, copy);
    if (node.type === "dir" && this.#isDirectory(copy)) await this.#compareBelow(node, path, copy);
    return this.#differences.all(displayPath(path));
  }

  async #compareBelow(node: TreeNode, path: Buffer, copy: Buffer): Promise<void> {
    if (node.subtree === null) throw new HoldfastError("damaged", `the folder ${displayPath(path)} has no tree`);
    const below = (top: Buffer, step: Buffer): Buffer => (step.length === 1 ? top : Buffer.concat([top, step]));
    const walk = walkSteps(this.#repository, node.subtree, {
      enters: (step) => this.#isDirectory(below(copy, step)),
      needsNames: true,
      report: (_path, error) => {
        throw error;
      },
    });
    for await (const steps of walk) {
      for (const step of steps) {
        const [named, there] = [below(path, step.path), below(copy, step.path)];
        if (step.kind !== "leave") await this.#compare(step.node, named, there);
        else if (step.names) this.#findAdditional(step.names, named, there);
      }
    }
  }

  async #compare(node: TreeNode, path: Buffer, copy: Buffer): Promise<void> {
    if (++this.#entries % entriesBetweenTurns === 0) await setImmediate();
    throwIfAborted(this.#signal);
    const shown = displayPath(path);
    const differs = (problem: string): void => this.#differences.add(shown, problem);
    const status = this.#status(copy);
    if (!status) {
      differs("is missing");
      return;
    }
    const wanted = unixModeOfGoMode(node.type, node.mode);
    const type = wanted & S_IFMT;
    if ((status.mode & S_IFMT) !== type) {
      differs(`is ${wordOf(status.mode & S_IFMT)} instead of ${wordOf(type)}`);
      return;
    }
    this.#compareMetadata(node, wanted, status, differs);
    this.#compareAttributes(node, copy, differs);
    if (type === S_IFLNK) this.#compareLink(node, copy, differs);
    if (type === S_IFREG) await this.#compareFile(node, status, { shown, path, copy }, differs);
  }

  #compareMetadata(node: TreeNode, wanted: number, status: FileStatus, differs: (problem: string) => void): void {
    const isLink = (wanted & S_IFMT) === S_IFLNK;
    const hasOwner = status.uid === node.uid && status.gid === node.gid;
    // Only root gives files away, and files of another owner do not get these bits.
    const mask = hasOwner || this.#isRoot ? 0o7777 : 0o7777 & ~setIdBits;
    const [mode, expected] = [status.mode & mask, wanted & mask];
    if (!isLink && mode !== expected) differs(`has the mode ${octal(mode)} instead of ${octal(expected)}`);
    if (this.#isRoot && !hasOwner) differs(`belongs to ${status.uid}:${status.gid} instead of ${node.uid}:${node.gid}`);
    if (status.mtimeNs !== node.mtime)
      differs(`was changed at ${this.#formatTime(status.mtimeNs)} instead of ${this.#formatTime(node.mtime)}`);
    if ((node.type === "dev" || node.type === "chardev") && status.rdev !== node.device)
      differs("stands for another device");
  }

  #compareAttributes(node: TreeNode, copy: Buffer, differs: (problem: string) => void): void {
    const there = valuesOf(this.#metadata.hasXattrs(copy) ? this.#metadata.readXattrs(copy) : []);
    const wanted = valuesOf(node.xattrs);
    for (const name of new Set([...wanted.keys(), ...there.keys()])) {
      if (there.get(name) === wanted.get(name)) continue;
      const problem = !there.has(name) ? "is missing" : !wanted.has(name) ? "is not in the snapshot" : "differs";
      differs(`the extended attribute ${displayPath(Buffer.from(name))} ${problem}`);
    }
  }

  #compareLink(node: TreeNode, copy: Buffer, differs: (problem: string) => void): void {
    const target = this.#metadata.readlink(copy);
    const wanted = node.linkTarget ?? Buffer.alloc(0);
    if (!target.equals(wanted)) differs(`leads to ${displayPath(target)} instead of ${displayPath(wanted)}`);
  }

  async #compareFile(
    node: TreeNode,
    status: FileStatus,
    { shown, path, copy }: { shown: string; path: Buffer; copy: Buffer },
    differs: (problem: string) => void,
  ): Promise<void> {
    const first = this.#firstName(node, shown, status);
    if (first) {
      const isSame = first.status.inode === status.inode && first.status.deviceId === status.deviceId;
      // Another name of a file that was read already.
      if (isSame) return;
      differs(`is a file of its own instead of another name of ${first.shown}`);
    }
    if (status.size !== node.size) {
      differs(`has ${status.size} bytes instead of ${node.size}`);
      return;
    }
    const problem = await differenceOfContent(this.#index, node, path, copy, () => throwIfAborted(this.#signal));
    if (problem !== null) differs(problem);
  }

  /** The name under which this file was met before; null for the first one. */
  #firstName(node: TreeNode, shown: string, status: FileStatus): FirstName | null {
    if (node.links <= 1n) return null;
    const key = `${node.deviceId} ${node.inode}`;
    const first = this.#firstNames.get(key);
    if (!first) this.#firstNames.set(key, { shown, status });
    return first ?? null;
  }

  #findAdditional(names: ReadonlySet<string>, path: Buffer, copy: Buffer): void {
    for (const name of this.#metadata.readdir(copy)) {
      if (names.has(name.toString("latin1"))) continue;
      this.#differences.add(displayPath(Buffer.concat([path, Buffer.from("/"), name])), "is not in the snapshot");
    }
  }

  #isDirectory(path: Buffer): boolean {
    return ((this.#status(path)?.mode ?? 0) & S_IFMT) === S_IFDIR;
  }

  /** Null where nothing is. */
  #status(path: Buffer): FileStatus | null {
    try {
      return this.#metadata.lstat(path);
    } catch (error) {
      const errno = error instanceof HoldfastError ? error.context["errno"] : null;
      if (errno === "ENOENT" || errno === "ENOTDIR") return null;
      throw error;
    }
  }
}

function throwIfAborted(signal: AbortSignal): void {
  if (!signal.aborted) return;
  throw new HoldfastError("interrupted", "the comparison was interrupted", { cause: signal.reason });
}

function wordOf(type: number): string {
  return typeWords[type] ?? "something unknown";
}

function octal(mode: number): string {
  return mode.toString(8).padStart(3, "0");
}

function valuesOf(attributes: readonly { readonly name: string; readonly value: Buffer }[]): Map<string, string> {
  const restored = attributes.filter(({ name }) => restoredAttribute.test(name));
  return new Map(restored.map(({ name, value }) => [name, value.toString("latin1")]));
}
