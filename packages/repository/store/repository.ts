// An opened repository: its keys, its files of JSON, its index, and its blobs by id.
import { randomBytes } from "node:crypto";
import { isChunkerPolynomial, randomPolynomial } from "../chunker/polynomial.ts";
import type { MasterKey } from "../codec/seal.ts";
import { Sealer } from "../codec/seal.ts";
import { Compressor, Decompressor } from "../codec/zstd.ts";
import { hasCode, HoldfastError } from "../errors.ts";
import type { RepositoryConfig, RepositoryVersion } from "../format/config.ts";
import { decodeConfig, encodeConfig } from "../format/config.ts";
import { idOf } from "../format/id.ts";
import { createKeyFile, createMasterKey, openKeyFile, parseKeyFile } from "../format/key-file.ts";
import type { Snapshot } from "../format/snapshot.ts";
import { decodeSnapshot, SharedTexts } from "../format/snapshot.ts";
import type { TreeNode } from "../format/node.ts";
import { parseTree } from "../format/tree.ts";
import { decodeUnpacked, decodeUnpackedAside, encodeUnpacked } from "../format/unpacked.ts";
import type { BlobIndex, BlobType } from "../index/blob-index.ts";
import { loadIndex } from "../index/load-index.ts";
import { Kernel } from "../kernel/kernel.ts";
import { CacheStorage } from "../storage/cache.ts";
import type { WriteGuard } from "../storage/guarded.ts";
import { GuardedStorage } from "../storage/guarded.ts";
import type { FileType, Storage } from "../storage/storage.ts";
import { BlobReader } from "./blob-reader.ts";

/** Who works on the repository: recorded in locks and keys. */
export interface Identity {
  readonly hostname: string;
  readonly username: string;
  readonly uid: number;
  readonly gid: number;
  readonly pid: number;
}

export interface OpenOptions {
  readonly storage: Storage;
  readonly password: string;
  /** Where ciphertext of indexes, snapshots and trees is kept between runs; undefined: nowhere. */
  readonly cacheDirectory?: string | undefined;
  /** A key to try before the others, by the beginning of its id. */
  readonly keyHint?: string | undefined;
  readonly now: () => Date;
  readonly identity: Identity;
}

/** A snapshot with the id that it is stored under. */
export type StoredSnapshot = Snapshot & { readonly id: string };

/** Keys are tried one after another, each for a third of a second: as many as restic tries. */
const maximumKeysTried = 20;
/** How many small files are read at once. */
const readsAtOnce = 5;

interface Opened {
  readonly storage: Storage;
  readonly treePacks: Set<string>;
  readonly config: RepositoryConfig;
  readonly masterKey: MasterKey;
  readonly keyId: string;
  readonly kernel: Kernel;
  readonly now: () => Date;
  readonly identity: Identity;
}

export class Repository implements AsyncDisposable {
  /** What changes it needs the leave of all guards. */
  readonly storage: Storage;
  readonly #guarded: GuardedStorage;
  /** Packs known to hold trees: the cache keeps them whole. */
  readonly treePacks: Set<string>;
  readonly config: RepositoryConfig;
  readonly keyId: string;
  readonly masterKey: MasterKey;
  readonly sealer: Sealer;
  readonly kernel: Kernel;
  /** Null in version 1, which knows no compression. */
  readonly compressor: Compressor | null;
  readonly decompressor = new Decompressor();
  readonly now: () => Date;
  readonly identity: Identity;
  readonly #blobs: BlobReader;
  #index: Promise<BlobIndex> | null = null;
  #isClaiming = false;

  private constructor(opened: Opened) {
    this.#guarded = new GuardedStorage(opened.storage);
    this.storage = this.#guarded;
    this.treePacks = opened.treePacks;
    this.config = opened.config;
    this.keyId = opened.keyId;
    this.masterKey = opened.masterKey;
    this.kernel = opened.kernel;
    this.sealer = new Sealer(opened.masterKey, opened.kernel);
    this.compressor = opened.config.version === 1 ? null : new Compressor();
    this.now = opened.now;
    this.identity = opened.identity;
    this.#blobs = new BlobReader(this.storage, this.sealer, this.decompressor, this.treePacks);
  }

