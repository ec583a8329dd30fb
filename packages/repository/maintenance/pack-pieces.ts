// Cuts a pack into pieces that can be verified one after another, never through a blob.

/** A piece has no more than this, unless a single blob (or what no blob takes at the end) is larger. */
const usualPieceBytes = 4 * 1024 * 1024;

export interface PieceRange {
  readonly start: number;
  readonly end: number;
  /** The blobs from `firstBlob` on, before `endBlob`, lie in the piece. */
  readonly firstBlob: number;
  readonly endBlob: number;
}

/**
 * Pieces that together are the whole pack, in order. `blobs` are sorted by their offsets; blobs that overlap, which
 * no honest index has, come into one piece. What follows on the last blob (the header) is in the last piece.
 */
export function* packPieces(
  packBytes: number,
  blobs: readonly { readonly offset: number; readonly lengthBytes: number }[],
  pieceBytes: number = usualPieceBytes,
): Generator<PieceRange, void, undefined> {
  let start = 0;
  let firstBlob = 0;
  let end = 0;
  for (const [at, { offset, lengthBytes }] of blobs.entries()) {
    const blobEnd = Math.min(packBytes, offset + lengthBytes);
    if (end > start && offset >= end && blobEnd - start > pieceBytes) {
      yield { start, end, firstBlob, endBlob: at };
      start = end;
      firstBlob = at;
    }
    end = Math.max(end, blobEnd);
  }
  yield { start, end: packBytes, firstBlob, endBlob: blobs.length };
}
