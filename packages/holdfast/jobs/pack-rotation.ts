// Which packs are read back in this run, so that in the end all of them are: what was read the longest ago comes first.
import { isInPart, type PackSize, type PackSubset } from "@holdfast/repository";
import type { PackMemories, PackMemory } from "../state/verified-packs.ts";

const unseen: PackMemory = { verifiedMs: null, waiting: 0, isDamaged: false };

/**
 * The names of the packs to read. Packs that were damaged the last time always are: the next run must not be green
 * because it looks elsewhere. With a share of 1/t of all bytes, every pack that stays is read in t runs at the latest,
 * whatever comes and goes meanwhile; with a size, after as many runs as packs waited longer. At least one is read.
 */
export function choosePacksInTurn(
  packs: readonly PackSize[],
  memories: PackMemories,
  subset: PackSubset,
): ReadonlySet<string> {
  const memoryOf = ({ name }: PackSize): PackMemory => memories.get(name) ?? unseen;
  const damaged = packs.filter((pack) => memoryOf(pack).isDamaged);
  if (subset.kind === "part") {
    return new Set([...packs.filter(({ name }) => isInPart(name, subset)), ...damaged].map(({ name }) => name));
  }
  const inTurn = packs.toSorted((a, b) => memoryOf(b).waiting - memoryOf(a).waiting || (a.name < b.name ? -1 : 1));
  const chosen = new Set(damaged.map(({ name }) => name));
  const longestWait = subset.kind === "percent" ? Math.ceil(100 / subset.percent) - 1 : Infinity;
  const totalBytes = packs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const wantedBytes = subset.kind === "percent" ? (totalBytes * subset.percent) / 100 : subset.sizeBytes;
  let bytes = 0;
  for (const pack of inTurn) {
    // A share is reached, a size is not exceeded.
    const isEnough = subset.kind === "percent" ? bytes >= wantedBytes : bytes + pack.sizeBytes > wantedBytes;
    if (bytes > 0 && isEnough && memoryOf(pack).waiting < longestWait) break;
    bytes += pack.sizeBytes;
    chosen.add(pack.name);
  }
  return chosen;
}

/** What is known after these packs were read at `nowMs`. Packs that are gone are forgotten. */
export function memoriesAfter(
  packs: readonly PackSize[],
  memories: PackMemories,
  { read, damaged, nowMs }: { read: ReadonlySet<string>; damaged: ReadonlySet<string>; nowMs: number },
): PackMemories {
  return new Map(
    packs.map(({ name }) => {
      const { verifiedMs, waiting, isDamaged } = memories.get(name) ?? unseen;
      if (damaged.has(name)) return [name, { verifiedMs, waiting: 0, isDamaged: true }];
      if (read.has(name)) return [name, { verifiedMs: nowMs, waiting: 0, isDamaged: false }];
      return [name, { verifiedMs, waiting: waiting + 1, isDamaged }];
    }),
  );
}

export interface Coverage {
  readonly packs: number;
  /** Never read back whole, or damaged when they last were. */
  readonly unverified: number;
  /** All were read back at this time or later; null when some were not. */
  readonly sinceMs: number | null;
}

export function coverageOf(memories: PackMemories): Coverage {
  let unverified = 0;
  let sinceMs = Infinity;
  for (const { verifiedMs, isDamaged } of memories.values()) {
    if (verifiedMs === null || isDamaged) unverified++;
    else sinceMs = Math.min(sinceMs, verifiedMs);
  }
  return { packs: memories.size, unverified, sinceMs: unverified > 0 || memories.size === 0 ? null : sinceMs };
}
