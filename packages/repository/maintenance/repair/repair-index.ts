// Repairs the index: what it says of packs that are gone is dropped, packs it does not know or knows wrongly are read.
import { hasCode, HoldfastError } from "../../errors.ts";
import type { PackedBlob } from "../../format/pack.ts";
import { BlobIndex } from "../../index/blob-index.ts";
import type { Repository } from "../../store/repository.ts";
import { DamageLog } from "../check/check-damage.ts";
import type { PackBlob, PackFacts } from "../check/check-index.ts";
import { CheckedIndex } from "../check/check-index.ts";
import { keepIfThere } from "../keep-if-there.ts";
import { readPackHeader } from "../read-pack-header.ts";
import type { PackListing } from "../replace-index.ts";
import { replaceIndex } from "../replace-index.ts";

const headersAtOnce = 8;

/** What is wrong between the index and one pack, and is put right. */
export interface PackIndexRepair {
  readonly pack: string;
  /**
   * `added`: it was in no index. `corrected`: the index was wrong about it. `missing`: it is gone, and dropped from the
   * index. `damaged`: its header cannot be read; of what the index says, all that can still be in the file is kept, so
   * that salvaging the pack finds it. `unreadable`: the same, and the index knows nothing that could be in the file.
   */
  readonly kind: "added" | "corrected" | "missing" | "damaged" | "unreadable";
  readonly message: string;
}

export interface RepairIndexPlan {
  /** Index files that cannot be read, and why. What only they knew is read from the packs. */
  readonly damagedIndexes: readonly { readonly name: string; readonly message: string }[];
  readonly packs: readonly PackIndexRepair[];
  /** False when the index is as it should be. */
  readonly isNeeded: boolean;
  /** All index files there are: the new ones replace them. */
  readonly oldIndexes: readonly string[];
  readonly headersRead: number;
  /** What the new index will say. */
  listings(): Iterable<PackListing>;
}

export interface RepairIndexOptions {
  /** Reads the header of every pack, instead of believing what the index says of packs that fit it. */
  readonly readAllPacks: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((phase: RepairIndexPhase, done: number, total: number | null) => void) | undefined;
}

export type RepairIndexPhase = "index" | "headers" | "replace";

/**
 * Compares the index with the packs and reads the headers that are needed. Changes nothing. The caller holds an
 * exclusive lock, and opened the repository without a cache. Memory is that of the index. Throws what the storage
 * throws when an index file or a pack can neither be read nor is known to be damaged, and `damaged` when not one pack
 * that the index names is there, unless `readAllPacks`: a disk that is not mounted looks like that.
 */
export async function planRepairIndex(repository: Repository, options: RepairIndexOptions): Promise<RepairIndexPlan> {
  const { readAllPacks, signal, onProgress } = options;
  const log = new DamageLog();
  const checked = await CheckedIndex.read(repository, log, (done, total) => onProgress?.("index", done, total));
  const sizes = new Map<string, number>();
  for await (const { name, sizeBytes } of repository.storage.list("pack")) sizes.set(name, sizeBytes);
  if (!readAllPacks) requireSomePack(checked, sizes);
  const planner = new Planner(repository, checked, sizes);
  const total = readAllPacks ? sizes.size : null;
  for (const batch of batchesOf(planner.suspects(readAllPacks), headersAtOnce)) {
    throwIfAborted(signal);
    await Promise.all(batch.map((suspect) => planner.read(suspect)));
    onProgress?.("headers", planner.headersRead, total);
  }
  const damagedIndexes = log.findings
    .filter(({ kind }) => kind === "file-damaged")
    .map(({ file, message }) => ({ name: file!.name, message }));
  // Nobody else writes, so that these are the files that were read.
  const oldIndexes = (await Array.fromAsync(repository.storage.list("index"))).map(({ name }) => name);
  return {
    damagedIndexes,
    packs: planner.repairs,
    isNeeded:
      damagedIndexes.length > 0 ||
      log.findings.some(({ kind }) => kind === "index-empty" || kind === "index-superseded") ||
      checked.packs.some(({ indexFiles }) => indexFiles > 1) ||
      planner.changesSomething,
    oldIndexes,
    headersRead: planner.headersRead,
    listings: () => planner.listings(),
  };
}

