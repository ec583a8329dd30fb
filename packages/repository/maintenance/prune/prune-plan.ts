// Decides what a prune does with each pack: keep, repack, remove. Pure: facts and rules in, a printable plan out.
//
// The rules are restic's (internal/repository/prune.go), so that both do the same with the same repository.

/** How much may stay in the repository that no snapshot needs. A percentage is of what remains after the prune. */
export type MaxUnused =
  | { readonly kind: "percent"; readonly percent: number }
  | { readonly kind: "bytes"; readonly bytes: number }
  | { readonly kind: "unlimited" };

export interface PruneRules {
  readonly maxUnused: MaxUnused;
  /** Packs are repacked up to this many bytes; `Infinity` for no limit, 0 for none. */
  readonly maxRepackBytes: number;
  /** Packs below this size are repacked; null: those that are small beside the others. */
  readonly smallPackBytes: number | null;
  /** Repacks only packs that the cache keeps: those of trees. */
  readonly repackCacheableOnly: boolean;
  /** Repacks all packs with blobs that are not compressed. */
  readonly repackUncompressed: boolean;
}

/** restic's defaults. */
export const usualPruneRules: PruneRules = {
  maxUnused: { kind: "percent", percent: 5 },
  maxRepackBytes: Infinity,
  smallPackBytes: null,
  repackCacheableOnly: false,
  repackUncompressed: false,
};

export interface Amount {
  readonly blobs: number;
  readonly bytes: number;
}

/** How much of one pack is needed. */
export interface PackUse {
  readonly name: string;
  readonly type: "data" | "tree" | "mixed";
  /** Blobs that snapshots need, and of which this is the copy that counts. */
  readonly used: Amount;
  /** Blobs that snapshots need, of which another pack has the copy that counts. */
  readonly duplicate: Amount;
  /** Blobs that no snapshot needs. */
  readonly unused: Amount;
  readonly headerBytes: number;
  readonly hasUncompressed: boolean;
  /** Holds trees that would become smaller if they were compressed. */
  readonly hasUncompressedTrees: boolean;
}

export interface PruneFacts {
  readonly repositoryVersion: 1 | 2;
  /** Packs that the index and the storage have. */
  readonly packs: readonly PackUse[];
  /** Packs that only the index has; nothing in them is used. */
  readonly missing: readonly PackUse[];
  /** Packs that only the storage has: what interrupted runs left. */
  readonly unreferenced: readonly { readonly name: string; readonly sizeBytes: number }[];
}

export type RepackReason = "mixed" | "uncompressed" | "partly-used" | "small";

/** restic's figures. Bytes are those of sealed blobs; those of packs that are repacked count their headers too. */
export interface PruneStatistics {
  readonly blobs: {
    readonly used: number;
    readonly duplicate: number;
    readonly unused: number;
    readonly total: number;
    readonly repack: number;
    readonly repackRemove: number;
    readonly remove: number;
    readonly removeTotal: number;
    readonly remaining: number;
  };
  readonly bytes: {
    readonly used: number;
    readonly duplicate: number;
    readonly unused: number;
    readonly unreferenced: number;
    readonly uncompressed: number;
    readonly total: number;
    readonly repack: number;
    readonly repackRemove: number;
    readonly remove: number;
    readonly removeTotal: number;
    readonly remaining: number;
    readonly remainingUnused: number;
  };
  readonly packs: {
    readonly used: number;
    readonly unused: number;
    readonly partlyUsed: number;
    readonly unreferenced: number;
    readonly total: number;
    readonly keep: number;
    readonly repack: number;
    readonly remove: number;
    readonly removeTotal: number;
  };
}

export interface PruneDecision {
  /** Packs whose used blobs move into new packs, and why; they are removed afterwards. */
  readonly repack: readonly { readonly name: string; readonly reason: RepackReason }[];
  /** Packs of which nothing is used. */
  readonly remove: readonly string[];
  /** Packs that are gone already and only have to go from the index. */
  readonly forget: readonly string[];
  readonly unreferenced: readonly string[];
  readonly statistics: PruneStatistics;
}

/** The smallest size that restic lets a user choose for packs. */
const smallestPackTargetBytes = 4 * 1024 * 1024;
/** Fewer small packs than these are not worth the trouble; a single one would be repacked again and again. */
const fewestSmallPacks = 10;

