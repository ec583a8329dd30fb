// Tells which snapshots and which files a damage hurts, by walking down to the blobs that are lost.
import type { TreeNode } from "../../format/node.ts";
import { parseTree } from "../../format/tree.ts";
import { HoldfastError } from "../../errors.ts";
import type { BlobIndex, BlobType } from "../../index/blob-index.ts";
import type { BlobReader } from "../../store/blob-reader.ts";
import type { Repository, StoredSnapshot } from "../../store/repository.ts";
import type { Damage, DamageLog } from "./check-damage.ts";
import type { HurtGroup } from "./check-report.ts";
import { namedAtMost, snapshotsNamedAtMost } from "./check-report.ts";
import { blobReader } from "./check-trees.ts";

/** So many damages are told apart; what all further ones hurt is said together. */
const damagesToldApart = 255;
/** Further paths of one damage are not told apart, nor of all damages together, to bound the memory of a disaster. */
const countedAtMost = 10_000;
const pathsInAllAtMost = 100_000;

/** What one damage, or all beyond those told apart, does to the snapshots of one group. */
interface GroupImpact {
  readonly snapshots: string[];
  snapshotCount: number;
  /** Paths as byte strings. */
  readonly paths: Set<string>;
}

export type Impact = ReadonlyMap<string | null, GroupImpact>;

export interface Impacts {
  /** Nothing for a damage that hurts no snapshot. */
  of(damage: Damage): Impact | undefined;
  /** True for damages after the first of those that are not told apart: what they hurt is said with that one. */
  isSaidBefore(damage: Damage): boolean;
}

export interface ImpactQuestion {
  readonly index: BlobIndex;
  readonly snapshots: readonly StoredSnapshot[];
  readonly log: DamageLog;
  readonly groupOf: (snapshot: StoredSnapshot) => string | null;
  readonly throwIfAborted: () => void;
}

/** What is hurt by each damage. Memory: four bytes a blob, and what the limits above allow. */
export async function findImpact(repository: Repository, question: ImpactQuestion): Promise<Impacts> {
  const { log, snapshots, groupOf } = question;
  const finder = new ImpactFinder(repository, question);
  if (!log.losesBlobs) return finder;
  for (const snapshot of snapshots) await finder.addSnapshot(snapshot.id, snapshot.tree, groupOf(snapshot));
  return finder;
}

/** A set of damages: bit n stands for the n-th, the last bit for all that are not told apart. */
type DamageSet = bigint;

const notVisited = 0;

class ImpactFinder implements Impacts {
  readonly #impacts: Map<string | null, GroupImpact>[] = [];
  readonly #numbers = new Map<Damage, number>();
  readonly #index: BlobIndex;
  readonly #log: DamageLog;
  readonly #reader: BlobReader;
  readonly #throwIfAborted: () => void;
  /** What hurts a tree or anything below it: by the tree's entry in the index, one more than a place in `#sets`. */
  readonly #below: Uint32Array;
  readonly #sets: DamageSet[] = [];
  readonly #setNumbers = new Map<DamageSet, number>();
  /** Trees at paths that were walked for a group: other snapshots of it have nothing new there. */
  readonly #walked = new Set<string>();
  #pathsInAll = 0;

  constructor(repository: Repository, { index, log, throwIfAborted }: ImpactQuestion) {
    this.#index = index;
    this.#log = log;
    this.#reader = blobReader(repository);
    this.#throwIfAborted = throwIfAborted;
    this.#below = new Uint32Array(log.losesBlobs ? index.size : 0);
    for (const [at, damage] of log.damages.entries()) this.#numbers.set(damage, at);
  }

  of(damage: Damage): Impact | undefined {
    return this.isSaidBefore(damage) ? undefined : this.#impacts[this.#bitOf(damage)];
  }

  isSaidBefore(damage: Damage): boolean {
    return this.#numbers.get(damage)! > damagesToldApart;
  }

  #bitOf(damage: Damage): number {
    return Math.min(this.#numbers.get(damage)!, damagesToldApart);
  }

  async addSnapshot(snapshot: string, tree: string, group: string | null): Promise<void> {
    const damages = await this.#damagesBelow(tree);
    for (const bit of bitsOf(damages)) {
      const impact = this.#impactOf(bit, group);
      impact.snapshotCount++;
      if (impact.snapshots.length < snapshotsNamedAtMost) impact.snapshots.push(snapshot);
    }
    if (damages !== 0n) await this.#addPaths(tree, "", group);
  }

