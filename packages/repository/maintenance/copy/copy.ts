// Copies snapshots from one repository to another: only what is missing there, verified, never removing anything.
import { availableParallelism } from "node:os";
import { HoldfastError } from "../../errors.ts";
import { encodeSnapshot } from "../../format/snapshot.ts";
import type { BlobIndex } from "../../index/blob-index.ts";
import type { Repository, StoredSnapshot } from "../../store/repository.ts";
import { PackStore } from "../../writer/pack-store.ts";
import { BlobCarrier } from "./copy-blobs.ts";
import { CopyLosses } from "./copy-losses.ts";
import { copyOfSnapshot, planCopy } from "./copy-plan.ts";
import { CopyPool } from "./copy-pool.ts";
import type { CopyPlaces } from "./copy-walk.ts";
import { CopyWalk, eachId, readTreeFacts } from "./copy-walk.ts";

/** Snapshots are stored together when so much is to be copied for them: those that come first are soon there. */
const batchBytes = 1024 * 1024 * 1024;
const mostWorkers = 4;

export interface CopyRequest {
  /** Of the source, read before anything else of it; in the order in which they are to be copied. */
  readonly snapshots: readonly StoredSnapshot[];
  /** Resolves when the locks on both repositories are certain: nothing is written before. */
  readonly mayWrite: Promise<void>;
  readonly signal?: AbortSignal | undefined;
  /** Threads; as many as processors, at most four, if left out. */
  readonly workers?: number | undefined;
}

export type CopyEvent =
  /** The destination has it already, under the id `as`. */
  | { readonly kind: "present"; readonly snapshot: StoredSnapshot; readonly as: string }
  | { readonly kind: "copied"; readonly snapshot: StoredSnapshot; readonly as: string }
  /** Not stored, because a blob that it needs is damaged or missing in the source. */
  | { readonly kind: "failed"; readonly snapshot: StoredSnapshot; readonly error: HoldfastError }
  /** A snapshot of the destination that cannot be read: it may be a copy of one that is now copied again. */
  | { readonly kind: "damaged-there"; readonly id: string; readonly error: HoldfastError }
  /** Bytes are sealed ones in the source; the total is what is known to be needed so far. */
  | { readonly kind: "progress"; readonly blobs: number; readonly bytes: number; readonly totalBytes: number };

export interface CopyReport {
  readonly copied: number;
  readonly present: number;
  readonly failed: number;
  readonly blobs: number;
  /** What these blobs take in the source, and all packs that were written at the destination. */
  readonly bytes: number;
  readonly storedBytes: number;
}

/**
 * Copies the snapshots with everything that they need and the destination lacks. The caller holds shared locks on
 * both. Packs, then index, then snapshots, each durable before the next: however it ends, every snapshot that is there
 * is whole, and running it again goes on where it stopped. Blobs that are damaged or missing are an event for each
 * snapshot that needs them, and no error. Throws what a storage throws, `interrupted` after `signal`, and `damaged`
 * for an index that cannot be read, or when the destination's names packs that are gone: what is in these would not be
 * copied.
 */
export async function copy(
  source: Repository,
  destination: Repository,
  request: CopyRequest,
  listen: (event: CopyEvent) => void,
): Promise<CopyReport> {
  // The list of snapshots before the index: what they name is then in it.
  const { snapshots: there, damaged } = await destination.loadSnapshots();
  for (const { id, error } of damaged) listen({ kind: "damaged-there", id, error });
  const { missing, present } = planCopy(request.snapshots, there);
  for (const each of present) listen({ kind: "present", ...each });
  const nothing = { copied: 0, present: present.length, failed: 0, blobs: 0, bytes: 0, storedBytes: 0 };
  if (missing.length === 0) return nothing;
  const sourceIndex = await source.loadIndex();
  return destination.claiming(true, async () => {
    const destinationIndex = await destination.loadIndex();
    await requirePacks(destination, destinationIndex, request.mayWrite);
    await using pool = new CopyPool(source, destination, request.workers ?? workers());
    const losses = new CopyLosses(sourceIndex);
    const throwIfAborted = (): void => request.signal?.throwIfAborted();
    const places = { source, sourceIndex, destination, destinationIndex, pool, losses, throwIfAborted };
    const counts = await new Copying(places, request, listen).run(missing);
    return { ...nothing, ...counts };
  });
}