export function decidePrune(facts: PruneFacts, rules: PruneRules): PruneDecision {
  const smallBelowBytes = smallPackLimit(facts, rules);
  const isNeeded = (pack: PackUse): boolean => pack.used.blobs > 0;
  const removed = facts.packs.filter((pack) => !isNeeded(pack));
  const candidates = facts.packs.filter(isNeeded).flatMap((pack) => candidateOf(pack, facts, rules, smallBelowBytes));
  const small = candidates.filter(({ reason }) => reason === "small");
  const worthwhile =
    small.length < fewestSmallPacks ? candidates.filter(({ reason }) => reason !== "small") : candidates;
  const unusedBytes = sum([...facts.packs, ...facts.missing], wasteBytes);
  const goneBytes = sum([...removed, ...facts.missing], wasteBytes);
  const repack = choose(worthwhile, {
    unusedBytes: unusedBytes - goneBytes,
    maxUnusedBytes: maxUnusedBytes(
      rules.maxUnused,
      sum(facts.packs, ({ used }) => used.bytes),
    ),
    maxRepackBytes: rules.maxRepackBytes,
    smallBelowBytes,
  });
  return {
    repack: repack.map(({ pack, reason }) => ({ name: pack.name, reason })),
    remove: removed.map(({ name }) => name),
    forget: facts.missing.map(({ name }) => name),
    unreferenced: facts.unreferenced.map(({ name }) => name),
    statistics: statisticsOf(
      facts,
      removed,
      repack.map(({ pack }) => pack),
    ),
  };
}

interface Candidate {
  readonly pack: PackUse;
  readonly reason: RepackReason;
}

function candidateOf(
  pack: PackUse,
  { repositoryVersion }: PruneFacts,
  rules: PruneRules,
  smallBelowBytes: number,
): Candidate[] {
  if (rules.repackCacheableOnly && pack.type === "data") return [];
  const mustCompress =
    repositoryVersion >= 2 &&
    ((pack.type === "tree" && pack.hasUncompressedTrees) || (rules.repackUncompressed && pack.hasUncompressed));
  if (pack.type === "mixed") return [{ pack, reason: "mixed" }];
  if (mustCompress) return [{ pack, reason: "uncompressed" }];
  if (wasteBlobs(pack) > 0) return [{ pack, reason: "partly-used" }];
  return sizeOf(pack) < smallBelowBytes ? [{ pack, reason: "small" }] : [];
}

/**
 * Below which size a pack is small. restic: four fifths of the size that three packs of a hundred stay below, or of
 * the smallest target size where those are smaller still, so that only outliers are repacked.
 */
function smallPackLimit({ packs, missing }: PruneFacts, rules: PruneRules): number {
  if (rules.smallPackBytes !== null) return rules.smallPackBytes;
  const sizes = [...packs, ...missing].map(sizeOf).sort((a, b) => a - b);
  const outlier = sizes[Math.floor((sizes.length * 3) / 100)];
  return outlier === undefined ? 0 : Math.floor((Math.max(smallestPackTargetBytes, outlier) * 4) / 5);
}

/** So many bytes beside `usedBytes` that are needed. */
function maxUnusedBytes(limit: MaxUnused, usedBytes: number): number {
  if (limit.kind === "unlimited") return Infinity;
  return limit.kind === "bytes" ? limit.bytes : Math.floor((limit.percent / (100 - limit.percent)) * usedBytes);
}

/** Trees and small packs first, then those with the largest share of waste, until enough is gained. */
function choose(
  candidates: readonly Candidate[],
  limits: { unusedBytes: number; maxUnusedBytes: number; maxRepackBytes: number; smallBelowBytes: number },
): Candidate[] {
  const { maxUnusedBytes, maxRepackBytes, smallBelowBytes } = limits;
  const isSmall = ({ pack }: Candidate): boolean => sizeOf(pack) < smallBelowBytes;
  const rank = (candidate: Candidate): number => (candidate.pack.type !== "data" ? 0 : isSmall(candidate) ? 1 : 2);
  const sorted = candidates.toSorted((a, b) => rank(a) - rank(b) || wasteShare(b.pack) - wasteShare(a.pack));
  let unusedBytes = limits.unusedBytes;
  let repackBytes = 0;
  const chosen: Candidate[] = [];
  for (const candidate of sorted) {
    const { pack, reason } = candidate;
    if (repackBytes + sizeOf(pack) >= maxRepackBytes) continue;
    const isEnough = unusedBytes < maxUnusedBytes && !isSmall(candidate);
    if (isEnough && pack.type === "data" && reason !== "uncompressed") continue;
    chosen.push(candidate);
    repackBytes += sizeOf(pack);
    unusedBytes -= wasteBytes(pack);
  }
  return chosen;
}

