// Looks for entries in the trees of many snapshots, and passes over what it knows to hold none.
import { hash } from "node:crypto";
import type { HoldfastError } from "../errors.ts";
import type { TreeNode } from "../format/node.ts";
import type { Repository } from "../store/repository.ts";
import { walkSteps } from "./walk.ts";

/** Some 100 bytes each. */
const rememberedTrees = 200_000;

export interface SearchOptions {
  /** `path` is absolute in the snapshot, raw bytes. */
  readonly matches: (path: Buffer, node: TreeNode) => boolean;
  /** False where nothing below a directory can match. */
  readonly enters: (path: Buffer, node: TreeNode) => boolean;
  /** A tree that cannot be read: what is below it is not searched. */
  readonly report: (path: Buffer, error: HoldfastError) => void;
  readonly signal?: AbortSignal | undefined;
}

export interface SearchHit {
  readonly path: Buffer;
  readonly node: TreeNode;
  /** The tree that holds the node. */
  readonly parentTree: string;
}

interface OpenDirectory {
  readonly treeId: string | null;
  readonly key: string;
  isBarren: boolean;
}

/**
 * Snapshots mostly share their trees: a tree in which nothing matched is not read again where it lies at the same path,
 * however many snapshots have it. The same options hold for all snapshots of one search.
 */
export class SnapshotSearch {
  readonly #repository: Repository;
  readonly #options: SearchOptions;
  readonly #barren = new Set<string>();

  constructor(repository: Repository, options: SearchOptions) {
    this.#repository = repository;
    this.#options = options;
  }

  /** Hits in the order of a walk. Whoever has enough may leave. Throws when the root tree cannot be read. */
  async *in(treeId: string): AsyncGenerator<SearchHit, void, undefined> {
    const { matches, enters, report, signal } = this.#options;
    const rootKey = keyOf(Buffer.from("/"), treeId);
    if (this.#barren.has(rootKey)) return;
    const open: OpenDirectory[] = [{ treeId, key: rootKey, isBarren: true }];
    const steps = walkSteps(this.#repository, treeId, {
      enters: (path, node) => enters(path, node) && !this.#barren.has(keyOf(path, node.subtree ?? "")),
      report: (path, error) => {
        for (const directory of open) directory.isBarren = false;
        report(path, error);
      },
    });
    for await (const some of steps) {
      signal?.throwIfAborted();
      for (const step of some) {
        if (step.kind === "leave") {
          const { key, isBarren } = open.pop()!;
          if (isBarren) this.#remember(key);
          continue;
        }
        const { path, node } = step;
        const parentTree = open.at(-1)?.treeId ?? treeId;
        const isHit = matches(path, node);
        if (isHit) for (const directory of open) directory.isBarren = false;
        if (step.kind === "enter")
          open.push({ treeId: node.subtree, key: keyOf(path, node.subtree ?? ""), isBarren: true });
        if (isHit) yield { path, node, parentTree };
      }
    }
  }

  #remember(key: string): void {
    this.#barren.add(key);
    if (this.#barren.size <= rememberedTrees) return;
    const [oldest] = this.#barren;
    this.#barren.delete(oldest!);
  }
}

function keyOf(path: Buffer, treeId: string): string {
  return hash("sha256", Buffer.concat([Buffer.from(treeId), path]), "base64");
}
