// Tells which snapshots and which files a damage hurts, by walking down to the blobs that are lost.
import type { TreeNode } from "../format/node.ts";
import { parseTree } from "../format/tree.ts";
import { HoldfastError } from "../errors.ts";
import type { BlobIndex } from "../index/blob-index.ts";
import type { BlobReader } from "../store/blob-reader.ts";
import type { Repository, StoredSnapshot } from "../store/repository.ts";
import type { BlobKey, Damage } from "./check-damage.ts";
import { blobKey } from "./check-damage.ts";
import { namedAtMost } from "./check-report.ts";
import { blobReader } from "./check-trees.ts";

/** Further paths are not told apart, to bound the memory of a disaster. */
const countedAtMost = 10_000;

export interface Impact {
  readonly snapshots: Set<string>;
  /** Paths as byte strings. */
  readonly paths: Set<string>;
}

const nothing: ReadonlySet<Damage> = new Set();

/** What is hurt by each damage; one without an entry hurts no snapshot. */
export async function findImpact(
  repository: Repository,
  index: BlobIndex,
  snapshots: readonly StoredSnapshot[],
  lost: ReadonlyMap<BlobKey, readonly Damage[]>,
  throwIfAborted: () => void,
): Promise<Map<Damage, Impact>> {
  if (lost.size === 0) return new Map();
  const finder = new ImpactFinder(repository, index, lost, throwIfAborted);
  for (const { id, tree } of snapshots) await finder.addSnapshot(id, tree);
  return finder.impacts;
}

class ImpactFinder {
  readonly impacts = new Map<Damage, Impact>();
  readonly #index: BlobIndex;
  readonly #lost: ReadonlyMap<BlobKey, readonly Damage[]>;
  readonly #reader: BlobReader;
  readonly #throwIfAborted: () => void;
  /** What hurts a tree or anything below it. */
  readonly #below = new Map<string, ReadonlySet<Damage>>();

  constructor(
    repository: Repository,
    index: BlobIndex,
    lost: ReadonlyMap<BlobKey, readonly Damage[]>,
    throwIfAborted: () => void,
  ) {
    this.#index = index;
    this.#lost = lost;
    this.#reader = blobReader(repository);
    this.#throwIfAborted = throwIfAborted;
  }

  async addSnapshot(snapshot: string, tree: string): Promise<void> {
    const damages = await this.#damagesBelow(tree);
    for (const damage of damages) this.#impactOf(damage).snapshots.add(snapshot);
    if (damages.size > 0) await this.#addPaths(tree, "");
  }

  #impactOf(damage: Damage): Impact {
    let impact = this.impacts.get(damage);
    if (!impact) this.impacts.set(damage, (impact = { snapshots: new Set(), paths: new Set() }));
    return impact;
  }

  async #damagesBelow(tree: string): Promise<ReadonlySet<Damage>> {
    const known = this.#below.get(tree);
    if (known) return known;
    this.#throwIfAborted();
    const found = new Set<Damage>(this.#lost.get(blobKey("tree", tree)));
    for (const node of await this.#nodes(tree)) {
      for (const damage of this.#damagesOfContent(node)) found.add(damage);
      if (node.subtree !== null) for (const damage of await this.#damagesBelow(node.subtree)) found.add(damage);
    }
    this.#below.set(tree, found.size === 0 ? nothing : found);
    return found;
  }

  async #addPaths(tree: string, path: string): Promise<void> {
    for (const damage of this.#lost.get(blobKey("tree", tree)) ?? []) this.#addPath(damage, path === "" ? "/" : path);
    for (const node of await this.#nodes(tree)) {
      const below = `${path}/${node.name.toString("latin1")}`;
      for (const damage of this.#damagesOfContent(node)) this.#addPath(damage, below);
      if (node.subtree !== null && this.#isWorthwhile(await this.#damagesBelow(node.subtree)))
        await this.#addPaths(node.subtree, below);
    }
  }

  #addPath(damage: Damage, path: string): void {
    const { paths } = this.#impactOf(damage);
    if (paths.size < countedAtMost) paths.add(path);
  }

  #isWorthwhile(damages: ReadonlySet<Damage>): boolean {
    for (const damage of damages) if (this.#impactOf(damage).paths.size < countedAtMost) return true;
    return false;
  }

  #damagesOfContent({ content }: TreeNode): Set<Damage> {
    const found = new Set<Damage>();
    for (const id of content ?? []) for (const damage of this.#lost.get(blobKey("data", id)) ?? []) found.add(damage);
    return found;
  }

  /** None for a tree that cannot be read: it was found before. */
  async #nodes(tree: string): Promise<readonly TreeNode[]> {
    const damages = this.#lost.get(blobKey("tree", tree));
    if (damages?.some(({ kind }) => kind !== "tree-invalid")) return [];
    try {
      return parseTree(await this.#reader.load(this.#index, "tree", tree));
    } catch (error) {
      if (error instanceof HoldfastError && error.code !== "interrupted" && error.code !== "internal") return [];
      throw error;
    }
  }
}

/** An impact as a finding tells it. */
export function describeImpact(impact: Impact | undefined): {
  snapshots: string[];
  paths: Buffer[];
  pathCount: number;
} {
  const paths = [...(impact?.paths ?? [])];
  return {
    snapshots: [...(impact?.snapshots ?? [])],
    paths: paths.slice(0, namedAtMost).map((path) => Buffer.from(path, "latin1")),
    pathCount: paths.length,
  };
}
