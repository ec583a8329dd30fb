// Reads the header of a pack from the storage: the blobs that the pack itself says it holds.
import type { PackedBlob } from "../format/pack.ts";
import { packLengthFieldBytes, parsePackHeader, readPackHeaderLength } from "../format/pack.ts";
import type { Repository } from "../store/repository.ts";

/** Enough for the header of some 400 blobs, which most packs are content with. */
const usualHeaderBytes = 16 * 1024;

/**
 * The blobs of a pack of `packBytes` bytes in the order of their places, in one request as a rule. Throws `damaged`
 * when the end of the file is no header that fits the pack, `not-found` when the pack is gone.
 */
export async function readPackHeader(
  repository: Pick<Repository, "storage" | "sealer">,
  pack: string,
  packBytes: number,
): Promise<PackedBlob[]> {
  const readEnd = (wantedBytes: number): Promise<Buffer> => {
    const lengthBytes = Math.min(wantedBytes, packBytes);
    if (lengthBytes === 0) return Promise.resolve(Buffer.alloc(0));
    return repository.storage.read("pack", pack, { offset: packBytes - lengthBytes, lengthBytes });
  };
  let end = await readEnd(usualHeaderBytes);
  const sealedBytes = readPackHeaderLength(end.subarray(-packLengthFieldBytes), packBytes);
  const neededBytes = sealedBytes + packLengthFieldBytes;
  if (end.length < neededBytes) end = await readEnd(neededBytes);
  return parsePackHeader(end.subarray(end.length - neededBytes, -packLengthFieldBytes), packBytes, repository.sealer);
}
