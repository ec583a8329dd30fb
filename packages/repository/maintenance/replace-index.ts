// Replaces the index: writes new index files, all durable before the first old one is removed.
import { hasCode, HoldfastError } from "../errors.ts";
import { IndexEncoder } from "../format/index-file.ts";
import type { PackedBlob } from "../format/pack.ts";
import type { Repository } from "../store/repository.ts";
import { forEachAtOnce } from "../store/repository.ts";

/** restic closes an index file at as many. A pack is never divided between two files. */
const blobsPerIndexFile = 50_000;
const removalsAtOnce = 5;

/** A pack with all its blobs, in the order of their places. */
export interface PackListing {
  readonly id: string;
  readonly blobs: readonly PackedBlob[];
}

export interface ReplaceIndexRequest {
  /** Everything that the new index is to know, each pack once; taken one after another, so it may be generated. */
  readonly packs: Iterable<PackListing> | AsyncIterable<PackListing>;
  /** Names of the index files that the new ones replace. */
  readonly oldIndexes: readonly string[];
  readonly signal?: AbortSignal | undefined;
  /** Called after each file that was written or removed. */
  readonly onProgress?: ((done: { readonly written: number; readonly removed: number }) => void) | undefined;
}

export interface ReplacedIndex {
  /** The names of the new index files. */
  readonly written: readonly string[];
  readonly removed: number;
}

/**
 * Writes index files of at most 50,000 blobs (more only where a single pack has more), waits until all of them are
 * durable, and then removes `oldIndexes`; one that is gone already is no error. Memory is that of one index file,
 * whatever comes out of `packs`. The repository's own table is forgotten: its next use reads the new index.
 *
 * The caller holds an exclusive lock that is settled, and removes packs only when this has resolved. However it ends,
 * by a crash, an error or `signal`, the repository is usable if it was so before: as long as a new file is missing, all
 * old ones are there; later everything in `packs` is known, and perhaps still some of what the old files said besides.
 * Running it again finishes: the new files of the first run are then among the old ones.
 *
 * Throws `interrupted` after `signal`, or its reason where that is a HoldfastError; what `packs` throws, and what the
 * storage throws. An error before the first removal leaves the old index untouched.
 */
export async function replaceIndex(repository: Repository, request: ReplaceIndexRequest): Promise<ReplacedIndex> {
  const { oldIndexes, signal, onProgress } = request;
  const written: string[] = [];
  let removed = 0;
  const encoder = new IndexEncoder();
  const write = async (): Promise<void> => {
    throwIfAborted(signal);
    written.push(await repository.saveUnpacked("index", encoder.finish()));
    encoder.clear();
    onProgress?.({ written: written.length, removed });
  };
  for await (const pack of request.packs) {
    if (pack.blobs.length === 0) continue;
    if (encoder.blobs > 0 && encoder.blobs + pack.blobs.length > blobsPerIndexFile) await write();
    encoder.add(pack);
  }
  if (encoder.blobs > 0) await write();
  throwIfAborted(signal);
  repository.forgetIndex();
  // A name is the sum of what was encrypted anew, so that no new file has the name of an old one.
  await forEachAtOnce(oldIndexes, removalsAtOnce, async (name) => {
    throwIfAborted(signal);
    await removeIndex(repository, name);
    removed++;
    onProgress?.({ written: written.length, removed });
  });
  return { written, removed };
}

async function removeIndex(repository: Repository, name: string): Promise<void> {
  try {
    await repository.storage.remove("index", name);
  } catch (error) {
    if (!hasCode(error, "not-found")) throw error;
  }
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (!signal?.aborted) return;
  if (signal.reason instanceof HoldfastError) throw signal.reason;
  throw new HoldfastError("interrupted", "replacing the index was interrupted", { cause: signal.reason });
}
