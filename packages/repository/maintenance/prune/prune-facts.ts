// Finds out how much of each pack is needed, and which copy counts of a blob that is stored several times.
import type { BlobMarks } from "../blob-marks.ts";
import type { CheckedIndex, PackBlob, PackFacts } from "../check/check-index.ts";
import type { Amount, PackUse, PruneFacts } from "./prune-plan.ts";

/** A tree below this may not become smaller by being compressed: repacking it would never end. */
const smallestTreeWorthCompressingBytes = 1024;
const mostCopiesCounted = 255;
/** Instead of a number of copies: one was chosen, or there is no other. */
const settled = 1;
/** Instead of a number of copies: all others were passed over, so that the next one is chosen. */
const lastCopy = 0;

/** A pack that is missing or has the wrong size, and how many blobs that snapshots need are in no other. */
export interface LostPack {
  readonly name: string;
  readonly problem: string;
  readonly blobs: number;
}

export interface PackSurvey {
  readonly facts: PruneFacts;
  /** While there are any, nothing may be removed. */
  readonly lost: readonly LostPack[];
}

/**
 * Counts for every pack what is used, what has a copy elsewhere, and what nobody needs. `marks` has every blob that a
 * snapshot needs, `sizes` every pack in the storage. A copy in a pack that is missing or has the wrong size counts for
 * nothing. Takes an object a pack, and one byte a blob where some blobs are stored twice.
 */
export function surveyPacks(
  checked: CheckedIndex,
  marks: BlobMarks,
  sizes: ReadonlyMap<string, number>,
  repositoryVersion: 1 | 2,
): PackSurvey {
  const tallies = new Map(checked.packs.map((pack) => [pack, new PackTally(pack, sizes.get(pack.name))]));
  const copies = marks.duplicates === 0 ? null : countCopies(checked, marks, tallies);
  for (const { pack, blobs } of checked.contents()) {
    const tally = tallies.get(pack)!;
    for (const blob of blobs) {
      if (!marks.has(blob.id, blob.type)) tally.addUnused(blob);
      else tally.addUsed(blob, copies === null ? Number(tally.isWhole) : copies[entryOf(checked, blob)]!);
    }
  }
  if (copies !== null) chooseCopies(checked, marks, tallies, copies);
  const all = [...tallies.values()];
  const indexed = new Set(checked.packs.map(({ name }) => name));
  const unreferenced = [...sizes].filter(([name]) => !indexed.has(name));
  return {
    facts: {
      repositoryVersion,
      packs: all.filter(({ isMissing }) => !isMissing).map((tally) => tally.use()),
      missing: all.filter(({ isMissing }) => isMissing).map((tally) => tally.use()),
      unreferenced: unreferenced.map(([name, sizeBytes]) => ({ name, sizeBytes })),
    },
    lost: all.flatMap((tally) => tally.loss() ?? []),
  };
}

/** In how many whole packs a blob lies that snapshots need, by the number of its newest entry. */
function countCopies(checked: CheckedIndex, marks: BlobMarks, tallies: ReadonlyMap<PackFacts, PackTally>): Uint8Array {
  const copies = new Uint8Array(checked.index.size);
  for (const { pack, blobs } of checked.contents()) {
    if (!tallies.get(pack)!.isWhole) continue;
    for (const blob of blobs) {
      if (!marks.has(blob.id, blob.type)) continue;
      const entry = entryOf(checked, blob);
      copies[entry] = Math.min(copies[entry]! + 1, mostCopiesCounted);
    }
  }
  return copies;
}

/**
 * Chooses one of the copies of every blob: one in a pack that is needed anyway, or of which everything is needed, as
 * in the packs that an interrupted prune left; else the last one. `copies` is used up.
 */
function chooseCopies(
  checked: CheckedIndex,
  marks: BlobMarks,
  tallies: ReadonlyMap<PackFacts, PackTally>,
  copies: Uint8Array,
): void {
  for (const { pack, blobs } of checked.contents()) {
    const tally = tallies.get(pack)!;
    if (!tally.isWhole) continue;
    for (const blob of blobs) {
      if (!marks.has(blob.id, blob.type)) continue;
      const entry = entryOf(checked, blob);
      const left = copies[entry]!;
      if (left === settled) continue;
      if (left === lastCopy || tally.isNeededAnyway) {
        tally.choose(blob);
        copies[entry] = settled;
      } else {
        copies[entry] = left - 1 === settled ? lastCopy : left - 1;
      }
    }
  }
}

function entryOf({ index }: CheckedIndex, { id, type }: PackBlob): number {
  return index.entryOf(id, type);
}

/** What is counted of one pack. */
class PackTally {
  readonly isMissing: boolean;
  readonly isWhole: boolean;
  readonly #facts: PackFacts;
  readonly #sizeBytes: number | undefined;
  readonly #used = { blobs: 0, bytes: 0 };
  readonly #duplicate = { blobs: 0, bytes: 0 };
  readonly #unused = { blobs: 0, bytes: 0 };
  #lostBlobs = 0;
  #hasUncompressed = false;
  #hasUncompressedTrees = false;

  constructor(facts: PackFacts, sizeBytes: number | undefined) {
    this.#facts = facts;
    this.#sizeBytes = sizeBytes;
    this.isMissing = sizeBytes === undefined;
    this.isWhole = sizeBytes === facts.blobBytes + facts.headerBytes;
  }

  get isNeededAnyway(): boolean {
    return this.#used.blobs > 0 || this.#unused.blobs === 0;
  }

  addUnused(blob: PackBlob): void {
    this.#note(blob);
    add(this.#unused, blob);
  }

  /** `copies`: how many whole packs have the blob. If there are several, none is chosen yet. */
  addUsed(blob: PackBlob, copies: number): void {
    this.#note(blob);
    if (copies === 0) this.#lostBlobs++;
    add(this.isWhole && copies === 1 ? this.#used : this.#duplicate, blob);
  }

  /** From now on this copy counts. */
  choose({ location }: PackBlob): void {
    this.#duplicate.blobs--;
    this.#duplicate.bytes -= location.lengthBytes;
    this.#used.blobs++;
    this.#used.bytes += location.lengthBytes;
  }

  #note({ type, location }: PackBlob): void {
    if (location.plainLength > 0) return;
    this.#hasUncompressed = true;
    if (type === "tree" && location.lengthBytes >= smallestTreeWorthCompressingBytes) this.#hasUncompressedTrees = true;
  }

  use(): PackUse {
    const { name, hasData, hasTrees, headerBytes } = this.#facts;
    return {
      name,
      type: hasData && hasTrees ? "mixed" : hasTrees ? "tree" : "data",
      used: { ...this.#used },
      duplicate: { ...this.#duplicate },
      unused: { ...this.#unused },
      headerBytes,
      hasUncompressed: this.#hasUncompressed,
      hasUncompressedTrees: this.#hasUncompressedTrees,
    };
  }

  loss(): LostPack | null {
    if (this.#lostBlobs === 0) return null;
    const { name, blobBytes, headerBytes } = this.#facts;
    const wrongSize = `has ${this.#sizeBytes} bytes where the index speaks of ${blobBytes + headerBytes}`;
    return { name, problem: this.isMissing ? "is missing" : wrongSize, blobs: this.#lostBlobs };
  }
}

function add(amount: { -readonly [K in keyof Amount]: Amount[K] }, { location }: PackBlob): void {
  amount.blobs++;
  amount.bytes += location.lengthBytes;
}
