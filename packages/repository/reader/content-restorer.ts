// Brings the content of batches of files back: compares what is there, reads ranges of packs, and has workers write them.
import fs from "node:fs";
import { hasCode, HoldfastError } from "../errors.ts";
import type { BlobIndex } from "../index/blob-index.ts";
import type { OpenEntry } from "../filesystem/open-entry.ts";
import { RestoreTools } from "../filesystem/open-entry.ts";
import { DirectoryHandle } from "../filesystem/create.ts";
import { preallocate } from "../filesystem/sparse.ts";
import type { SystemCalls } from "../filesystem/system-calls.ts";
import { byteString, bytesOf } from "../filesystem/path.ts";
import type { Repository } from "../store/repository.ts";
import { differs, removeQuietly, setSize, temporaryName } from "./file-writer.ts";
import type { WriteOptions } from "./file-writer.ts";
import { batchDirectories } from "./descriptor-limit.ts";
import { packTargets } from "./pack-targets.ts";
import { setMetadata, setMetadataOf } from "./restore-metadata.ts";
import type { MetadataResult } from "./restore-metadata.ts";
import type { TargetProblem } from "./restore-messages.ts";
import { blobWords } from "./restore-messages.ts";
import type { BlobTarget, FilePiece, PackRange, PlannedBlob } from "./restore-plan.ts";
import { RestoreBatch } from "./restore-plan.ts";
import { fromPlain } from "./restore-pool.ts";
import type { RestorePool } from "./restore-pool.ts";
import type { RestoreReport } from "./restore-report.ts";
import type { RestoredFile } from "./restored-file.ts";
import { Slots } from "./slots.ts";
import { TargetWriter } from "./target-writer.ts";

/** TMPFS_MAGIC in statfs(2). */
const tmpfsMagic = 0x0102_1994;
/** So much of a file is compared by one task. */
const comparedBlobs = 256;
/** Ranges on their way beyond those the workers hold. */
const rangesAhead = 1;

export interface ContentOptions extends WriteOptions {
  readonly dryRun: boolean;
  /** What has to happen when a file is complete, or is not going to be. */
  readonly settled: (file: RestoredFile) => void;
}

export class ContentRestorer {
  readonly #repository: Repository;
  readonly #index: BlobIndex;
  readonly #pool: RestorePool;
  readonly #calls: SystemCalls;
  readonly #tools: RestoreTools;
  readonly #report: RestoreReport;
  readonly #options: ContentOptions;
  readonly #slots: Slots;
  /** Whether the target is; null until the first file of several blobs. */
  #isInMemory: boolean | null = null;
  readonly #batchDirectories = batchDirectories();
  readonly #openFiles = new Set<RestoredFile>();
  #batch: RestoreBatch;
  /** The batch that reads and the one before it, whose last ranges are still being written. */
  #dispatching: Promise<void> = Promise.resolve();
  readonly #finishing = new Set<Promise<void>>();
  #failure: unknown = null;

  constructor(
    repository: Repository,
    index: BlobIndex,
    pool: RestorePool,
    calls: SystemCalls,
    report: RestoreReport,
    options: ContentOptions,
  ) {
    this.#repository = repository;
    this.#index = index;
    this.#pool = pool;
    this.#calls = calls;
    this.#tools = new RestoreTools(calls);
    this.#report = report;
    this.#options = options;
    this.#slots = new Slots(pool.workers * 2 + rangesAhead);
    this.#batch = new RestoreBatch(index, this.#batchDirectories);
  }