  /** Makes a new repository in an empty storage: `repository-exists` if there is one. */
  static async create(
    options: OpenOptions & { version?: RepositoryVersion; polynomial?: bigint },
  ): Promise<Repository> {
    const { storage } = options;
    await requireAbsent(storage);
    const kernel = Kernel.alone();
    const masterKey = createMasterKey();
    const sealer = new Sealer(masterKey, kernel);
    await storage.createLayout();
    const facts = { created: BigInt(options.now().getTime()) * 1_000_000n, ...options.identity };
    const key = await createKeyFile(masterKey, options.password, facts, kernel);
    await storage.put("key", key.name, [key.bytes]);
    const config: RepositoryConfig = {
      version: options.version ?? 2,
      id: randomBytes(32).toString("hex"),
      chunkerPolynomial: options.polynomial ?? randomPolynomial(randomBytes),
    };
    // The config is written last: only with it is there a repository.
    await storage.put("config", "config", [encodeConfig(config, sealer)]);
    return Repository.open({ ...options, keyHint: key.name });
  }

  /** Throws `repository-missing` or `wrong-password`. */
  static async open(options: OpenOptions): Promise<Repository> {
    const kernel = Kernel.alone();
    const configBytes = await readConfig(options.storage);
    const { masterKey, keyId } = await findKey(options, kernel, (key) => opens(key, configBytes, kernel));
    const config = openConfig(configBytes, new Sealer(masterKey, kernel), options.storage.location);
    if (!isChunkerPolynomial(config.chunkerPolynomial)) {
      throw new HoldfastError(
        "damaged",
        `the config of ${options.storage.location} has a chunker polynomial that is not irreducible`,
      );
    }
    const treePacks = new Set<string>();
    const { cacheDirectory } = options;
    const storage = cacheDirectory
      ? new CacheStorage(options.storage, {
          directory: cacheDirectory,
          repositoryId: config.id,
          cachePack: (name) => treePacks.has(name),
        })
      : options.storage;
    return new Repository({
      storage,
      treePacks,
      config,
      masterKey,
      keyId,
      kernel,
      now: options.now,
      identity: options.identity,
    });
  }

  get id(): string {
    return this.config.id;
  }

  get version(): RepositoryVersion {
    return this.config.version;
  }

  /** Has `guard` asked before every change, until the answer is disposed of: a lock does so. */
  guardChanges(guard: WriteGuard): Disposable {
    return this.#guarded.guard(guard);
  }

  /** The table of all blobs; read once. Take the list of snapshots before it, never after. */
  loadIndex(): Promise<BlobIndex> {
    this.#index ??= this.#readIndex();
    return this.#index;
  }

