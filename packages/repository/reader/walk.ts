// Walks through the trees of a snapshot in the order of their names, with a few trees fetched ahead.
import { hasCode, HoldfastError } from "../errors.ts";
import { displayPath } from "../filesystem/system-error.ts";
import { byteString, joinPath } from "../filesystem/path.ts";
import type { TreeNode } from "../format/node.ts";
import { parseTree } from "../format/tree.ts";
import type { BlobIndex } from "../index/blob-index.ts";
import type { Repository } from "../store/repository.ts";

/** How many subdirectories of one directory are fetched before their turn, and from how many directories at most. */
const aheadOfEach = 3;
const aheadOfAll = 24;
/** Larger trees wait for their turn, so that what is fetched ahead stays small. */
const aheadBytes = 256 * 1024;
/** So many steps of a large directory come together. */
const mostSteps = 256;
/** No file system takes a path this deep, and every open directory costs a descriptor in a restore. */
const maximumDepth = 2048;

export interface WalkEntry {
  /** Absolute in the snapshot (or in the folder the walk started from), raw bytes. */
  readonly path: Buffer;
  readonly node: TreeNode;
}

/** `enter` comes before the contents of a directory, `leave` after them; anything else is an `entry`. */
export type WalkStep =
  | { readonly kind: "entry" | "enter"; readonly path: Buffer; readonly node: TreeNode }
  /** `names`: byte strings of all that the directory's tree holds; null when the tree was not read, or without `needsNames`. `path` is "/" at the root. */
  | { readonly kind: "leave"; readonly path: Buffer; readonly names: ReadonlySet<string> | null };

export interface WalkOptions {
  /** Whether to look into a directory; asked once for each. Every directory is entered without it. */
  readonly enters?: (path: Buffer, node: TreeNode) => boolean;
  /** Whether the last step of a directory tells what its tree holds. */
  readonly needsNames?: boolean;
  /** A tree that cannot be read: its directory is passed over and the walk goes on. */
  readonly report: (path: Buffer, error: HoldfastError) => void;
}

interface Frame {
  readonly path: Buffer;
  readonly treeId: string;
  readonly nodes: readonly TreeNode[];
  readonly wanted: Map<TreeNode, boolean>;
  next: number;
  nextAhead: number;
}

const rootPath = Buffer.from("/");

/** Every entry below the tree `treeId`, parents before their contents. A root tree that cannot be read is thrown. */
export async function* walk(
  repository: Repository,
  treeId: string,
  options: WalkOptions,
): AsyncGenerator<WalkEntry, void, undefined> {
  for await (const steps of walkSteps(repository, treeId, options))
    for (const step of steps) if (step.kind !== "leave") yield step;
}

/**
 * As `walk`, with a step also where a directory ends, and all steps together between which nothing had to be waited
 * for: one promise for each entry would cost as much as reading its node.
 */
export async function* walkSteps(
  repository: Repository,
  treeId: string,
  options: WalkOptions,
): AsyncGenerator<readonly WalkStep[], void, undefined> {
  const walker = new Walker(repository, await repository.loadIndex(), options);
  const stack = [walker.frame(rootPath, treeId, await repository.loadTree(treeId))];
  let steps: WalkStep[] = [];
  for (let top = stack.at(-1); top; top = stack.at(-1)) {
    walker.fetchAhead(top);
    const node = top.nodes[top.next++];
    if (!node) {
      stack.pop();
      steps.push({ kind: "leave", path: top.path, names: namesOf(top.nodes, options) });
      continue;
    }
    const path = joinPath(top.path, byteString(node.name));
    steps.push({ kind: node.type === "dir" ? "enter" : "entry", path, node });
    if (node.type === "dir") {
      const wanted = walker.wants(top, node, path);
      yield steps;
      steps = [];
      const frame = wanted ? await walker.open(path, node, stack) : null;
      if (frame) stack.push(frame);
      else steps.push({ kind: "leave", path, names: null });
    } else if (steps.length >= mostSteps) {
      yield steps;
      steps = [];
    }
  }
  yield steps;
}

function namesOf(nodes: readonly TreeNode[], { needsNames }: WalkOptions): ReadonlySet<string> | null {
  return needsNames ? new Set(nodes.map((each) => byteString(each.name))) : null;
}

class Walker {
  readonly #repository: Repository;
  readonly #index: BlobIndex;
  readonly #options: WalkOptions;
  readonly #ahead = new Map<string, Promise<Buffer>>();

  constructor(repository: Repository, index: BlobIndex, options: WalkOptions) {
    this.#repository = repository;
    this.#index = index;
    this.#options = options;
  }

  frame(path: Buffer, treeId: string, nodes: readonly TreeNode[]): Frame {
    return { path, treeId, nodes, wanted: new Map(), next: 0, nextAhead: 0 };
  }

  wants(frame: Frame, node: TreeNode, path: Buffer): boolean {
    const known = frame.wanted.get(node);
    frame.wanted.delete(node);
    return known ?? this.#options.enters?.(path, node) ?? true;
  }

  /** The contents of a directory; null when they cannot be read, which is reported. */
  async open(path: Buffer, node: TreeNode, ancestors: readonly Frame[]): Promise<Frame | null> {
    try {
      const treeId = node.subtree;
      if (treeId === null) throw new HoldfastError("damaged", "the directory has no tree");
      if (ancestors.length >= maximumDepth || ancestors.some((frame) => frame.treeId === treeId)) {
        throw new HoldfastError("hostile", `directories are nested without end at ${displayPath(path)}`);
      }
      const ahead = this.#ahead.get(treeId);
      this.#ahead.delete(treeId);
      const nodes = ahead ? parseTree(await ahead) : await this.#repository.loadTree(treeId);
      return this.frame(path, treeId, nodes);
    } catch (error) {
      if (!hasCode(error, "damaged") && !hasCode(error, "hostile") && !hasCode(error, "unsupported")) throw error;
      this.#options.report(path, error);
      return null;
    }
  }

  /** Begins to fetch the trees of the next subdirectories of `frame`. */
  fetchAhead(frame: Frame): void {
    frame.nextAhead = Math.max(frame.nextAhead, frame.next);
    while (frame.wanted.size < aheadOfEach && this.#ahead.size < aheadOfAll && frame.nextAhead < frame.nodes.length) {
      const node = frame.nodes[frame.nextAhead++]!;
      if (node.type !== "dir" || node.subtree === null) continue;
      const wanted = this.#options.enters?.(joinPath(frame.path, byteString(node.name)), node) ?? true;
      frame.wanted.set(node, wanted);
      if (wanted) this.#fetch(node.subtree);
    }
  }

  #fetch(treeId: string): void {
    if (this.#ahead.has(treeId)) return;
    const bytes = this.#index.locations(treeId, "tree")[0]?.lengthBytes ?? 0;
    if (bytes > aheadBytes) return;
    const load = this.#repository.loadBlob("tree", treeId);
    // A failure is met where the tree's turn comes.
    load.catch(() => undefined);
    this.#ahead.set(treeId, load);
  }
}
