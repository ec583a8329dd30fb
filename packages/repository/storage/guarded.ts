// Storage whose changes need leave: what keeps a process from writing once it no longer holds its lock.
import { hasCode, HoldfastError } from "../errors.ts";
import type { ByteRange, FileType, Storage, StoredFile } from "./storage.ts";

export interface WriteGuard {
  /** Asked before every change but those of locks; throws when nothing may be changed any more. */
  mayChange(): Promise<void>;
  /** Asked after each file that others rely on once it is there; throws `locked` when it should not be. */
  mayStay(): Promise<void>;
}

/** What names other files: once it is there, the files that it names must be. */
const naming: ReadonlySet<FileType> = new Set(["index", "snapshot"]);

export class GuardedStorage implements Storage {
  readonly #inner: Storage;
  readonly #guards = new Set<WriteGuard>();

  constructor(inner: Storage) {
    this.#inner = inner;
  }

  get location(): string {
    return this.#inner.location;
  }

  /** Until the answer is disposed of. */
  guard(guard: WriteGuard): Disposable {
    this.#guards.add(guard);
    return { [Symbol.dispose]: () => void this.#guards.delete(guard) };
  }

  createLayout(): Promise<void> {
    return this.#inner.createLayout();
  }

  list(type: FileType): AsyncIterable<StoredFile> {
    return this.#inner.list(type);
  }

  stat(type: FileType, name: string): Promise<StoredFile> {
    return this.#inner.stat(type, name);
  }

  read(type: FileType, name: string, range?: ByteRange): Promise<Buffer> {
    return this.#inner.read(type, name, range);
  }

  async put(type: FileType, name: string, pieces: readonly Uint8Array[]): Promise<void> {
    await this.#requireLeave(type);
    await this.#inner.put(type, name, pieces);
    if (!naming.has(type)) return;
    try {
      for (const guard of this.#guards) await guard.mayStay();
    } catch (error) {
      // Whoever had the repository alone meanwhile may have removed what this file names.
      if (hasCode(error, "locked")) await this.#takeBack(type, name, error);
      throw error;
    }
  }

  async remove(type: FileType, name: string): Promise<void> {
    await this.#requireLeave(type);
    await this.#inner.remove(type, name);
  }

  async #takeBack(type: FileType, name: string, lost: HoldfastError): Promise<void> {
    try {
      await this.#inner.remove(type, name);
    } catch (error) {
      throw new HoldfastError("locked", `${lost.message}, and the ${type} ${name} that was just stored stays there`, {
        hint: `what it names may have been removed: run \`holdfast repo check\`; ${lost.hint}`,
        retryable: false,
        cause: error,
      });
    }
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  async #requireLeave(type: FileType): Promise<void> {
    if (type === "lock") return;
    for (const guard of this.#guards) await guard.mayChange();
  }
}
