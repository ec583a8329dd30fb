// The storage interface: a place for the bytes of a repository, and nothing more.

/** The kinds of file that a repository consists of; `pack` lives in the directory `data` of restic's layout. */
export const fileTypes = ["config", "key", "lock", "snapshot", "index", "pack"] as const;
export type FileType = (typeof fileTypes)[number];

export interface StoredFile {
  /** 64 hexadecimal digits; `config` for the one configuration file. */
  readonly name: string;
  readonly sizeBytes: number;
}

export interface ByteRange {
  readonly offset: number;
  readonly lengthBytes: number;
}

/**
 * Bytes under names. Every method throws a HoldfastError: `not-found` when the file (or the whole
 * repository) is not there, `permission`, `refused` (append-only), `no-space`, or `storage` (retryable).
 * Wrappers (retry, cache, limit, faults) implement the same interface.
 */
export interface Storage {
  /** The address as a person may see it: without user or password. */
  readonly location: string;

  /** Prepares an empty place (directories, or the server's `create`); no error when it is already there. */
  createLayout(): Promise<void>;

  /** All files of one type, in no particular order. An empty or missing directory yields none. */
  list(type: FileType): AsyncIterable<StoredFile>;

  /** The size of one file. */
  stat(type: FileType, name: string): Promise<StoredFile>;

  /**
   * The whole file, or exactly `range`; a file that ends before the range does is an error (`damaged`),
   * never a short buffer. The buffer belongs to the caller.
   */
  read(type: FileType, name: string, range?: ByteRange): Promise<Buffer>;

  /**
   * Stores the concatenated `pieces` under `name`, all or nothing, durable when the promise resolves:
   * after a crash the file is whole or absent. The caller leaves the pieces alone until then (they
   * may lie in shared memory). An existing file of that name is an error (`refused`), except that equal
   * names of content-addressed types may be taken as already stored.
   */
  put(type: FileType, name: string, pieces: readonly Uint8Array[]): Promise<void>;

  /** Removes one file; a missing one is `not-found`. */
  remove(type: FileType, name: string): Promise<void>;

  /** Ends connections. No call may follow. */
  close(): Promise<void>;
}
