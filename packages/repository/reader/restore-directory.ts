// A directory of a restore: opened when something in it is restored, finished when everything in it is.
import type { DirectoryHandle } from "../filesystem/create.ts";
import type { Metadata } from "./restore-metadata.ts";

/**
 * Counts what is still to come in a directory: one for the walk that is inside, one for each unfinished file and
 * subdirectory. At zero `finish` runs, so that contents always come before the metadata of their directory.
 */
export class RestoreDirectory {
  readonly parent: RestoreDirectory | null;
  readonly name: Buffer;
  /** In the snapshot. */
  readonly path: Buffer;
  /** Null at the root of a restore, whose metadata stays. */
  readonly metadata: Metadata | null;
  /** Null while nothing had to be restored in it, and in a dry run where it does not exist. */
  handle: DirectoryHandle | null = null;
  /** Made by this restore: nothing can be there yet. */
  isFresh = false;
  /** It could not be made or opened, which is reported. */
  hasFailed = false;
  /** What its tree holds; null when that is not known, and then nothing is deleted. */
  names: ReadonlySet<string> | null = null;
  #pending = 1;
  readonly #finish: (directory: RestoreDirectory) => void;

  constructor(
    parent: RestoreDirectory | null,
    name: Buffer,
    path: Buffer,
    metadata: Metadata | null,
    finish: (directory: RestoreDirectory) => void,
  ) {
    this.parent = parent;
    this.name = name;
    this.path = path;
    this.metadata = metadata;
    this.#finish = finish;
    parent?.retain();
  }

  retain(): void {
    this.#pending++;
  }

  release(): void {
    if (--this.#pending > 0) return;
    this.#finish(this);
    this.handle?.close();
    this.handle = null;
    this.parent?.release();
  }

  /** Runs `use` with the open directory, reopened from its parents if it is finished. */
  withHandle<T>(use: (handle: DirectoryHandle) => T): T {
    const { handle, parent } = this;
    if (handle) return use(handle);
    return parent!.withHandle((above) => {
      using reopened = above.openDirectory(this.name);
      return use(reopened);
    });
  }
}