/** Only with the lock it is certain that nobody removes packs at this moment. */
async function requirePacks(destination: Repository, index: BlobIndex, mayWrite: Promise<void>): Promise<void> {
  const gone = new Set(index.packs);
  for await (const { name } of destination.storage.list("pack")) gone.delete(name);
  if (gone.size === 0) return;
  await mayWrite;
  const { location } = destination.storage;
  throw new HoldfastError("damaged", `${gone.size} of the packs that the index of ${location} names are gone`, {
    hint: "run `holdfast repo repair index` on it, then copy again: what was in them is then copied, too",
  });
}

class Copying {
  readonly #places: CopyPlaces;
  readonly #walk: CopyWalk;
  readonly #packs: PackStore;
  readonly #carrier: BlobCarrier;
  readonly #listen: (event: CopyEvent) => void;
  #totalBytes = 0;
  #copied = 0;
  #failed = 0;

  constructor(places: CopyPlaces, { mayWrite }: CopyRequest, listen: (event: CopyEvent) => void) {
    const { destination, destinationIndex } = places;
    this.#places = places;
    this.#walk = new CopyWalk(places);
    this.#packs = new PackStore(destination, destinationIndex, { dryRun: false, readBack: false, mayWrite });
    this.#carrier = new BlobCarrier(places, this.#packs, () => this.#tellProgress());
    this.#listen = listen;
  }

  async run(snapshots: readonly StoredSnapshot[]): Promise<Omit<CopyReport, "present">> {
    let batch: StoredSnapshot[] = [];
    for (const [at, snapshot] of snapshots.entries()) {
      await this.#walk.add(snapshot.tree);
      batch.push(snapshot);
      if (at < snapshots.length - 1 && this.#walk.neededBytes < batchBytes) continue;
      await this.#carry(batch);
      batch = [];
    }
    const { blobs, bytes } = this.#carrier.counts;
    return { copied: this.#copied, failed: this.#failed, blobs, bytes, storedBytes: this.#packs.storedBytes };
  }

  async #carry(batch: readonly StoredSnapshot[]): Promise<void> {
    this.#totalBytes += this.#walk.neededBytes;
    this.#tellProgress();
    await this.#carrier.carry(this.#walk.take());
    for (const snapshot of batch) {
      this.#places.throwIfAborted();
      await this.#store(snapshot);
    }
  }

  async #store(snapshot: StoredSnapshot): Promise<void> {
    const cause = await this.#places.losses.below(snapshot.tree, (tree) => this.#namesIn(tree));
    if (cause) {
      this.#failed++;
      const message = `the snapshot ${snapshot.id} cannot be copied: ${cause.message}`;
      const context = { ...cause.context, snapshot: snapshot.id };
      const error = new HoldfastError("damaged", message, { context, cause });
      return this.#listen({ kind: "failed", snapshot, error });
    }
    const as = await this.#places.destination.saveUnpacked("snapshot", encodeSnapshot(copyOfSnapshot(snapshot)));
    this.#copied++;
    this.#listen({ kind: "copied", snapshot, as });
  }

  async #namesIn(tree: string): Promise<{ content: string[]; subtrees: string[] }> {
    const { content, subtrees } = await readTreeFacts(this.#places, tree);
    const texts = (ids: Uint8Array<ArrayBuffer>): string[] => Array.from(eachId(ids), (id) => id.toString("hex"));
    return { content: texts(content), subtrees: texts(subtrees) };
  }

  #tellProgress(): void {
    this.#listen({ kind: "progress", ...this.#carrier.counts, totalBytes: this.#totalBytes });
  }
}

function workers(): number {
  return Math.min(mostWorkers, availableParallelism());
}
