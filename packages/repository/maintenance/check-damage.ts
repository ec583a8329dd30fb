// Collects what a check finds while it runs: findings, and which copies of which blobs are lost.
import { HoldfastError } from "../errors.ts";
import type { BlobIndex, BlobType } from "../index/blob-index.ts";
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

/** Something that hurts snapshots; becomes a finding when it is known which. */
export interface Damage {
  readonly kind: "pack-missing" | "pack-damaged" | "blobs-missing" | "tree-invalid";
  /** The pack; null for blobs in no index. */
  readonly pack: string | null;
  /** Each once. */
  readonly problems: Set<string>;
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

  /** A pack is wrong, and these of its blobs cannot be read from it. */
  pack(name: string, kind: "pack-missing" | "pack-damaged", problem: string, blobs: Iterable<BlobKey> = []): void {
    let damage = this.#packs.get(name);
    if (!damage) this.#packs.set(name, (damage = { kind, pack: name, problems: new Set(), blobs: new Set() }));
    damage.problems.add(problem);
    for (const key of blobs) damage.blobs.add(key);
  }

  missingBlob(key: BlobKey): void {
    this.#missing ??= { kind: "blobs-missing", pack: null, problems: new Set(), blobs: new Set() };
    this.#missing.blobs.add(key);
  }

  invalidTree(id: string, pack: string | null, problem: string): void {
    const key = blobKey("tree", id);
    let damage = this.#invalidTrees.get(key);
    if (!damage)
      this.#invalidTrees.set(
        key,
        (damage = { kind: "tree-invalid", pack, problems: new Set(), blobs: new Set([key]) }),
      );
    damage.problems.add(problem);
  }

  /** True when it is known of every copy of a blob that it cannot be read. */
  isLost(index: BlobIndex, type: BlobType, id: string): boolean {
    return index.locations(id, type).every(({ pack }) => this.#packs.get(pack)?.blobs.has(blobKey(type, id)));
  }

  /** Which damages lose which blobs for good: a blob with a whole copy elsewhere is not lost. */
  lostBlobs(index: BlobIndex): Map<BlobKey, Damage[]> {
    const lost = new Map<BlobKey, Damage[]>();
    for (const damage of this.damages) {
      for (const key of damage.blobs) {
        const { type, id } = blobName(key);
        if (damage.kind === "tree-invalid" || this.isLost(index, type, id))
          lost.set(key, [...(lost.get(key) ?? []), damage]);
      }
    }
    return lost;
  }
}

/** The reason in words when an error concerns one file only and the check can go on; throws what ends it. */
export function problemOf(error: unknown): string {
  if (!(error instanceof HoldfastError) || error.code === "interrupted" || error.code === "internal") throw error;
  return error.code === "not-found" ? "it is missing" : error.message;
}
