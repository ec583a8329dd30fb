// What cuts a file into chunks: the interface.

/** Cuts a stream that lies, piece by piece, in the memory of one kernel. It keeps none of it between calls. */
export interface Chunker {
  /** No chunk but the last of a stream is shorter. */
  readonly minBytes: number;
  /** No chunk is longer. */
  readonly maxBytes: number;
  /**
   * The length of the first chunk of the `lengthBytes` bytes at the pointer `offset` in kernel memory, where a
   * chunk begins. 0 when the chunk does not end there; with `last`, nothing follows and the rest is a chunk
   * (0 only if there is no rest). Every call looks at all the bytes again, so give `maxBytes` where you can.
   */
  cut(offset: number, lengthBytes: number, last: boolean): number;
}
