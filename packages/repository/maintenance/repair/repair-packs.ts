// Salvages damaged packs: what can still be read moves to new packs, the index forgets the old ones, then they go.
import { hasCode, HoldfastError } from "../../errors.ts";
import type { PackedBlob } from "../../format/pack.ts";
import { BlobIndex } from "../../index/blob-index.ts";
import type { Repository } from "../../store/repository.ts";
import { BlobSaver } from "../../writer/blob-saver.ts";
import { PackStore } from "../../writer/pack-store.ts";
import { DamageLog } from "../check/check-damage.ts";
import { CheckedIndex } from "../check/check-index.ts";
import { readPackBlobs } from "../pack-blobs.ts";
import { readPackHeader } from "../read-pack-header.ts";
import { packedBlob } from "./repair-index.ts";
import { replaceIndex } from "../replace-index.ts";

export interface LostBlob {
  readonly blob: PackedBlob;
  /** Why it cannot be read. */
  readonly message: string;
  /** True when the index knows the blob in a pack that is not among the named ones: then nothing is lost. */
  readonly isElsewhere: boolean;
}

/** What became known of one named pack. */
export interface PackSalvage {
  readonly pack: string;
  /** Null when the file is gone. */
  readonly sizeBytes: number | null;
  /** Read, opened, and equal to their ids. */
  readonly readable: readonly PackedBlob[];
  readonly lost: readonly LostBlob[];
}

export interface RepairPacksPlan {
  readonly packs: readonly PackSalvage[];
  /** The index without the named packs, for the new index files. */
  readonly index: CheckedIndex;
  readonly oldIndexes: readonly string[];
}

export interface RepairPacksOptions {
  readonly signal?: AbortSignal | undefined;
  /** Packs of those that were named. */
  readonly onProgress?: ((phase: RepairPacksPhase, done: number, total: number) => void) | undefined;
}

export type RepairPacksPhase = "read" | "copy" | "salvage" | "replace" | "remove";

/**
 * Reads the named packs and tells which of their blobs are whole: those that the index or the pack's own header speaks
 * of. Changes nothing. The caller holds an exclusive lock, and opened the repository without a cache. Throws
 * `not-found` for a name that neither the storage nor the index knows, `damaged` when an index file cannot be read
 * (repair the index first), and what the storage throws: what cannot be read for now is not taken for lost.
 */
export async function planRepairPacks(
  repository: Repository,
  names: readonly string[],
  options: RepairPacksOptions = {},
): Promise<RepairPacksPlan> {
  const log = new DamageLog();
  const index = await CheckedIndex.read(repository, log, () => undefined);
  const unreadable = log.findings.find(({ kind }) => kind === "file-damaged");
  if (unreadable) {
    throw new HoldfastError("damaged", unreadable.message, {
      hint: "run `holdfast repo repair index` first: what this file knows of the packs is needed",
    });
  }
  const oldIndexes = (await Array.fromAsync(repository.storage.list("index"))).map(({ name }) => name);
  const wanted = new Set(names);
  const indexed = new Map<string, PackedBlob[]>();
  for (const { pack, blobs } of index.contents())
    if (wanted.has(pack.name)) indexed.set(pack.name, blobs.map(packedBlob));
  const packs: PackSalvage[] = [];
  for (const pack of wanted) {
    throwIfAborted(options.signal);
    packs.push(await look(repository, pack, indexed.get(pack) ?? null, { wanted, index: index.index }));
    options.onProgress?.("read", packs.length, wanted.size);
  }
  return { packs, index, oldIndexes };
}

async function look(
  repository: Repository,
  pack: string,
  indexed: readonly PackedBlob[] | null,
  { wanted, index }: { readonly wanted: ReadonlySet<string>; readonly index: BlobIndex },
): Promise<PackSalvage> {
  const sizeBytes = await sizeOf(repository, pack);
  if (sizeBytes === null && indexed === null)
    throw new HoldfastError("not-found", `there is no pack ${pack}, and no index speaks of one`);
  const header = sizeBytes === null ? [] : await headerOf(repository, pack, sizeBytes);
  const readable: PackedBlob[] = [];
  const lost: LostBlob[] = [];
  for await (const found of readPackBlobs(repository, pack, union(indexed ?? [], header))) {
    if (!("error" in found)) readable.push(found.blob);
    else lost.push({ blob: found.blob, message: found.error.message, isElsewhere: false });
  }
  const isReadable = new Set(readable.map(({ type, id }) => `${type} ${id}`));
  const elsewhere = ({ type, id }: PackedBlob): boolean =>
    isReadable.has(`${type} ${id}`) || index.locations(id, type).some((location) => !wanted.has(location.pack));
  return { pack, sizeBytes, readable, lost: lost.map((each) => ({ ...each, isElsewhere: elsewhere(each.blob) })) };
}

