// Compares the content of a file on the disk with the hashes of its blobs, reading a bounded piece at a time.
import { createHash } from "node:crypto";
import { closeSync, constants, openSync, readSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { displayPath, HoldfastError, plainSizeBytes, type BlobIndex, type TreeNode } from "@holdfast/repository";

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;
const pieceBytes = 1024 * 1024;
const bytesBetweenTurns = 16 * pieceBytes;

/**
 * Null when every piece of the file has the SHA-256 that the snapshot names for it, else where it differs, in words.
 * Throws `damaged` when the index cannot tell the length of a blob or the lengths do not make up the file.
 */
export async function differenceOfContent(
  index: BlobIndex,
  node: TreeNode,
  path: Buffer,
  copy: Buffer,
  throwIfAborted: () => void,
): Promise<string | null> {
  const blobs = blobsOf(index, node, path);
  // O_NONBLOCK: should it be a pipe by now, opening it must not wait.
  const descriptor = openCopy(copy, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  const piece = Buffer.allocUnsafe(Math.min(pieceBytes, Math.max(1, Number(node.size))));
  let sinceTurn = 0;
  let offset = 0;
  try {
    for (const { id, sizeBytes } of blobs) {
      const hash = createHash("sha256");
      for (let left = sizeBytes; left > 0;) {
        const got = readSync(descriptor, piece, 0, Math.min(left, piece.length), null);
        if (got === 0) return `ends after ${offset + sizeBytes - left} bytes`;
        hash.update(piece.subarray(0, got));
        left -= got;
        sinceTurn += got;
        if (sinceTurn < bytesBetweenTurns) continue;
        sinceTurn = 0;
        await setImmediate();
        throwIfAborted();
      }
      if (hash.digest("hex") !== id) return `has other content between the bytes ${offset} and ${offset + sizeBytes}`;
      offset += sizeBytes;
    }
    return readSync(descriptor, piece, 0, 1, null) === 0 ? null : `goes on after ${offset} bytes`;
  } catch (error) {
    throw error instanceof HoldfastError ? error : unreadable(copy, error);
  } finally {
    closeSync(descriptor);
  }
}

interface Blob {
  readonly id: string;
  readonly sizeBytes: number;
}

function blobsOf(index: BlobIndex, node: TreeNode, path: Buffer): Blob[] {
  const blobs = (node.content ?? []).map((id) => {
    const location = index.locations(id, "data")[0];
    if (location) return { id, sizeBytes: plainSizeBytes(location) };
    throw new HoldfastError("damaged", `the data blob ${id} of ${displayPath(path)} is in no index`, {
      context: { type: "data", id },
    });
  });
  const sizeBytes = blobs.reduce((sum, blob) => sum + blob.sizeBytes, 0);
  if (BigInt(sizeBytes) === node.size) return blobs;
  throw new HoldfastError(
    "damaged",
    `${displayPath(path)} should have ${node.size} bytes, but its blobs have ${sizeBytes}`,
  );
}

function openCopy(copy: Buffer, flags: number): number {
  try {
    return openSync(copy, flags);
  } catch (error) {
    throw unreadable(copy, error);
  }
}

function unreadable(copy: Buffer, error: unknown): HoldfastError {
  const reason = error instanceof Error ? error.message : String(error);
  return new HoldfastError("target", `cannot read ${displayPath(copy)}: ${reason}`, { cause: error });
}