function statisticsOf(
  { repositoryVersion, packs, missing, unreferenced }: PruneFacts,
  removed: readonly PackUse[],
  repacked: readonly PackUse[],
): PruneStatistics {
  const all = [...packs, ...missing];
  const gone = [...removed, ...missing];
  const used = sumAmounts(all, (pack) => pack.used);
  const duplicate = sumAmounts(all, (pack) => pack.duplicate);
  const unused = sumAmounts(all, (pack) => pack.unused);
  const unreferencedBytes = sum(unreferenced, ({ sizeBytes }) => sizeBytes);
  const blobs = { total: used.blobs + duplicate.blobs + unused.blobs, remove: sum(gone, wasteBlobs) };
  const bytes = {
    total: used.bytes + duplicate.bytes + unused.bytes + unreferencedBytes,
    remove: sum(gone, wasteBytes),
  };
  const repack = { blobs: sum(repacked, blobsOf), bytes: sum(repacked, sizeOf) };
  const repackRemove = { blobs: sum(repacked, wasteBlobs), bytes: sum(repacked, wasteBytes) };
  const removeTotalBytes = bytes.remove + repackRemove.bytes + unreferencedBytes;
  const uncompressed = (some: readonly PackUse[]): number =>
    sum(
      some.filter(({ hasUncompressed }) => hasUncompressed),
      sizeOf,
    );
  return {
    blobs: {
      used: used.blobs,
      duplicate: duplicate.blobs,
      unused: unused.blobs,
      total: blobs.total,
      repack: repack.blobs,
      repackRemove: repackRemove.blobs,
      remove: blobs.remove,
      removeTotal: blobs.remove + repackRemove.blobs,
      remaining: blobs.total - blobs.remove - repackRemove.blobs,
    },
    bytes: {
      used: used.bytes,
      duplicate: duplicate.bytes,
      unused: unused.bytes,
      unreferenced: unreferencedBytes,
      uncompressed: repositoryVersion === 1 ? 0 : uncompressed(packs) - uncompressed(repacked),
      total: bytes.total,
      repack: repack.bytes,
      repackRemove: repackRemove.bytes,
      remove: bytes.remove,
      removeTotal: removeTotalBytes,
      remaining: bytes.total - removeTotalBytes,
      remainingUnused: duplicate.bytes + unused.bytes - bytes.remove - repackRemove.bytes,
    },
    packs: {
      used: packs.filter((pack) => pack.used.blobs > 0 && wasteBlobs(pack) === 0).length,
      unused: removed.length,
      partlyUsed: packs.filter((pack) => pack.used.blobs > 0 && wasteBlobs(pack) > 0).length,
      unreferenced: unreferenced.length,
      total: packs.length + unreferenced.length,
      keep: packs.length - removed.length - repacked.length,
      repack: repacked.length,
      remove: removed.length,
      removeTotal: removed.length + unreferenced.length,
    },
  };
}

function wasteBlobs({ duplicate, unused }: PackUse): number {
  return duplicate.blobs + unused.blobs;
}

function wasteBytes({ duplicate, unused }: PackUse): number {
  return duplicate.bytes + unused.bytes;
}

function blobsOf(pack: PackUse): number {
  return pack.used.blobs + wasteBlobs(pack);
}

/** As the index has it, which is what the file has. */
function sizeOf(pack: PackUse): number {
  return pack.used.bytes + wasteBytes(pack) + pack.headerBytes;
}

/** What repacking gains for each byte that has to be moved. */
function wasteShare(pack: PackUse): number {
  return wasteBytes(pack) / sizeOf(pack);
}

function sum<T>(items: readonly T[], amount: (item: T) => number): number {
  return items.reduce((total, item) => total + amount(item), 0);
}

function sumAmounts(packs: readonly PackUse[], amount: (pack: PackUse) => Amount): Amount {
  return { blobs: sum(packs, (pack) => amount(pack).blobs), bytes: sum(packs, (pack) => amount(pack).bytes) };
}
