// What differs between two snapshots, or folders of them, with the statistics of restic's `diff`.
import { hasCode } from "../errors.ts";
import type { HoldfastError } from "../errors.ts";
import { byteString, joinPath } from "../filesystem/path.ts";
import type { ExtendedAttribute, TreeNode } from "../format/node.ts";
import type { BlobIndex, BlobType } from "../index/blob-index.ts";
import { plainSizeBytes } from "../index/plain-size.ts";
import type { Repository } from "../store/repository.ts";

const rootPath = Buffer.from("/");

/**
 * `+` added, `-` removed; otherwise `T` (another type), `M` (content; `M?` if nothing else differs, not even the times:
 * perhaps decay), `U` (metadata), or several of them.
 */
export interface Change {
  readonly modifier: string;
  /** Raw bytes, from the compared folders' root; a directory ends with a slash. */
  readonly path: Buffer;
  readonly before: TreeNode | null;
  readonly after: TreeNode | null;
}

export interface DiffCounts {
  files: number;
  dirs: number;
  others: number;
  dataBlobs: number;
  treeBlobs: number;
  bytes: number;
}

export interface DiffStatistics {
  changedFiles: number;
  /** Blobs that only the second (`added`) or the first (`removed`) has; bytes as they are without compression. */
  readonly added: DiffCounts;
  readonly removed: DiffCounts;
}

export interface DiffOptions {
  /** Reports differences in metadata alone as well. */
  readonly metadata: boolean;
  /** A tree that cannot be read; the rest is compared. A root tree is thrown. */
  readonly report: (path: Buffer, error: HoldfastError) => void;
}

function noCounts(): DiffCounts {
  return { files: 0, dirs: 0, others: 0, dataBlobs: 0, treeBlobs: 0, bytes: 0 };
}

/** Yields the changes from the tree `before` to the tree `after` in the order of names; returns the statistics. */
export async function* diff(
  repository: Repository,
  before: string,
  after: string,
  options: DiffOptions,
): AsyncGenerator<Change, DiffStatistics, undefined> {
  const comparison = new Comparison(repository, await repository.loadIndex(), options);
  comparison.roots(before, after);
  yield* comparison.trees(rootPath, before, after);
  return comparison.statistics();
}

/** Blobs of one side, by type and id. */
type Blobs = Set<string>;

class Comparison {
  readonly #repository: Repository;
  readonly #index: BlobIndex;
  readonly #options: DiffOptions;
  readonly #before: Blobs = new Set();
  readonly #after: Blobs = new Set();
  readonly #common: Blobs = new Set();
  readonly #statistics: DiffStatistics = { changedFiles: 0, added: noCounts(), removed: noCounts() };

  constructor(repository: Repository, index: BlobIndex, options: DiffOptions) {
    this.#repository = repository;
    this.#index = index;
    this.#options = options;
  }

  /** The compared trees themselves count as well. */
  roots(before: string, after: string): void {
    this.#before.add(`t${before}`);
    this.#after.add(`t${after}`);
  }

