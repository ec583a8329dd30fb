// Storage with a local copy of what is read often. What is kept is the ciphertext, just as it is stored.
import { hash } from "node:crypto";
import { closeSync, openSync, readFileSync, readSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { HoldfastError } from "../errors.ts";
import { assertRange, directories, isFileName, rangePastEnd, relativePath } from "./file-layout.ts";
import { temporaryName } from "./local.ts";
import { makeDirectories } from "./make-directories.ts";
import { systemErrorCode } from "./system-error.ts";
import type { ByteRange, FileType, Storage, StoredFile } from "./storage.ts";

export interface CacheOptions {
  /** The directory of all caches; each repository has one of its own in it. Made when missing. */
  readonly directory: string;
  /** 64 hexadecimal digits, from the configuration of the repository. */
  readonly repositoryId: string;
  /** Whether this pack is kept whole, asked at each read of a range and at each put. */
  readonly cachePack: (name: string) => boolean;
}

const cacheTag =
  "Signature: 8a477f597d28d172789f06886806bc55\n# This directory holds copies that can be fetched again: see the Cache Directory Tagging Specification.\n";

/**
 * Keeps index and snapshot files, and the packs that `cachePack` names. The cache is an accelerator and nothing
 * else: it may vanish at any time, what does not match its name is thrown away and fetched again, and where it
 * cannot be written the storage is read as if there were none.
 *
 * Copies are read and written by calls that wait: they lie on a disk of this host, mostly in its memory, and a small
 * file costs a fifth of what it costs through promises. A repository may have 100,000 of them.
 */
export class CacheStorage implements Storage {
  readonly #inner: Storage;
  readonly #base: string;
  readonly #root: string;
  readonly #cachePack: (name: string) => boolean;
  /** Copies of packs, by path, whose content was compared with their name by this process; with its length. */
  readonly #checked = new Map<string, number>();
  readonly #underWay = new Map<string, Promise<Buffer>>();

  constructor(inner: Storage, options: CacheOptions) {
    if (!isFileName(options.repositoryId))
      throw new HoldfastError("internal", "the id of the repository is not 64 hexadecimal digits");
    this.#inner = inner;
    this.#base = options.directory;
    this.#root = join(options.directory, options.repositoryId);
    this.#cachePack = options.cachePack;
  }

  get location(): string {
    return this.#inner.location;
  }

  createLayout(): Promise<void> {
    return this.#inner.createLayout();
  }

  /** Always from the storage itself; a listing read to its end also removes the copies of what is not in it. */
  async *list(type: FileType): AsyncGenerator<StoredFile> {
    if (type !== "index" && type !== "snapshot" && type !== "pack") {
      yield* this.#inner.list(type);
      return;
    }
    // Looked at first: what is put and cached while the listing runs need not be in it.
    const cached = await this.#cachedNames(type);
    for await (const file of this.#inner.list(type)) {
      cached.delete(file.name);
      yield file;
    }
    for (const name of cached) this.#forget(this.#path(type, name));
  }

  stat(type: FileType, name: string): Promise<StoredFile> {
    return this.#inner.stat(type, name);
  }

  async read(type: FileType, name: string, range?: ByteRange): Promise<Buffer> {
    if (!this.#keeps(type, name)) return this.#inner.read(type, name, range);
    if (range) assertRange(range);
    const path = this.#path(type, name);
    if (!range) return this.#readCopy(type, name, path) ?? Buffer.from(await this.#fetch(type, name, path));
    const found = this.#readPart(type, name, path, range);
    if (found) return found;
    const content = this.#readCopy(type, name, path) ?? (await this.#fetch(type, name, path));
    if (range.offset + range.lengthBytes > content.byteLength) throw rangePastEnd(`${type} ${name}`, range);
    // A copy: a small range must not hold on to all of it.
    const part = Buffer.allocUnsafeSlow(range.lengthBytes);
    content.copy(part, 0, range.offset, range.offset + range.lengthBytes);
    return part;
  }

  async put(type: FileType, name: string, pieces: readonly Uint8Array[]): Promise<void> {
    await this.#inner.put(type, name, pieces);
    if (!this.#keeps(type, name)) return;
    const path = this.#path(type, name);
    this.#checked.delete(path);
    await this.#write(path, pieces);
  }

  async remove(type: FileType, name: string): Promise<void> {
    if (type !== "config") this.#forget(this.#path(type, name));
    await this.#inner.remove(type, name);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  #keeps(type: FileType, name: string): boolean {
    return type === "index" || type === "snapshot" || (type === "pack" && this.#cachePack(name));
  }

  #path(type: FileType, name: string): string {
    return join(this.#root, relativePath(type, name));
  }

  /** A range of a copy that was compared with its name before; undefined when it was not, or is no longer there. */
  #readPart(type: FileType, name: string, path: string, range: ByteRange): Buffer | undefined {
    const checkedBytes = this.#checked.get(path);
    if (checkedBytes === undefined) return undefined;
    if (range.offset + range.lengthBytes > checkedBytes) throw rangePastEnd(`${type} ${name}`, range);
    const found = readRange(path, range);
    if (!found) this.#forget(path);
    return found;
  }

  /** The whole copy if it is what its name says; any other is thrown away. */
  #readCopy(type: FileType, name: string, path: string): Buffer | undefined {
    try {
      const content = readFileSync(path);
      if (hash("sha256", content) !== name) this.#forget(path);
      else return this.#trust(type, path, content);
    } catch {
      // Not there, or not to be read: the storage has it.
    }
    return undefined;
  }

  /** Ranges of a pack are read without comparing all of it again; other files are read whole, and mostly once. */
  #trust(type: FileType, path: string, content: Buffer): Buffer {
    if (type === "pack") this.#checked.set(path, content.byteLength);
    return content;
  }

  /** The whole file from the storage, which becomes a copy; readers at the same time share one transfer and its buffer. */
  #fetch(type: FileType, name: string, path: string): Promise<Buffer> {
    const running = this.#underWay.get(path);
    if (running) return running;
    const started = this.#transfer(type, name, path).finally(() => this.#underWay.delete(path));
    this.#underWay.set(path, started);
    return started;
  }

  async #transfer(type: FileType, name: string, path: string): Promise<Buffer> {
    const content = await this.#inner.read(type, name);
    // Damaged in the storage itself: the reader finds out, and the cache does not keep it.
    if (hash("sha256", content) === name && (await this.#write(path, [content]))) this.#trust(type, path, content);
    return content;
  }

  /** False when the cache cannot be written, which is no error of the storage. */
  async #write(path: string, pieces: readonly Uint8Array[]): Promise<boolean> {
    const temporary = temporaryName(path);
    try {
      const file = await this.#create(temporary);
      try {
        for (const piece of pieces) writeFileSync(file, piece);
      } finally {
        closeSync(file);
      }
      // Not synced: what a crash leaves is compared with its name before it is used.
      renameSync(temporary, path);
      return true;
    } catch {
      this.#forget(temporary);
      return false;
    }
  }

  async #create(path: string): Promise<number> {
    try {
      return openSync(path, "wx", 0o600);
    } catch (error) {
      if (systemErrorCode(error) !== "ENOENT") throw error;
      await makeDirectories(dirname(path), 0o700);
      try {
        writeFileSync(join(this.#base, "CACHEDIR.TAG"), cacheTag, { flag: "wx", mode: 0o600 });
      } catch (tagError) {
        if (systemErrorCode(tagError) !== "EEXIST") throw tagError;
      }
      return openSync(path, "wx", 0o600);
    }
  }

  #forget(path: string): void {
    this.#checked.delete(path);
    try {
      rmSync(path, { force: true });
    } catch {
      // A copy that cannot be removed is compared with its name before it is used, as any other.
    }
  }

  async #cachedNames(type: "index" | "snapshot" | "pack"): Promise<Set<string>> {
    const options = { recursive: type === "pack" };
    const entries = await readdir(join(this.#root, directories[type]), options).catch(() => []);
    return new Set(entries.map((entry) => entry.slice(entry.lastIndexOf("/") + 1)).filter(isFileName));
  }
}

/** Undefined when the copy is missing, unreadable or too short. */
function readRange(path: string, { offset, lengthBytes }: ByteRange): Buffer | undefined {
  try {
    const file = openSync(path, "r");
    try {
      const target = Buffer.allocUnsafeSlow(lengthBytes);
      return readSync(file, target, 0, lengthBytes, offset) === lengthBytes ? target : undefined;
    } finally {
      closeSync(file);
    }
  } catch {
    return undefined;
  }
}
