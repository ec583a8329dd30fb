// Storage with a local copy of what is read often. What is kept is the ciphertext, just as it is stored.
import { createHash } from "node:crypto";
import { open, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { HoldfastError } from "../errors.ts";
import { assertRange, directories, isFileName, rangePastEnd, relativePath } from "./file-layout.ts";
import { temporaryName } from "./local.ts";
import { makeDirectories } from "./make-directories.ts";
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
 */
export class CacheStorage implements Storage {
  readonly #inner: Storage;
  readonly #base: string;
  readonly #root: string;
  readonly #cachePack: (name: string) => boolean;
  /** Paths whose content was compared with their name by this process, with its length. */
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
    for (const name of cached) await this.#forget(this.#path(type, name));
  }

  stat(type: FileType, name: string): Promise<StoredFile> {
    return this.#inner.stat(type, name);
  }

  async read(type: FileType, name: string, range?: ByteRange): Promise<Buffer> {
    if (!this.#keeps(type, name)) return this.#inner.read(type, name, range);
    if (range) assertRange(range);
    const path = this.#path(type, name);
    const checkedBytes = this.#checked.get(path);
    if (checkedBytes !== undefined) {
      if (range && range.offset + range.lengthBytes > checkedBytes) throw rangePastEnd(`${type} ${name}`, range);
      const found = await readCached(path, range ?? { offset: 0, lengthBytes: checkedBytes });
      if (found) return found;
      await this.#forget(path);
    }
    const content = await this.#whole(type, name, path);
    // Always a copy: several callers may share the whole, and a small range must not hold on to all of it.
    const { offset, lengthBytes } = range ?? { offset: 0, lengthBytes: content.byteLength };
    if (offset + lengthBytes > content.byteLength) throw rangePastEnd(`${type} ${name}`, { offset, lengthBytes });
    const copy = Buffer.allocUnsafeSlow(lengthBytes);
    content.copy(copy, 0, offset, offset + lengthBytes);
    return copy;
  }

  async put(type: FileType, name: string, pieces: readonly Uint8Array[]): Promise<void> {
    await this.#inner.put(type, name, pieces);
    if (!this.#keeps(type, name)) return;
    const path = this.#path(type, name);
    if (await this.#write(path, pieces)) this.#checked.delete(path);
  }

  async remove(type: FileType, name: string): Promise<void> {
    if (type !== "config") await this.#forget(this.#path(type, name));
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

  /** The whole file from the cache or else from the storage; readers at the same time share one transfer. */
  #whole(type: FileType, name: string, path: string): Promise<Buffer> {
    const running = this.#underWay.get(path);
    if (running) return running;
    const started = this.#load(type, name, path).finally(() => this.#underWay.delete(path));
    this.#underWay.set(path, started);
    return started;
  }

  async #load(type: FileType, name: string, path: string): Promise<Buffer> {
    const cached = await readCached(path);
    if (cached && hashOf(cached) === name) {
      this.#checked.set(path, cached.byteLength);
      return cached;
    }
    if (cached) await this.#forget(path);
    const content = await this.#inner.read(type, name);
    // Damaged in the storage itself: the reader finds out, and the cache does not keep it.
    if (hashOf(content) === name && (await this.#write(path, [content]))) this.#checked.set(path, content.byteLength);
    return content;
  }

  /** False when the cache cannot be written, which is no error of the storage. */
  async #write(path: string, pieces: readonly Uint8Array[]): Promise<boolean> {
    const temporary = temporaryName(path);
    try {
      await makeDirectories(dirname(path), 0o700);
      await writeFile(join(this.#base, "CACHEDIR.TAG"), cacheTag, { flag: "wx", mode: 0o600 }).catch(() => undefined);
      await using file = await open(temporary, "wx", 0o600);
      for (const piece of pieces) await file.writeFile(piece);
      // Not synced: what a crash leaves is compared with its name before it is used.
      await rename(temporary, path);
      return true;
    } catch {
      await rm(temporary, { force: true }).catch(() => undefined);
      return false;
    }
  }

  async #forget(path: string): Promise<void> {
    this.#checked.delete(path);
    await rm(path, { force: true }).catch(() => undefined);
  }

  async #cachedNames(type: "index" | "snapshot" | "pack"): Promise<Set<string>> {
    const options = { recursive: type === "pack" };
    const entries = await readdir(join(this.#root, directories[type]), options).catch(() => []);
    return new Set(entries.map((entry) => entry.slice(entry.lastIndexOf("/") + 1)).filter(isFileName));
  }
}

/** Undefined when the copy is missing, unreadable or too short. */
async function readCached(path: string, range?: ByteRange): Promise<Buffer | undefined> {
  try {
    if (!range) return await readFile(path);
    await using file = await open(path, "r");
    const target = Buffer.allocUnsafeSlow(range.lengthBytes);
    const { bytesRead } = await file.read(target, 0, range.lengthBytes, range.offset);
    return bytesRead === range.lengthBytes ? target : undefined;
  } catch {
    return undefined;
  }
}

function hashOf(content: Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}