  /** Has the index read again by its next use, with what others have stored meanwhile. Not while a backup runs. */
  forgetIndex(): void {
    if (this.#isClaiming) throw new HoldfastError("internal", "the index was to be forgotten during a backup");
    this.#index = null;
  }

  /**
   * Runs `work`, which may claim blobs in the index: one at a time. Unless it ends well and `keeps` what it claimed,
   * the index is read anew afterwards: a claimed blob that was never stored must not count as known.
   */
  async claiming<T>(keeps: boolean, work: () => Promise<T>): Promise<T> {
    if (this.#isClaiming) throw new HoldfastError("internal", "two backups at once went through one repository");
    this.#isClaiming = true;
    let isKept = false;
    try {
      const result = await work();
      isKept = keeps;
      return result;
    } finally {
      if (!isKept) this.#index = null;
      this.#isClaiming = false;
    }
  }

  /** The JSON in a file that is not a pack: its bytes are checked against its name. */
  async loadUnpacked(type: Exclude<FileType, "pack" | "key" | "config">, name: string): Promise<Buffer> {
    const bytes = await this.storage.read(type, name);
    try {
      return type === "index"
        ? await decodeUnpackedAside(bytes, name, this.sealer)
        : decodeUnpacked(bytes, name, this.sealer, this.decompressor);
    } catch (error) {
      if (!hasCode(error, "damaged")) throw error;
      throw new HoldfastError("damaged", `the ${type} file ${name} is damaged: ${error.message}`, {
        context: { type, name },
        cause: error,
      });
    }
  }

  /** Stores JSON as a file named by its hash; returns the name. */
  async saveUnpacked(type: "snapshot" | "index" | "lock", json: Buffer): Promise<string> {
    const { name, bytes } = encodeUnpacked(json, this.sealer, this.compressor);
    await this.storage.put(type, name, [bytes]);
    return name;
  }

  /** All snapshots, the oldest first, and those that cannot be read. */
  async loadSnapshots(): Promise<{ snapshots: StoredSnapshot[]; damaged: { id: string; error: HoldfastError }[] }> {
    const names: string[] = [];
    for await (const file of this.storage.list("snapshot")) names.push(file.name);
    const found: { snapshot: StoredSnapshot; timeMs: number }[] = [];
    const damaged: { id: string; error: HoldfastError }[] = [];
    const shared = new SharedTexts();
    await forEachAtOnce(names, readsAtOnce, async (id) => {
      try {
        const snapshot = { ...decodeSnapshot(await this.loadUnpacked("snapshot", id), shared), id };
        found.push({ snapshot, timeMs: Date.parse(snapshot.time) });
      } catch (error) {
        // One that was removed since the list was taken is no damage.
        if (hasCode(error, "not-found")) return;
        if (!hasCode(error, "damaged") && !hasCode(error, "unsupported")) throw error;
        damaged.push({ id, error });
      }
    });
    found.sort((a, b) => a.timeMs - b.timeMs || (a.snapshot.id < b.snapshot.id ? -1 : 1));
    return { snapshots: found.map(({ snapshot }) => snapshot), damaged };
  }

  /** The content of a blob, checked against its id. Throws `damaged` when no copy of it can be read. */
  async loadBlob(type: BlobType, id: string): Promise<Buffer> {
    return this.#blobs.load(await this.loadIndex(), type, id);
  }

  /** The sealed bytes of a tree, for a thread that opens them itself. */
  async loadSealedTree(id: string): Promise<{ sealed: Buffer; plainLength: number }> {
    return this.#blobs.loadSealed(await this.loadIndex(), "tree", id);
  }

  async loadTree(id: string): Promise<TreeNode[]> {
    return parseTree(await this.loadBlob("tree", id));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.compressor?.[Symbol.dispose]();
    this.decompressor[Symbol.dispose]();
    await this.storage.close();
  }

  async #readIndex(): Promise<BlobIndex> {
    const files: { name: string; sizeBytes: number; load: () => Promise<Buffer> }[] = [];
    for await (const file of this.storage.list("index")) {
      files.push({ ...file, load: () => this.loadUnpacked("index", file.name) });
    }
    return loadIndex(files);
  }
}

async function requireAbsent(storage: Storage): Promise<void> {
  try {
    await storage.stat("config", "config");
  } catch (error) {
    if (!hasCode(error, "not-found")) throw error;
    if (!(await holdsData(storage))) return;
    const { message, hint } = await missingRepository(storage, error);
    throw new HoldfastError("repository-exists", message, { hint });
  }
  throw new HoldfastError("repository-exists", `there is a repository at ${storage.location} already`);
}

/** The error for a storage without a config: no repository, or one that has lost it. */
export async function missingRepository(storage: Storage, cause: unknown): Promise<HoldfastError> {
  if (!(await holdsData(storage))) {
    return new HoldfastError("repository-missing", `there is no repository at ${storage.location}`, { cause });
  }
  return new HoldfastError("repository-missing", `the repository at ${storage.location} has lost its file \`config\``, {
    hint: "bring `config` back from a copy of the repository; if there is none, `holdfast repo repair config` makes a new one",
    cause,
  });
}

async function holdsData(storage: Storage): Promise<boolean> {
  for (const type of ["snapshot", "index", "pack"] as const) for await (const _ of storage.list(type)) return true;
  return false;
}

async function readConfig(storage: Storage): Promise<Buffer> {
  try {
    return await storage.read("config", "config");
  } catch (error) {
    if (!hasCode(error, "not-found")) throw error;
    throw await missingRepository(storage, error);
  }
}

function openConfig(bytes: Buffer, sealer: Sealer, location: string): RepositoryConfig {
  try {
    return decodeConfig(bytes, sealer);
  } catch (error) {
    if (!hasCode(error, "damaged")) throw error;
    throw new HoldfastError("damaged", `the config of ${location} is damaged: ${error.message}`, {
      hint: "bring the file `config` back from a copy of the repository; if there is none, `holdfast repo repair config` makes a new one",
      context: { type: "config" },
      cause: error,
    });
  }
}

function opens(masterKey: MasterKey, sealed: Buffer, kernel: Kernel): boolean {
  try {
    new Sealer(masterKey, kernel).open(sealed);
    return true;
  } catch (error) {
    if (!hasCode(error, "damaged")) throw error;
    return false;
  }
}

/**
 * Tries the password on the keys, the hinted one first. Throws `wrong-password`; `damaged` when there are no keys, or
 * when those that can be read do not open and there are others. A key that opens is passed over while it does not fit:
 * an `init` that died before it wrote the config left it behind.
 */
export async function findKey(
  options: Pick<OpenOptions, "storage" | "password" | "keyHint">,
  kernel: Kernel,
  fits: (masterKey: MasterKey) => boolean | Promise<boolean> = () => true,
): Promise<{ masterKey: MasterKey; keyId: string }> {
  const names: string[] = [];
  for await (const file of options.storage.list("key")) names.push(file.name);
  if (names.length === 0) {
    throw new HoldfastError("damaged", `the repository at ${options.storage.location} has no key files`, {
      hint: "bring the directory `keys` back from a copy: without it nothing can be decrypted",
    });
  }
  const { keyHint } = options;
  if (keyHint) names.sort((a, b) => Number(b.startsWith(keyHint)) - Number(a.startsWith(keyHint)));
  let damage: unknown = null;
  let misfit: { masterKey: MasterKey; keyId: string } | null = null;
  for (const name of names.slice(0, maximumKeysTried)) {
    try {
      const bytes = await options.storage.read("key", name);
      if (idOf(bytes) !== name)
        throw new HoldfastError("damaged", `the key file ${name} is damaged`, {
          hint: "bring it back from a copy of the repository, or use the password of another key; without a key nothing can be decrypted",
          context: { name },
        });
      const masterKey = await openKeyFile(parseKeyFile(bytes), options.password, kernel);
      if (masterKey && (await fits(masterKey))) return { masterKey, keyId: name };
      if (masterKey) misfit ??= { masterKey, keyId: name };
    } catch (error) {
      damage ??= error;
    }
  }
  if (misfit) return misfit;
  if (damage) throw damage;
  if (names.length > maximumKeysTried) {
    const tried = `the ${maximumKeysTried} of ${names.length} keys that were tried`;
    throw new HoldfastError("wrong-password", `the password opens none of ${tried} of ${options.storage.location}`, {
      hint: "name the key that it is for with `--key-hint`; `key check` shows which one it opens",
    });
  }
  throw new HoldfastError("wrong-password", `wrong password: it opens no key of ${options.storage.location}`);
}

/** Runs `work` on all items, so many at once; the first failure is thrown once all under way have ended. */
export async function forEachAtOnce<T>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  let next = 0;
  const run = async (): Promise<void> => {
    while (next < items.length) await work(items[next++]!);
  };
  const results = await Promise.allSettled(Array.from({ length: Math.min(atOnce, items.length) }, run));
  for (const result of results) if (result.status === "rejected") throw result.reason;
}
