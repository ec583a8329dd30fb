// Reads chosen blobs of one pack in few requests, each verified: for all that moves blobs without unpacking them.
import { hash } from "node:crypto";
import { hasCode, HoldfastError } from "../errors.ts";
import type { PackedBlob } from "../format/pack.ts";
import type { Repository } from "../store/repository.ts";

/** Blobs that are no further apart are read together: a request costs more than this much of reading. */
const widestGapBytes = 128 * 1024;
const usualReadBytes = 4 * 1024 * 1024;

/** A blob whose sealed bytes open, decompress and hash to its id. */
export interface VerifiedBlob {
  readonly blob: PackedBlob;
  /** As they lie in the pack; a view that the next step of the generator may not keep valid. */
  readonly sealed: Buffer;
  /** What `sealed` holds: compressed if `blob.plainLength` > 0. */
  readonly packed: Buffer;
  readonly plain: Buffer;
}

export interface DamagedBlob {
  readonly blob: PackedBlob;
  readonly error: HoldfastError;
}

/**
 * The blobs, in the order of their places, each verified or with the error (`damaged`) that says why it is not; a
 * pack that is missing or too short makes errors of the blobs that it lacks. Other failures of the storage are thrown.
 */
export async function* readPackBlobs(
  repository: Repository,
  pack: string,
  blobs: readonly PackedBlob[],
): AsyncGenerator<VerifiedBlob | DamagedBlob, void, undefined> {
  const sorted = blobs.toSorted((a, b) => a.offset - b.offset);
  for (const group of groupsOf(sorted)) yield* readGroup(repository, pack, group);
}

/** Blobs of one pack, sorted by their places, in groups that are best read at once. */
export function* groupsOf(sorted: readonly PackedBlob[]): Generator<PackedBlob[], void, undefined> {
  let group: PackedBlob[] = [];
  let start = 0;
  let end = 0;
  for (const blob of sorted) {
    const blobEnd = blob.offset + blob.lengthBytes;
    if (group.length > 0 && (blob.offset - end > widestGapBytes || blobEnd - start > usualReadBytes)) {
      yield group;
      group = [];
    }
    if (group.length === 0) start = blob.offset;
    group.push(blob);
    end = Math.max(end, blobEnd);
  }
  if (group.length > 0) yield group;
}

async function* readGroup(
  repository: Repository,
  pack: string,
  group: readonly PackedBlob[],
): AsyncGenerator<VerifiedBlob | DamagedBlob, void, undefined> {
  const start = group[0]!.offset;
  const end = Math.max(...group.map(({ offset, lengthBytes }) => offset + lengthBytes));
  let bytes: Buffer;
  try {
    bytes = await repository.storage.read("pack", pack, { offset: start, lengthBytes: end - start });
  } catch (error) {
    if (!isLoss(error)) throw error;
    if (group.length === 1) {
      yield { blob: group[0]!, error: lost(pack, group[0]!, error) };
      return;
    }
    // One after another: those before the end of a pack that was cut short are whole.
    for (const blob of group) yield* readGroup(repository, pack, [blob]);
    return;
  }
  for (const blob of group) yield verified(repository, pack, blob, bytes.subarray(blob.offset - start));
}

function verified(repository: Repository, pack: string, blob: PackedBlob, from: Buffer): VerifiedBlob | DamagedBlob {
  const sealed = from.subarray(0, blob.lengthBytes);
  try {
    const packed = repository.sealer.open(sealed);
    const plain = blob.plainLength > 0 ? repository.decompressor.decompress(packed, blob.plainLength) : packed;
    if (hash("sha256", plain) !== blob.id) throw new HoldfastError("damaged", "its content does not match its id");
    return { blob, sealed, packed, plain };
  } catch (error) {
    if (!isLoss(error)) throw error;
    return { blob, error: lost(pack, blob, error) };
  }
}

function isLoss(error: unknown): error is HoldfastError {
  return hasCode(error, "damaged") || hasCode(error, "not-found");
}

function lost(pack: string, { type, id, offset }: PackedBlob, cause: HoldfastError): HoldfastError {
  const what = cause.code === "not-found" ? "its pack is missing" : cause.message;
  return new HoldfastError("damaged", `the ${type} blob ${id} in pack ${pack} cannot be read: ${what}`, {
    context: { type, id, pack, offset },
    cause,
  });
}