  statistics(): DiffStatistics {
    const { added, removed } = this.#statistics;
    for (const blob of this.#after) if (!this.#before.has(blob) && !this.#common.has(blob)) this.#count(added, blob);
    for (const blob of this.#before) if (!this.#after.has(blob) && !this.#common.has(blob)) this.#count(removed, blob);
    return this.#statistics;
  }

  async *trees(path: Buffer, beforeId: string, afterId: string): AsyncGenerator<Change, void, undefined> {
    if (beforeId === afterId) return;
    const [before, after] = await Promise.all([
      this.#repository.loadTree(beforeId),
      this.#repository.loadTree(afterId),
    ]);
    for (const [one, other] of pairs(before, after)) {
      addBlobs(this.#before, one);
      addBlobs(this.#after, other);
      const node = other ?? one!;
      const below = joinPath(path, byteString(node.name));
      if (one && other) yield* this.#both(below, one, other);
      else yield* this.#alone(below, node, one ? "-" : "+");
    }
  }

  async *#both(path: Buffer, before: TreeNode, after: TreeNode): AsyncGenerator<Change, void, undefined> {
    let modifier = before.type === after.type ? "" : "T";
    const sameContent = equalLists(before.content, after.content);
    if (before.type === "file" && after.type === "file" && !sameContent) {
      this.#statistics.changedFiles++;
      modifier += sameMetadata(before, after) ? "M?" : "M";
    } else if (
      this.#options.metadata &&
      !(sameMetadata(before, after) && sameContent && before.subtree === after.subtree)
    ) {
      modifier += "U";
    }
    if (modifier !== "") yield { modifier, path: shownPath(path, after), before, after };
    if (before.subtree === null || after.subtree === null) return;
    const [beforeId, afterId] = [before.subtree, after.subtree];
    yield* this.#guarded(path, () =>
      beforeId === afterId ? this.#collect(path, beforeId) : this.trees(path, beforeId, afterId),
    );
  }

  async *#alone(path: Buffer, node: TreeNode, modifier: "+" | "-"): AsyncGenerator<Change, void, undefined> {
    const isAdded = modifier === "+";
    const counts = isAdded ? this.#statistics.added : this.#statistics.removed;
    if (node.type === "file") counts.files++;
    else if (node.type === "dir") counts.dirs++;
    else counts.others++;
    yield { modifier, path: shownPath(path, node), before: isAdded ? null : node, after: isAdded ? node : null };
    const { subtree } = node;
    if (subtree !== null) yield* this.#guarded(path, () => this.#allBelow(path, subtree, modifier));
  }

  async *#allBelow(path: Buffer, treeId: string, modifier: "+" | "-"): AsyncGenerator<Change, void, undefined> {
    for (const node of await this.#repository.loadTree(treeId)) {
      addBlobs(modifier === "+" ? this.#after : this.#before, node);
      yield* this.#alone(joinPath(path, byteString(node.name)), node, modifier);
    }
  }

  /** The blobs below a folder that both sides have. */
  async *#collect(path: Buffer, treeId: string): AsyncGenerator<Change, void, undefined> {
    for (const node of await this.#repository.loadTree(treeId)) {
      // What was met in one place needs no second look in another.
      const known = node.subtree !== null && this.#common.has(`t${node.subtree}`);
      addBlobs(this.#common, node);
      const { subtree } = node;
      const below = joinPath(path, byteString(node.name));
      if (subtree !== null && !known) yield* this.#guarded(below, () => this.#collect(below, subtree));
    }
  }

  async *#guarded(
    path: Buffer,
    walk: () => AsyncGenerator<Change, void, undefined>,
  ): AsyncGenerator<Change, void, undefined> {
    try {
      yield* walk();
    } catch (error) {
      if (!hasCode(error, "damaged") && !hasCode(error, "hostile") && !hasCode(error, "unsupported")) throw error;
      this.#options.report(path, error);
    }
  }

  #count(counts: DiffCounts, blob: string): void {
    const type: BlobType = blob[0] === "t" ? "tree" : "data";
    if (type === "tree") counts.treeBlobs++;
    else counts.dataBlobs++;
    const location = this.#index.locations(blob.slice(1), type)[0];
    if (location) counts.bytes += plainSizeBytes(location);
  }
}

/** Nodes of the same name together, in the order of names. */
function* pairs(
  before: readonly TreeNode[],
  after: readonly TreeNode[],
): Generator<[TreeNode | null, TreeNode | null]> {
  let i = 0;
  let j = 0;
  while (i < before.length || j < after.length) {
    const one = before[i] ?? null;
    const other = after[j] ?? null;
    const order = one && other ? Buffer.compare(one.name, other.name) : one ? -1 : 1;
    if (order <= 0) i++;
    if (order >= 0) j++;
    yield [order <= 0 ? one : null, order >= 0 ? other : null];
  }
}

function addBlobs(blobs: Blobs, node: TreeNode | null): void {
  if (node?.type === "file") for (const id of node.content ?? []) blobs.add(`d${id}`);
  else if (node?.subtree) blobs.add(`t${node.subtree}`);
}

function shownPath(path: Buffer, node: TreeNode): Buffer {
  return node.type === "dir" ? Buffer.concat([path, Buffer.from("/")]) : path;
}

function equalLists(one: readonly string[] | null, other: readonly string[] | null): boolean {
  if (one === null || other === null) return one === other;
  return one.length === other.length && one.every((id, i) => id === other[i]);
}

const metadataFields = [
  "type",
  "mode",
  "mtime",
  "atime",
  "ctime",
  "uid",
  "gid",
  "user",
  "group",
  "inode",
  "deviceId",
  "size",
  "links",
  "device",
  "genericAttributes",
] as const;

/** Everything but content and subtree. */
function sameMetadata(one: TreeNode, other: TreeNode): boolean {
  return (
    metadataFields.every((field) => one[field] === other[field]) &&
    Buffer.compare(one.linkTarget ?? Buffer.alloc(0), other.linkTarget ?? Buffer.alloc(0)) === 0 &&
    sameAttributes(one.xattrs, other.xattrs)
  );
}

/** In any order. */
function sameAttributes(one: readonly ExtendedAttribute[], other: readonly ExtendedAttribute[]): boolean {
  return (
    one.length === other.length &&
    one.every(({ name, value }) => other.some((each) => each.name === name && each.value.equals(value)))
  );
}