async function sizeOf(repository: Repository, pack: string): Promise<number | null> {
  try {
    return (await repository.storage.stat("pack", pack)).sizeBytes;
  } catch (error) {
    if (hasCode(error, "not-found")) return null;
    throw error;
  }
}

/** Nothing when it cannot be read: then the index is all that is known. */
async function headerOf(repository: Repository, pack: string, sizeBytes: number): Promise<PackedBlob[]> {
  try {
    return await readPackHeader(repository, pack, sizeBytes);
  } catch (error) {
    if (hasCode(error, "damaged") || hasCode(error, "not-found")) return [];
    throw error;
  }
}

function union(indexed: readonly PackedBlob[], header: readonly PackedBlob[]): PackedBlob[] {
  const all = new Map<string, PackedBlob>();
  for (const blob of [...indexed, ...header]) {
    const { id, type, offset, lengthBytes, plainLength } = blob;
    all.set([id, type, offset, lengthBytes, plainLength].join(" "), blob);
  }
  return [...all.values()];
}

/**
 * Keeps before it removes: `keep` is given the bytes of each pack, whatever they are; then the readable blobs are
 * stored in new packs, then in new index files, then the old index files go, and last the packs. Interrupted anywhere
 * it can be run again. `mayWrite` is that of the lock.
 */
export async function applyRepairPacks(
  repository: Repository,
  plan: RepairPacksPlan,
  options: RepairPacksOptions & {
    readonly mayWrite: Promise<void>;
    /** Resolves when the bytes are safe in another place. */
    readonly keep: (pack: string, bytes: Buffer) => Promise<void>;
  },
): Promise<void> {
  const { signal, onProgress, mayWrite, keep } = options;
  const total = plan.packs.length;
  const there = plan.packs.filter(({ sizeBytes }) => sizeBytes !== null);
  for (const [at, { pack }] of there.entries()) {
    throwIfAborted(signal);
    await keep(pack, await repository.storage.read("pack", pack));
    onProgress?.("copy", at + 1, total);
  }
  await salvage(repository, plan, { signal, onProgress, mayWrite });
  await replaceIndex(repository, {
    packs: otherPacks(plan),
    oldIndexes: plan.oldIndexes,
    signal,
    onProgress: ({ removed }) => onProgress?.("replace", removed, plan.oldIndexes.length),
  });
  for (const [at, { pack }] of there.entries()) {
    throwIfAborted(signal);
    await repository.storage.remove("pack", pack);
    onProgress?.("remove", at + 1, total);
  }
}

/** Durable, and in an index, when it resolves. */
async function salvage(
  repository: Repository,
  plan: RepairPacksPlan,
  { signal, onProgress, mayWrite }: RepairPacksOptions & { readonly mayWrite: Promise<void> },
): Promise<void> {
  // A table of their own: the repository's knows all these blobs, in the packs that are to go.
  const index = BlobIndex.create(0);
  const packs = new PackStore(repository, index, { dryRun: false, readBack: true, mayWrite });
  const savers = {
    data: new BlobSaver(repository, index, packs, "data"),
    tree: new BlobSaver(repository, index, packs, "tree"),
  };
  for (const [at, { pack, readable }] of plan.packs.entries()) {
    throwIfAborted(signal);
    for await (const found of readPackBlobs(repository, pack, readable)) {
      // Whole a moment ago: a disk that is dying, or somebody who meddles. Nothing was removed yet.
      if ("error" in found) throw found.error;
      const { id, type, plainLength } = found.blob;
      const entry = index.claim(Buffer.from(id, "hex"), type);
      if (entry >= 0) await savers[type].add({ entry, bytes: found.sealed, plainLength });
    }
    onProgress?.("salvage", at + 1, plan.packs.length);
  }
  await savers.data.flush();
  await savers.tree.flush();
  await packs.finish();
}

function* otherPacks({ packs, index }: RepairPacksPlan): Generator<{ id: string; blobs: PackedBlob[] }> {
  const gone = new Set(packs.map(({ pack }) => pack));
  for (const { pack, blobs } of index.contents())
    if (!gone.has(pack.name)) yield { id: pack.name, blobs: blobs.map(packedBlob) };
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new HoldfastError("interrupted", "the repair was interrupted", { cause: signal.reason });
}