  /** Takes a file with content; null when it is taken at once, a promise while too much is under way. */
  add(file: RestoredFile): Promise<void> | null {
    file.directory.retain();
    const count = file.lengths.length;
    if (this.#batch.room < count) return this.#addPieces(file);
    this.#batch.add({ file, first: 0, count, offset: 0 });
    return null;
  }

  async #addPieces(file: RestoredFile): Promise<void> {
    let offset = 0;
    for (let first = 0; first < file.lengths.length && !file.isSettled;) {
      if (this.#batch.room === 0) await this.#nextBatch();
      const count = Math.min(this.#batch.room, file.lengths.length - first);
      this.#batch.add({ file, first, count, offset });
      for (const end = first + count; first < end; first++) offset += file.lengths[first]!;
    }
  }

  /** Ends when all content is written and all files are complete. */
  async finish(): Promise<void> {
    await this.#nextBatch();
    await this.#dispatching;
    await Promise.all(this.#finishing);
    this.#throwIfFailed();
  }

  /** Removes what is not complete. No task may run any more. */
  discard(): void {
    for (const file of this.#openFiles) this.#dropOpen(file);
  }

  /** Stops: everything under way ends with this error. */
  fail(error: unknown): void {
    this.#failure ??= error;
    this.#pool.abort(error);
    this.#slots.fail(error);
  }

  async #nextBatch(): Promise<void> {
    await this.#dispatching;
    this.#throwIfFailed();
    const batch = this.#batch;
    this.#batch = new RestoreBatch(this.#index, this.#batchDirectories);
    // A failure is met by whoever waits next.
    this.#dispatching = this.#dispatch(batch).catch((error: unknown) => this.fail(error));
  }

  async #dispatch(batch: RestoreBatch): Promise<void> {
    await this.#compareExisting(batch);
    const pieces = batch.pieces.filter(({ file }) => !file.isSettled);
    if (this.#options.dryRun) {
      for (const { file } of pieces) this.#settle(file);
      return;
    }
    for (const { file } of pieces) if (file.hasParts && !file.open && !file.failure) this.#openParts(file);
    const writing: Promise<void>[] = [];
    for (const range of batch.ranges(pieces)) {
      await this.#slots.take();
      const work = this.#restoreRange(range)
        .catch((error: unknown) => this.fail(error))
        .finally(() => this.#slots.give());
      writing.push(work);
    }
    const finishing = Promise.all(writing)
      .then(() => this.#completePieces(pieces))
      .catch((error: unknown) => this.fail(error))
      .finally(() => this.#finishing.delete(finishing));
    this.#finishing.add(finishing);
  }

  /** Settles the files whose content is right already. */
  async #compareExisting(batch: RestoreBatch): Promise<void> {
    const candidates = batch.pieces.filter(({ file, first }) => file.compares && first === 0 && !file.isSettled);
    await Promise.all(
      candidates.map(async ({ file }) => {
        if (!(await this.#holds(file, bytesOf(file.name), 0, file.lengths.length, 0))) return;
        const { directory, name, metadata } = file;
        if (!this.#options.dryRun)
          this.#metadata(file, setMetadataOf(directory.handle!, bytesOf(name), metadata, false));
        this.#report.item("unchanged", "file", file.path, file.sizeBytes);
        this.#end(file);
      }),
    );
  }

  /** Whether a run of blobs stands in the file called `name`. */
  async #holds(file: RestoredFile, name: Buffer, first: number, count: number, offset: number): Promise<boolean> {
    const { fd, path } = file.directory.handle!;
    const tasks: Promise<{ readonly holds: boolean }>[] = [];
    let start = offset;
    for (let at = first; at < first + count; at += comparedBlobs) {
      const end = Math.min(first + count, at + comparedBlobs);
      const run = {
        offset: start,
        ids: file.idBytes(at, end),
        lengths: Uint32Array.from(file.lengths.slice(at, end)),
      };
      tasks.push(this.#pool.run({ kind: "compare", directory: { fd, path }, name: byteString(name), run }));
      for (const length of run.lengths) start += length;
    }
    return (await Promise.all(tasks)).every(({ holds }) => holds);
  }

  #openParts(file: RestoredFile): void {
    const name = temporaryName();
    try {
      file.open = { entry: file.directory.handle!.createFile(name), name };
      this.#openFiles.add(file);
      const { entry } = file.open;
      if (this.#options.sparse) setSize(entry, file.sizeBytes);
      else if (!(this.#isInMemory ??= isInMemory(entry)))
        preallocate(this.#calls, entry.fd, BigInt(file.sizeBytes), entry.path);
    } catch (error) {
      this.#failed(file, error);
    }
  }

  async #restoreRange(range: PackRange): Promise<void> {
    this.#throwIfFailed();
    const bytes = await this.#read(range);
    this.#throwIfFailed();
    // A file that failed meanwhile gets nothing more.
    const hasFailures = range.blobs.some(({ targets }) => targets.some(({ file }) => file.failure));
    const blobs = hasFailures
      ? range.blobs.map((blob) => ({ ...blob, targets: blob.targets.filter(({ file }) => !file.failure) }))
      : range.blobs;
    if (!bytes) {
      for (const blob of blobs) await this.#recover(blob);
      return;
    }
    const words = new Uint32Array(blobs.length * blobWords);
    const ids = Buffer.alloc(blobs.length * 32);
    for (const [i, { offset, lengthBytes, plainLength, targets }] of blobs.entries()) {
      words.set([offset - range.offset, lengthBytes, plainLength, targets.length], i * blobWords);
      const { file, blob } = range.blobs[i]!.targets[0]!;
      ids.write(file.blobId(blob), i * 32, "hex");
    }
    const targets = blobs.flatMap((blob) => blob.targets);
    const whole = ownMemory(bytes);
    const answer = await this.#pool.run(
      { kind: "range", bytes: whole, blobs: words, ids, targets: packTargets(targets) },
      [whole.buffer],
    );
    this.#take(targets, answer.problems, answer.ownersNotSet);
    const failed = new Set(answer.failedBlobs);
    for (const [i, blob] of blobs.entries()) {
      if (failed.has(i)) await this.#recover(blob);
      else this.#written(blob.targets);
    }
    this.#report.progress();
  }

  /** The bytes of a range; null when the pack is missing or too short. */
  async #read({ pack, offset, endOffset }: PackRange): Promise<Buffer | null> {
    try {
      return await this.#repository.storage.read("pack", pack, { offset, lengthBytes: endOffset - offset });
    } catch (error) {
      if (hasCode(error, "damaged") || hasCode(error, "not-found")) return null;
      throw error;
    }
  }

  /** Reads a blob from another pack, if there is one; otherwise the files that need it have failed. */
  async #recover({ targets }: PlannedBlob): Promise<void> {
    const [first] = targets;
    if (!first) return;
    let content: Buffer;
    try {
      content = await this.#repository.loadBlob("data", first.file.blobId(first.blob));
    } catch (error) {
      if (!hasCode(error, "damaged")) throw error;
      for (const { file } of targets) this.#failed(file, error, "read");
      return;
    }
    const open = ({ fd, path }: { fd: number; path: Uint8Array }): DirectoryHandle =>
      new DirectoryHandle(this.#tools, fd, Buffer.from(path));
    const writer = new TargetWriter(packTargets(targets), open, this.#tools, this.#options);
    for (const target of targets.keys()) writer.write(target, content);
    this.#take(targets, writer.problems, writer.ownersNotSet);
    this.#written(targets);
  }

  #take(targets: readonly BlobTarget[], problems: readonly TargetProblem[], ownersNotSet: number): void {
    this.#report.ownersNotSet(ownersNotSet);
    for (const { target, during, error } of problems) {
      const { file } = targets[target]!;
      if (during === "metadata") this.#report.error(file.path, "metadata", fromPlain(error));
      else this.#failed(file, fromPlain(error));
    }
  }

  #written(targets: readonly BlobTarget[]): void {
    for (const { file, blob } of targets) if (!file.failure) this.#report.written(file.lengths[blob]!);
  }

  /** After all ranges of a batch: whole files are complete, those of several blobs once their last piece is there. */
  async #completePieces(pieces: readonly FilePiece[]): Promise<void> {
    this.#throwIfFailed();
    const checking: Promise<void>[] = [];
    for (const piece of pieces) {
      const { file } = piece;
      if (file.open && !file.failure && this.#options.verify) checking.push(this.#verifyPiece(piece, file.open.name));
      else this.#pieceDone(piece);
    }
    await Promise.all(checking);
    this.#report.progress();
  }

  async #verifyPiece(piece: FilePiece, name: Buffer): Promise<void> {
    const { file, first, count, offset } = piece;
    if (!(await this.#holds(file, name, first, count, offset))) this.#failed(file, differs(file.path), "verify");
    this.#pieceDone(piece);
  }

  #pieceDone({ file, count }: FilePiece): void {
    file.blobsLeft -= count;
    if (file.blobsLeft === 0) this.#complete(file);
  }

  #complete(file: RestoredFile): void {
    if (file.open && !file.failure) {
      const { entry, name } = file.open;
      const directory = file.directory.handle!;
      try {
        this.#metadata(file, setMetadata(entry, file.metadata));
        entry.close();
        directory.rename(name, directory, bytesOf(file.name));
        this.#openFiles.delete(file);
        file.open = null;
      } catch (error) {
        this.#failed(file, error);
      }
    }
    this.#settle(file);
  }

  #settle(file: RestoredFile): void {
    if (file.isSettled) return;
    if (file.failure) this.#dropOpen(file);
    else {
      if (this.#options.verify && !this.#options.dryRun) this.#report.verified();
      this.#report.item(file.replaces ? "updated" : "restored", "file", file.path, file.sizeBytes);
    }
    this.#end(file);
  }

  #end(file: RestoredFile): void {
    file.isSettled = true;
    this.#options.settled(file);
    file.directory.release();
  }

  #dropOpen(file: RestoredFile): void {
    this.#openFiles.delete(file);
    if (!file.open) return;
    const { entry, name } = file.open;
    file.open = null;
    try {
      entry.close();
    } catch (error) {
      // The file is being given up: what the disk says at last does not matter any more.
      if (!(error instanceof HoldfastError)) throw error;
    }
    removeQuietly(file.directory.handle!, name);
  }

  /** One file less; a full target ends the restore. */
  #failed(file: RestoredFile, error: unknown, during: "read" | "write" | "verify" = "write"): void {
    if (!(error instanceof HoldfastError) || error.code === "no-space" || error.code === "interrupted") throw error;
    if (file.failure) return;
    file.failure = error;
    this.#report.error(file.path, during, error);
  }

  #metadata(file: RestoredFile, result: MetadataResult): void {
    for (const error of result.errors) this.#report.error(file.path, "metadata", error);
    if (result.ownerRefused) this.#report.ownersNotSet(1);
  }

  #throwIfFailed(): void {
    if (this.#failure !== null) throw this.#failure;
    this.#pool.throwIfFailed();
  }
}

/** A file system in memory fills space that is reserved with zeros, which is as much work as writing it. */
function isInMemory({ fd }: OpenEntry): boolean {
  return fs.statfsSync(`/proc/self/fd/${fd}`).type === tmpfsMagic;
}

/** The bytes in memory of their own, which can be handed to another thread. */
function ownMemory(bytes: Buffer): Uint8Array<ArrayBuffer> {
  const { buffer, byteOffset, byteLength } = bytes;
  return buffer instanceof ArrayBuffer && byteOffset === 0 && byteLength === buffer.byteLength
    ? new Uint8Array(buffer)
    : new Uint8Array(bytes);
}
