// Collects what a check finds while it runs: findings, and which copies of which blobs are lost.
import { HoldfastError } from "../../errors.ts";
import type { BlobIndex, BlobType } from "../../index/blob-index.ts";
import type { BlobName, Finding } from "./check-report.ts";

/** One word for a blob in maps and sets. */
export type BlobKey = `${BlobType} ${string}`;

export function blobKey(type: BlobType, id: string): BlobKey {
  return `${type} ${id}`;
}

export function blobName(key: BlobKey): BlobName {
  const [type, id] = key.split(" ") as [BlobType, string];
  return { type, id };
}

/** In a disaster not every problem and every blob is kept: that would fill the memory. */
const problemsKept = 100;
const missingBlobsKept = 100_000;

/** Something that hurts snapshots; becomes a finding when it is known which. */
export interface Damage {
  readonly kind: "pack-missing" | "pack-damaged" | "blobs-missing" | "tree-invalid";
  /** The pack; null for blobs in no index. */
  readonly pack: string | null;
  /** The first of them, each once. */
  readonly problems: Set<string>;
  /** Nothing in the pack can be read: then `blobs` is empty. */
  isWhole: boolean;
  /** Of blobs in no index the first 100,000. */
  readonly blobs: Set<BlobKey>;
}

export class DamageLog {
  readonly findings: Finding[] = [];
  readonly #packs = new Map<string, Damage>();
  readonly #invalidTrees = new Map<BlobKey, Damage>();
  #missing: Damage | null = null;

  get damages(): readonly Damage[] {
    return [...this.#packs.values(), ...this.#invalidTrees.values(), ...(this.#missing ? [this.#missing] : [])];
  }

  add(finding: Finding): void {
    this.findings.push(finding);
  }

  /** A pack is wrong, and these of its blobs, or all, cannot be read from it. */
  pack(
    name: string,
    kind: "pack-missing" | "pack-damaged",
    problem: string,
    blobs: Iterable<BlobKey> | "all" = [],
  ): void {
    let damage = this.#packs.get(name);
    if (!damage) this.#packs.set(name, (damage = newDamage(kind, name)));
    if (damage.problems.size < problemsKept) damage.problems.add(problem);
    if (blobs === "all") return this.losesAll(name);
    if (!damage.isWhole) for (const key of blobs) damage.blobs.add(key);
  }

  /** No blob of a pack that is known to be wrong can be read. */
  losesAll(name: string): void {
    const damage = this.#packs.get(name);
    if (!damage) return;
    damage.isWhole = true;
    damage.blobs.clear();
  }

  missingBlob(key: BlobKey): void {
    this.#missing ??= newDamage("blobs-missing", null);
    if (this.#missing.blobs.size < missingBlobsKept) this.#missing.blobs.add(key);
  }

  invalidTree(id: string, pack: string | null, problem: string): void {
    const key = blobKey("tree", id);
    let damage = this.#invalidTrees.get(key);
    if (!damage) this.#invalidTrees.set(key, (damage = newDamage("tree-invalid", pack, [key])));
    if (damage.problems.size < problemsKept) damage.problems.add(problem);
  }

  /** True when it is known of every copy of a blob that it cannot be read. */
  isLost(index: BlobIndex, type: BlobType, id: string): boolean {
    return index.locations(id, type).every(({ pack }) => this.#losesCopy(this.#packs.get(pack), type, id));
  }

  /** True when anything may be lost for a snapshot. */
  get losesBlobs(): boolean {
    return this.damages.some(({ isWhole, blobs }) => isWhole || blobs.size > 0);
  }

  /** Which damages lose a blob for good; none for one with a whole copy somewhere. */
  damagesOf(index: BlobIndex, type: BlobType, id: string): Damage[] {
    const found: Damage[] = [];
    const invalid = type === "tree" ? this.#invalidTrees.get(blobKey(type, id)) : undefined;
    if (invalid) found.push(invalid);
    const locations = index.locations(id, type);
    if (locations.length === 0) return this.#missing ? [...found, this.#missing] : found;
    const losing: Damage[] = [];
    for (const { pack } of locations) {
      const damage = this.#packs.get(pack);
      if (!damage || !this.#losesCopy(damage, type, id)) return found;
      losing.push(damage);
    }
    return [...found, ...losing];
  }

  #losesCopy(damage: Damage | undefined, type: BlobType, id: string): boolean {
    return damage !== undefined && (damage.isWhole || damage.blobs.has(blobKey(type, id)));
  }
}

function newDamage(kind: Damage["kind"], pack: string | null, blobs: readonly BlobKey[] = []): Damage {
  return { kind, pack, problems: new Set(), isWhole: false, blobs: new Set(blobs) };
}

/** The reason in words when an error concerns one file only and the check can go on; throws what ends it. */
export function problemOf(error: unknown): string {
  if (!(error instanceof HoldfastError) || error.code === "interrupted" || error.code === "internal") throw error;
  return error.code === "not-found" ? "it is missing" : error.message;
}