function requireSomePack({ packs }: CheckedIndex, sizes: ReadonlyMap<string, number>): void {
  if (packs.length === 0 || packs.some(({ name }) => sizes.has(name))) return;
  throw new HoldfastError("damaged", `none of the ${packs.length} packs that the index names is there`, {
    hint: "is the storage mounted whole? If all of them are lost for good, run `holdfast repo repair index --read-all-packs`",
  });
}

/**
 * Writes the new index, and only then removes the old one; the bytes of damaged index files go to `keep` before.
 * Interrupted anywhere, the repository is as usable as before, and the next repair finishes. `mayWrite` is that of the
 * lock.
 */
export async function applyRepairIndex(
  repository: Repository,
  plan: RepairIndexPlan,
  options: Pick<RepairIndexOptions, "signal" | "onProgress"> & {
    readonly mayWrite: Promise<void>;
    /** Resolves when the bytes are safe in another place. */
    readonly keep: (index: string, bytes: Buffer) => Promise<void>;
  },
): Promise<void> {
  await options.mayWrite;
  const { oldIndexes, damagedIndexes } = plan;
  for (const { name } of damagedIndexes) {
    throwIfAborted(options.signal);
    await keepIfThere(repository.storage, "index", name, options.keep);
  }
  await replaceIndex(repository, {
    packs: plan.listings(),
    oldIndexes,
    signal: options.signal,
    onProgress: ({ removed }) => options.onProgress?.("replace", removed, oldIndexes.length),
  });
}

/** A pack whose header must be read, with what the index says of it. */
interface Suspect {
  readonly pack: string;
  readonly sizeBytes: number;
  readonly indexed: readonly PackBlob[];
  /** Why; null for a pack that is only read because all are. */
  readonly problem: string | null;
}

class Planner {
  readonly repairs: PackIndexRepair[] = [];
  headersRead = 0;
  changesSomething = false;
  readonly #repository: Repository;
  readonly #checked: CheckedIndex;
  readonly #sizes: ReadonlyMap<string, number>;
  /** What the index says is right. */
  readonly #kept = new Set<string>();
  /** What replaces the rest: in a table, because it may be everything. */
  readonly #read = BlobIndex.create(0);

  constructor(repository: Repository, checked: CheckedIndex, sizes: ReadonlyMap<string, number>) {
    this.#repository = repository;
    this.#checked = checked;
    this.#sizes = sizes;
  }

  /** Decides about the packs for which the index is enough, and yields the others. */
  *suspects(readAllPacks: boolean): Generator<Suspect> {
    const indexed = new Set<string>();
    for (const { pack: facts, blobs } of this.#checked.contents()) {
      indexed.add(facts.name);
      const sizeBytes = this.#sizes.get(facts.name);
      if (sizeBytes === undefined) {
        this.#report(facts.name, "missing", "it is gone from the storage, and is dropped from the index");
        continue;
      }
      const problem = this.#problemOf(facts, blobs, sizeBytes);
      if (problem !== null || readAllPacks) yield { pack: facts.name, sizeBytes, indexed: blobs, problem };
      else this.#kept.add(facts.name);
    }
    for (const [pack, sizeBytes] of this.#sizes) {
      if (!indexed.has(pack)) yield { pack, sizeBytes, indexed: [], problem: "it is in no index" };
    }
  }

  #problemOf(facts: PackFacts, blobs: readonly PackBlob[], sizeBytes: number): string | null {
    const expected = facts.blobBytes + facts.headerBytes;
    if (expected !== sizeBytes) return `it has ${sizeBytes} bytes where the index speaks of ${expected}`;
    if (this.#checked.contradicted.has(facts.name)) return "index files contradict each other about it";
    let end = 0;
    for (const { location } of blobs) {
      if (location.offset !== end) return "the index gives its blobs places with gaps or overlaps";
      end += location.lengthBytes;
    }
    return null;
  }

