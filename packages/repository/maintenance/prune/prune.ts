// Applies the plan of a prune: keeps what is needed before it removes anything.
import { hasCode, HoldfastError } from "../../errors.ts";
import { encodeIndex } from "../../format/index-file.ts";
import type { Repository } from "../../store/repository.ts";
import { forEachAtOnce } from "../../store/repository.ts";
import type { PruneEvent, PrunePhase, PrunePlan } from "./plan-prune.ts";
import { namesIn, throwIfPruneAborted } from "./plan-prune.ts";
import type { PruneStatistics } from "./prune-plan.ts";
import { repack } from "./repack.ts";
import { packedBlob } from "../repair/repair-index.ts";
import type { PackListing } from "../replace-index.ts";
import { replaceIndex } from "../replace-index.ts";

const removalsAtOnce = 8;

export interface PruneReport {
  /** As planned. */
  readonly statistics: PruneStatistics;
  /** What was written to keep the used blobs of packs that were removed. */
  readonly repacked: { readonly blobs: number; readonly packs: number; readonly bytes: number };
  readonly packsRemoved: number;
  readonly indexFilesRemoved: number;
}

/**
 * Does what `planPrune` has planned for this repository; the caller still holds the exclusive lock under which that
 * was made. In this order: used blobs into new packs, these into the index, a new index without the packs that go, the
 * old index away, and last the packs. Stopped anywhere, by a crash, an error or the plan's signal, every snapshot is
 * whole, and the next prune finishes: what was repacked then counts as copies, of which one is kept.
 *
 * Throws `locked` when the repository is not as it was when the plan was made; `damaged` when a blob that is needed
 * cannot be read, before anything was removed; `refused`, before anything was written, by a server that lets nobody
 * remove. Nothing but index and packs is removed; the cache forgets them too.
 */
export async function applyPrune(
  repository: Repository,
  plan: PrunePlan,
  listener: (event: PruneEvent) => void,
): Promise<PruneReport> {
  const { decision, signal } = plan;
  const report = { statistics: decision.statistics, repacked: { blobs: 0, packs: 0, bytes: 0 } };
  if (!plan.isNeeded) return { ...report, packsRemoved: 0, indexFilesRemoved: 0 };
  const progress = (phase: PrunePhase, done: number, total: number): void =>
    listener({ kind: "progress", phase, done, total });
  throwIfPruneAborted(signal);
  await requireUnchanged(repository, plan);
  await requireRemovable(repository);
  const leaving = new Set([...decision.repack.map(({ name }) => name), ...decision.remove, ...decision.forget]);
  // Space for the new index; when blobs are moved, these packs may hold the only good copy of one.
  const removesRubbishFirst = decision.repack.length === 0;
  const rubbish = decision.unreferenced;
  let packsRemoved = 0;
  const packsToRemove = decision.repack.length + decision.remove.length + rubbish.length;
  const remove = async (packs: readonly string[]): Promise<void> => {
    await forEachAtOnce(packs, removalsAtOnce, async (name) => {
      throwIfPruneAborted(signal);
      await removePack(repository, name);
      progress("remove", ++packsRemoved, packsToRemove);
    });
  };
  if (removesRubbishFirst) await remove(rubbish);
  const repacked = removesRubbishFirst ? report.repacked : await moveBlobs(repository, plan, leaving, progress);
  // Moving takes long: a snapshot that somebody without a lock made meanwhile may need what is to go.
  await requireSnapshots(repository, plan);
  const indexFilesRemoved = plan.replacesIndex ? await writeIndex(repository, plan, leaving, progress) : 0;
  await remove([...decision.repack.map(({ name }) => name), ...decision.remove]);
  if (!removesRubbishFirst) await remove(rubbish);
  return { ...report, repacked, packsRemoved, indexFilesRemoved };
}

function moveBlobs(
  repository: Repository,
  { decision, checked, marks, compressData, indexFiles, signal }: PrunePlan,
  leaving: ReadonlySet<string>,
  progress: (phase: PrunePhase, done: number, total: number) => void,
): Promise<PruneReport["repacked"]> {
  const packs = new Set(decision.repack.map(({ name }) => name));
  return repack(repository, {
    checked,
    marks,
    packs,
    stays: (pack) => !leaving.has(pack),
    compressData,
    indexFiles: new Set(indexFiles),
    throwIfAborted: () => throwIfPruneAborted(signal),
    onProgress: (done) => progress("repack", done, packs.size),
  });
}

async function writeIndex(
  repository: Repository,
  plan: PrunePlan,
  leaving: ReadonlySet<string>,
  progress: (phase: PrunePhase, done: number, total: number) => void,
): Promise<number> {
  const { removed } = await replaceIndex(repository, {
    packs: stayingPacks(plan, leaving),
    oldIndexes: plan.indexFiles,
    signal: plan.signal,
    onProgress: (done) => progress("replace-index", done.removed, plan.indexFiles.length),
  });
  return removed;
}

function* stayingPacks({ checked }: PrunePlan, leaving: ReadonlySet<string>): Generator<PackListing> {
  for (const { pack, blobs } of checked.contents())
    if (!leaving.has(pack.name)) yield { id: pack.name, blobs: blobs.map(packedBlob) };
}

async function requireUnchanged(repository: Repository, plan: PrunePlan): Promise<void> {
  await requireSnapshots(repository, plan);
  if (!areSame(await namesIn(repository, "index"), plan.indexFiles)) throw changed("index");
}

async function requireSnapshots(repository: Repository, plan: PrunePlan): Promise<void> {
  const present = new Set(plan.snapshots);
  for (const name of await namesIn(repository, "snapshot")) if (!present.has(name)) throw changed("snapshots");
}

function areSame(some: readonly string[], others: readonly string[]): boolean {
  const set = new Set(some);
  return set.size === others.length && others.every((name) => set.has(name));
}

function changed(what: string): HoldfastError {
  return new HoldfastError("locked", `the ${what} changed while the prune was prepared: nothing was removed`, {
    hint: "something works on the repository without heeding the lock; stop it, then prune again",
  });
}

/** An index file of nothing, stored and removed: whoever may not remove learns it before anything else is written. */
async function requireRemovable(repository: Repository): Promise<void> {
  const name = await repository.saveUnpacked("index", encodeIndex([]));
  try {
    await repository.storage.remove("index", name);
  } catch (error) {
    if (!hasCode(error, "refused") && !hasCode(error, "permission")) throw error;
    throw new HoldfastError(error.code, `nothing can be removed from ${repository.storage.location}`, {
      hint: "prune with access that may delete: an append-only server, or the mode of a directory, forbids it here",
      cause: error,
    });
  }
}

async function removePack(repository: Repository, name: string): Promise<void> {
  try {
    await repository.storage.remove("pack", name);
  } catch (error) {
    if (!hasCode(error, "not-found")) throw error;
  }
}