  #impactOf(bit: number, group: string | null): GroupImpact {
    const groups = (this.#impacts[bit] ??= new Map());
    let impact = groups.get(group);
    if (!impact) groups.set(group, (impact = { snapshots: [], snapshotCount: 0, paths: new Set() }));
    return impact;
  }

  #setOf(type: BlobType, id: string): DamageSet {
    let set = 0n;
    for (const damage of this.#log.damagesOf(this.#index, type, id)) set |= 1n << BigInt(this.#bitOf(damage));
    return set;
  }

  async #damagesBelow(tree: string): Promise<DamageSet> {
    const entry = this.#index.entryOf(Buffer.from(tree, "hex"), "tree");
    const known = entry < 0 ? notVisited : this.#below[entry]!;
    if (known !== notVisited) return this.#sets[known - 1]!;
    this.#throwIfAborted();
    let found = this.#setOf("tree", tree);
    for (const node of await this.#nodes(tree)) {
      found |= this.#setOfContent(node);
      if (node.subtree !== null) found |= await this.#damagesBelow(node.subtree);
    }
    if (entry >= 0) this.#below[entry] = this.#numberOf(found) + 1;
    return found;
  }

  #numberOf(set: DamageSet): number {
    let number = this.#setNumbers.get(set);
    if (number === undefined) this.#setNumbers.set(set, (number = this.#sets.push(set) - 1));
    return number;
  }

  async #addPaths(tree: string, path: string, group: string | null): Promise<void> {
    const step = `${tree} ${path} ${group}`;
    if (this.#walked.has(step) || this.#walked.size >= pathsInAllAtMost) return;
    this.#walked.add(step);
    this.#throwIfAborted();
    this.#addPath(this.#setOf("tree", tree), path === "" ? "/" : path, group);
    for (const node of await this.#nodes(tree)) {
      const below = `${path}/${node.name.toString("latin1")}`;
      this.#addPath(this.#setOfContent(node), below, group);
      if (node.subtree !== null && (await this.#damagesBelow(node.subtree)) !== 0n)
        await this.#addPaths(node.subtree, below, group);
    }
  }

  #addPath(damages: DamageSet, path: string, group: string | null): void {
    for (const bit of bitsOf(damages)) {
      const { paths } = this.#impactOf(bit, group);
      // The first of each group are always named.
      const hasRoom = this.#pathsInAll < pathsInAllAtMost || paths.size < namedAtMost;
      if (paths.size >= countedAtMost || !hasRoom || paths.has(path)) continue;
      paths.add(path);
      this.#pathsInAll++;
    }
  }

  #setOfContent({ content }: TreeNode): DamageSet {
    let found = 0n;
    for (const id of content ?? []) found |= this.#setOf("data", id);
    return found;
  }

  /** None for a tree that cannot be read: it was found before. */
  async #nodes(tree: string): Promise<readonly TreeNode[]> {
    const damages = this.#log.damagesOf(this.#index, "tree", tree);
    if (damages.some(({ kind }) => kind !== "tree-invalid")) return [];
    try {
      return parseTree(await this.#reader.load(this.#index, "tree", tree));
    } catch (error) {
      if (error instanceof HoldfastError && error.code !== "interrupted" && error.code !== "internal") return [];
      throw error;
    }
  }
}

function* bitsOf(set: DamageSet): Generator<number> {
  for (let bit = 0, left = set; left !== 0n; bit++, left >>= 1n) if ((left & 1n) !== 0n) yield bit;
}

/** An impact as a finding tells it: of all snapshots together, and of each group that has a name. */
export function describeImpact(impact: Impact | undefined): Omit<HurtGroup, "name"> & { groups: HurtGroup[] } {
  const groups = [...(impact ?? [])];
  const paths = new Set(groups.flatMap(([, each]) => [...each.paths]));
  return {
    snapshots: groups.flatMap(([, { snapshots }]) => snapshots).slice(0, snapshotsNamedAtMost),
    snapshotCount: groups.reduce((sum, [, { snapshotCount }]) => sum + snapshotCount, 0),
    ...firstPaths(paths),
    groups: groups.flatMap(([name, { snapshots, snapshotCount, paths: own }]) =>
      name === null ? [] : [{ name, snapshots, snapshotCount, ...firstPaths(own) }],
    ),
  };
}

function firstPaths(paths: ReadonlySet<string>): { paths: Buffer[]; pathCount: number } {
  const first = [...paths.values().take(namedAtMost)];
  return { paths: first.map((path) => Buffer.from(path, "latin1")), pathCount: paths.size };
}
