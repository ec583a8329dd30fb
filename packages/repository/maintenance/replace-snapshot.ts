// Stores changed forms of snapshots, each durable before the old one may go, and finishes what a crash left.
import { hasCode, HoldfastError } from "../errors.ts";
import type { Snapshot } from "../format/snapshot.ts";
import { encodeSnapshot } from "../format/snapshot.ts";
import type { Repository, StoredSnapshot } from "../store/repository.ts";

export interface SnapshotReplaceOptions {
  /**
   * What `original` of the new form names. `previous`: the snapshot it was made of, as restic's `rewrite` and `repair
   * snapshots` do. `first`: what `original` named before, if it did, as restic's `tag` does.
   */
  readonly original: "previous" | "first";
  /** Needs an exclusive lock. */
  readonly removeOld: boolean;
  /** Resolves when the lock is settled: nothing is written before. */
  readonly mayWrite: Promise<void>;
  readonly signal?: AbortSignal | undefined;
}

/** What of a snapshot may change. Fields that are not known stay as they are. */
export type SnapshotChange = Partial<Omit<Snapshot, "original" | "unknownFields">>;

/**
 * Replaces any number of snapshots, one call each. Of a crash at any moment either the old form is left, or both, never
 * neither. When both are left and the same change is made again, the form that is there is taken for the new one: only
 * the old one has still to go.
 */
export class SnapshotReplacer {
  readonly #repository: Repository;
  readonly #options: SnapshotReplaceOptions;
  readonly #byOriginal = new Map<string, StoredSnapshot[]>();

  /** `stored`: all snapshots of the repository. */
  constructor(repository: Repository, stored: readonly StoredSnapshot[], options: SnapshotReplaceOptions) {
    this.#repository = repository;
    this.#options = options;
    for (const snapshot of stored) this.#register(snapshot);
  }

  /**
   * The id of the new form. Everything that `change` names (a tree) must be durable before. Throws what storing throws;
   * a snapshot that is gone already counts as removed.
   */
  async replace(old: StoredSnapshot, change: SnapshotChange): Promise<string> {
    const { id: oldId, ...content } = old;
    const original = this.#options.original === "first" ? (old.original ?? oldId) : oldId;
    const json = encodeSnapshot({ ...content, ...change, original });
    await this.#ready();
    const id = this.#find(original, oldId, json) ?? (await this.#repository.saveUnpacked("snapshot", json));
    this.#register({ ...content, ...change, original, id });
    if (this.#options.removeOld) await this.remove(oldId);
    return id;
  }

  /** Removes a snapshot that needs no new form, because nothing is left of it. */
  async remove(id: string): Promise<void> {
    await this.#ready();
    try {
      await this.#repository.storage.remove("snapshot", id);
    } catch (error) {
      if (!hasCode(error, "not-found")) throw error;
    }
  }

  async #ready(): Promise<void> {
    const { mayWrite, signal } = this.#options;
    await mayWrite;
    if (signal?.aborted)
      throw new HoldfastError("interrupted", "changing snapshots was interrupted", { cause: signal.reason });
  }

  /** A snapshot other than the old one that holds the very same. */
  #find(original: string, oldId: string, json: Buffer): string | null {
    const same = this.#byOriginal.get(original)?.find(({ id, ...content }) => {
      return id !== oldId && encodeSnapshot(content).equals(json);
    });
    return same?.id ?? null;
  }

  #register(snapshot: StoredSnapshot): void {
    if (snapshot.original === null) return;
    const list = this.#byOriginal.get(snapshot.original);
    if (list) list.push(snapshot);
    else this.#byOriginal.set(snapshot.original, [snapshot]);
  }
}