  async read(suspect: Suspect): Promise<void> {
    const { pack, sizeBytes, indexed, problem } = suspect;
    let blobs: PackedBlob[];
    try {
      blobs = await readPackHeader(this.#repository, pack, sizeBytes);
    } catch (error) {
      if (!hasCode(error, "damaged") && !hasCode(error, "not-found")) throw error;
      return this.#keepWhatFits(suspect, error);
    } finally {
      this.headersRead++;
    }
    if (indexed.length > 0 && areSame(indexed, blobs)) {
      this.#kept.add(pack);
      return;
    }
    this.#add(pack, blobs);
    if (indexed.length === 0) this.#report(pack, "added", `it was in no index; it holds ${blobs.length} blobs`);
    else this.#report(pack, "corrected", problem ?? "its header and the index disagree about its blobs");
  }

  #keepWhatFits({ pack, sizeBytes, indexed }: Suspect, error: HoldfastError): void {
    const fitting = indexed.filter(({ location }) => location.offset + location.lengthBytes <= sizeBytes);
    const isLess = fitting.length < indexed.length;
    const why = `its header cannot be read: ${error.message}`;
    if (fitting.length === 0)
      return this.#report(pack, "unreadable", `${why}; nothing else is known of its content`, isLess);
    this.#add(pack, fitting.map(packedBlob));
    const rest = isLess ? `; of its ${indexed.length} blobs ${fitting.length} lie before its end, and are kept` : "";
    this.#report(pack, "damaged", why + rest, isLess);
  }

  #add(pack: string, blobs: readonly PackedBlob[]): void {
    const number = this.#read.packNumber(pack);
    for (const { id, type, offset, lengthBytes, plainLength } of blobs)
      this.#read.add(Buffer.from(id, "hex"), type, number, offset, lengthBytes, plainLength);
  }

  #report(pack: string, kind: PackIndexRepair["kind"], message: string, isChange = true): void {
    this.repairs.push({ pack, kind, message: `the pack ${pack}: ${message}` });
    if (isChange) this.changesSomething = true;
  }

  *listings(): Generator<PackListing> {
    for (const { pack, blobs } of this.#checked.contents())
      if (this.#kept.has(pack.name)) yield { id: pack.name, blobs: blobs.map(packedBlob) };
    yield* listingsOf(this.#read);
  }
}

/** The packs of a table into which each pack came at once. */
function* listingsOf(index: BlobIndex): Generator<PackListing> {
  let blobs: PackedBlob[] = [];
  let id = "";
  for (const blob of index.blobs()) {
    if (blob.location.pack !== id && blobs.length > 0) {
      yield { id, blobs };
      blobs = [];
    }
    id = blob.location.pack;
    blobs.push(packedBlob(blob));
  }
  if (blobs.length > 0) yield { id, blobs };
}

/** A blob of the table as index files and headers have it. */
export function packedBlob({ id, type, location }: PackBlob): PackedBlob {
  const { offset, lengthBytes, plainLength } = location;
  return { id: id.toString("hex"), type, offset, lengthBytes, plainLength };
}

function areSame(indexed: readonly PackBlob[], blobs: readonly PackedBlob[]): boolean {
  return (
    indexed.length === blobs.length &&
    blobs.every(({ id, type, offset, lengthBytes, plainLength }, at) => {
      const { id: otherId, type: otherType, location } = indexed[at]!;
      return (
        type === otherType &&
        offset === location.offset &&
        lengthBytes === location.lengthBytes &&
        plainLength === location.plainLength &&
        id === otherId.toString("hex")
      );
    })
  );
}

function* batchesOf<T>(items: Iterable<T>, size: number): Generator<T[]> {
  let batch: T[] = [];
  for (const item of items) {
    batch.push(item);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new HoldfastError("interrupted", "the repair was interrupted", { cause: signal.reason });
}
