// Reads every index file of a repository for a check: the table of blobs, and what is odd about the files.
import { sealOverheadBytes } from "../../codec/seal.ts";
import { HoldfastError } from "../../errors.ts";
import { indexIdsBytes, parseIndexFile } from "../../format/index-file.ts";
import { packEntryBytes, packLengthFieldBytes } from "../../format/pack.ts";
import type { BlobLocation, BlobType } from "../../index/blob-index.ts";
import { BlobIndex } from "../../index/blob-index.ts";
import type { Repository } from "../../store/repository.ts";
import type { DamageLog } from "./check-damage.ts";
import { problemOf } from "./check-damage.ts";

/** What the index says of one pack. */
export interface PackFacts {
  readonly name: string;
  blobs: number;
  blobBytes: number;
  headerBytes: number;
  hasData: boolean;
  hasTrees: boolean;
  /** How many runs of entries it has in the table: one, unless several index files share the pack. */
  runs: number;
  indexFiles: number;
  lastIndexFile: number;
}

export interface PackBlob {
  /** 32 bytes. */
  readonly id: Buffer;
  readonly type: BlobType;
  readonly location: BlobLocation;
}

interface Reading {
  readonly log: DamageLog | null;
  readonly progress: (done: number, total: number) => void;
  /** Why a file cannot be read; throws what ends the reading. */
  readonly problem: (error: unknown) => string;
}

/** The index of a repository as far as it can be read. */
export class CheckedIndex {
  readonly index: BlobIndex;
  /** By the number that the table gives a pack. */
  readonly packs: PackFacts[] = [];
  readonly files: readonly string[];
  readonly superseded = new Set<string>();
  /** Names of packs about which index files contradict each other. */
  readonly contradicted = new Set<string>();
  #lastPack = -1;

