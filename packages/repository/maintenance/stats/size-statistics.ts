// How large the files and blobs of a repository are: what restic's `stats --mode debug` shows.
import type { BlobType } from "../../index/blob-index.ts";
import type { FileType } from "../../storage/storage.ts";
import type { Repository } from "../../store/repository.ts";

/** So many things of `fromBytes` to `toBytes`, both included. */
export interface SizeClass {
  readonly fromBytes: number;
  readonly toBytes: number;
  count: number;
}

export interface SizeStatistics {
  readonly kind: "file" | "blob";
  readonly type: Exclude<FileType, "config"> | BlobType;
  readonly count: number;
  readonly totalBytes: number;
  /** By powers of ten, from the first that is not empty to the last. */
  readonly classes: readonly SizeClass[];
  /** Sizes that no honest program writes. */
  readonly oversizedBytes: readonly number[];
}

const mebibyte = 1024 * 1024;
/** Twice what restic makes at most: packs of 128 MiB, chunks of 8 MiB. */
const largestFileBytes = 256 * mebibyte;
const largestBlobBytes = 16 * mebibyte;

/** Files as they lie in the storage, and all blobs of the index as they are stored. */
export async function sizeStatistics(repository: Repository): Promise<SizeStatistics[]> {
  const found: SizeStatistics[] = [];
  for (const type of ["key", "lock", "index", "snapshot", "pack"] as const) {
    const histogram = new SizeHistogram(largestFileBytes);
    for await (const { sizeBytes } of repository.storage.list(type)) histogram.add(sizeBytes);
    found.push({ kind: "file", type, ...histogram.facts() });
  }
  const blobs = { data: new SizeHistogram(largestBlobBytes), tree: new SizeHistogram(largestBlobBytes) };
  for (const { type, location } of (await repository.loadIndex()).blobs()) blobs[type].add(location.lengthBytes);
  for (const type of ["data", "tree"] as const) found.push({ kind: "blob", type, ...blobs[type].facts() });
  return found;
}

class SizeHistogram {
  readonly #classes: SizeClass[] = [{ fromBytes: 0, toBytes: 0, count: 0 }];
  readonly #oversizedBytes: number[] = [];
  #count = 0;
  #totalBytes = 0;

  constructor(largestBytes: number) {
    for (let fromBytes = 1; fromBytes < largestBytes; fromBytes *= 10)
      this.#classes.push({ fromBytes, toBytes: Math.min(fromBytes * 10 - 1, largestBytes), count: 0 });
  }

  add(sizeBytes: number): void {
    this.#count++;
    this.#totalBytes += sizeBytes;
    const found = this.#classes.find(({ toBytes }) => sizeBytes <= toBytes);
    if (found) found.count++;
    else this.#oversizedBytes.push(sizeBytes);
  }

  facts(): Omit<SizeStatistics, "kind" | "type"> {
    const first = this.#classes.findIndex(({ count }) => count > 0);
    const last = this.#classes.findLastIndex(({ count }) => count > 0);
    return {
      count: this.#count,
      totalBytes: this.#totalBytes,
      classes: first < 0 ? [] : this.#classes.slice(first, last + 1),
      oversizedBytes: this.#oversizedBytes,
    };
  }
}
