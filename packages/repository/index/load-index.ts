// Fills the blob table from a repository's index files.
import { indexIdsBytes, parseIndexFile } from "../format/index-file.ts";
import { BlobIndex } from "./blob-index.ts";

/** An index file takes at least this much for a blob once compressed; only for the first size of the table. */
const bytesPerBlob = 60;
/** How many files are fetched and decompressed ahead of the one that is read: each takes some ten megabytes. */
const ahead = 3;

/** One index file: its id, its size in the storage, and its JSON when asked for. */
export interface IndexSource {
  readonly name: string;
  readonly sizeBytes: number;
  readonly load: () => Promise<Buffer>;
}

/**
 * The table of all blobs that these index files name. A file that another one says it replaces (`supersedes`, from
 * old versions of restic) is left out when both are there.
 */
export async function loadIndex(files: readonly IndexSource[]): Promise<BlobIndex> {
  const superseded = new Set<string>();
  const index = await addAll(files, superseded);
  const left = files.filter((file) => !superseded.has(file.name));
  // Rare and old: the table is made again without the replaced files, instead of taking their blobs out.
  return left.length === files.length ? index : addAll(left, superseded);
}

async function addAll(files: readonly IndexSource[], superseded: Set<string>): Promise<BlobIndex> {
  const index = BlobIndex.create(files.reduce((sum, file) => sum + file.sizeBytes, 0) / bytesPerBlob);
  const fetches = new Map<number, Promise<Buffer>>();
  const fetch = (at: number): void => {
    if (at >= files.length) return;
    const promise = files[at]!.load();
    // A failure is met where the file's turn comes; until then it is not unhandled.
    promise.catch(() => undefined);
    fetches.set(at, promise);
  };
  for (let at = 0; at < ahead; at++) fetch(at);
  for (let at = 0; at < files.length; at++) {
    const json = await fetches.get(at)!;
    fetches.delete(at);
    fetch(at + ahead);
    addFile(index, json, superseded);
  }
  return index;
}

function addFile(index: BlobIndex, json: Buffer, superseded: Set<string>): void {
  const ids = Buffer.alloc(indexIdsBytes);
  const blobId = ids.subarray(0, indexIdsBytes / 2);
  let pack = 0;
  parseIndexFile(json, {
    ids,
    pack: () => {
      pack = index.packNumber(ids.toString("hex", indexIdsBytes / 2));
    },
    blob: (type, offset, lengthBytes, plainLength) => index.add(blobId, type, pack, offset, lengthBytes, plainLength),
    supersedes: (id) => superseded.add(id),
  });
}