  private constructor(files: readonly { name: string; sizeBytes: number }[]) {
    this.index = BlobIndex.create(files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) / 60);
    this.files = files.map(({ name }) => name);
  }

  /**
   * A file that is damaged is logged. One that the storage does not give for now is logged only with `survivesFailures`,
   * and thrown otherwise: whoever removes what is damaged must not take it for that.
   */
  static async read(
    repository: Repository,
    log: DamageLog,
    progress: (done: number, total: number) => void,
    { survivesFailures = false } = {},
  ): Promise<CheckedIndex> {
    const files = await Array.fromAsync(repository.storage.list("index"));
    const problem = survivesFailures ? problemOf : damageOf;
    const all = await CheckedIndex.#readAll(repository, files, { log, progress, problem });
    const replaced = files.filter(({ name }) => all.superseded.has(name));
    if (replaced.length === 0) return all;
    for (const { name } of replaced) {
      log.add({
        severity: "rubbish",
        kind: "index-superseded",
        message: `the index ${name} was replaced by another one and is still there`,
        file: { type: "index", name },
      });
    }
    // Rare and old. What is odd about the files was logged the first time.
    const left = files.filter(({ name }) => !all.superseded.has(name));
    return CheckedIndex.#readAll(repository, left, { log: null, progress, problem });
  }

  static async #readAll(
    repository: Repository,
    files: readonly { name: string; sizeBytes: number }[],
    { log, progress, problem }: Reading,
  ): Promise<CheckedIndex> {
    const checked = new CheckedIndex(files);
    let next: Promise<Buffer> | null = null;
    const load = (at: number): Promise<Buffer> | null => {
      const file = files[at];
      if (!file) return null;
      const loading = repository.loadUnpacked("index", file.name);
      // A failure is met when the file's turn comes.
      loading.catch(() => undefined);
      return loading;
    };
    next = load(0);
    for (const [at, { name }] of files.entries()) {
      const loading = next!;
      next = load(at + 1);
      try {
        checked.#addFile(at, name, await loading, log);
      } catch (error) {
        const message = `the index ${name} cannot be read: ${problem(error)}`;
        log?.add({ severity: "error", kind: "file-damaged", message, file: { type: "index", name } });
      }
      progress(at + 1, files.length);
    }
    return checked;
  }

  #addFile(number: number, name: string, json: Buffer, log: DamageLog | null): void {
    const ids = Buffer.alloc(indexIdsBytes);
    const blobId = ids.subarray(0, indexIdsBytes / 2);
    let pack = 0;
    let blobs = 0;
    const contradicted = new Set<string>();
    parseIndexFile(json, {
      ids,
      pack: () => (pack = this.#packNumber(ids.toString("hex", indexIdsBytes / 2), number)),
      blob: (type, offset, lengthBytes, plainLength) => {
        blobs++;
        const before = this.index.size;
        this.index.add(blobId, type, pack, offset, lengthBytes, plainLength);
        if (this.index.size > before) return this.#count(pack, type, lengthBytes, plainLength);
        if (!this.#agrees(blobId, type, pack, offset, lengthBytes, plainLength))
          contradicted.add(this.packs[pack]!.name);
      },
      supersedes: (id) => this.superseded.add(id),
    });
    const file = { type: "index", name } as const;
    if (blobs === 0)
      log?.add({ severity: "rubbish", kind: "index-empty", message: `the index ${name} lists no blobs`, file });
    for (const packName of contradicted) {
      this.contradicted.add(packName);
      const message = `the index ${name} contradicts another one about the pack ${packName}`;
      log?.add({ severity: "error", kind: "index-contradiction", message, file });
    }
  }

  #packNumber(name: string, file: number): number {
    const number = this.index.packNumber(name);
    const facts = (this.packs[number] ??= {
      name,
      blobs: 0,
      blobBytes: 0,
      headerBytes: sealOverheadBytes + packLengthFieldBytes,
      hasData: false,
      hasTrees: false,
      runs: 0,
      indexFiles: 0,
      lastIndexFile: -1,
    });
    if (facts.lastIndexFile !== file) facts.indexFiles++;
    facts.lastIndexFile = file;
    return number;
  }

  #count(pack: number, type: BlobType, lengthBytes: number, plainLength: number): void {
    const facts = this.packs[pack]!;
    if (this.#lastPack !== pack) facts.runs++;
    this.#lastPack = pack;
    facts.blobs++;
    facts.blobBytes += lengthBytes;
    facts.headerBytes += packEntryBytes(plainLength > 0);
    if (type === "tree") facts.hasTrees = true;
    else facts.hasData = true;
  }

  #agrees(id: Buffer, type: BlobType, pack: number, offset: number, lengthBytes: number, plainLength: number): boolean {
    const { name } = this.packs[pack]!;
    return this.index
      .locations(id.toString("hex"), type)
      .some(
        (location) =>
          location.pack === name &&
          location.offset === offset &&
          location.lengthBytes === lengthBytes &&
          location.plainLength === plainLength,
      );
  }

  /** Every pack with its blobs in the order of their places. One pack at a time is in memory, rare ones aside. */
  *contents(): Generator<{ pack: PackFacts; blobs: PackBlob[] }> {
    const scattered = new Map<PackFacts, PackBlob[]>();
    let current: { pack: PackFacts; blobs: PackBlob[] } | null = null;
    for (const blob of this.index.blobs()) {
      if (current?.pack.name !== blob.location.pack) {
        if (current) yield inOrder(current);
        current = null;
        const pack: PackFacts = this.packs[this.index.packNumber(blob.location.pack)]!;
        if (pack.runs === 1) current = { pack, blobs: [] };
        else if (!scattered.has(pack)) scattered.set(pack, []);
      }
      if (current) current.blobs.push(blob);
      else scattered.get(this.packs[this.index.packNumber(blob.location.pack)]!)!.push(blob);
    }
    if (current) yield inOrder(current);
    for (const [pack, blobs] of scattered) yield inOrder({ pack, blobs });
  }
}

function damageOf(error: unknown): string {
  if (error instanceof HoldfastError && ["damaged", "unsupported", "not-found"].includes(error.code))
    return problemOf(error);
  throw error;
}

function inOrder(content: { pack: PackFacts; blobs: PackBlob[] }): { pack: PackFacts; blobs: PackBlob[] } {
  content.blobs.sort((a, b) => a.location.offset - b.location.offset);
  return content;
}
