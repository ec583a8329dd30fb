// Writes the content of restored files, whole or blob by blob, with holes where wanted, and compares what stands there.
import { hash, randomBytes } from "node:crypto";
import fs from "node:fs";
import { HoldfastError } from "../errors.ts";
import type { DirectoryHandle } from "../filesystem/create.ts";
import type { OpenEntry, RestoreTools } from "../filesystem/open-entry.ts";
import { displayPath, errorNumber, systemError } from "../filesystem/system-error.ts";
import type { InitialMetadata, Metadata, MetadataResult } from "./restore-metadata.ts";
import { initialMetadata, setMetadata } from "./restore-metadata.ts";

const { O_NOATIME, O_RDONLY } = fs.constants;
/** Holes come in blocks of the file system; smaller runs of zeros are written. */
const blockBytes = 4096;
const zeros = Buffer.alloc(blockBytes);
const compareBytes = 1024 * 1024;

/** A run of blobs of a file, in order and without gaps. */
export interface ContentRun {
  /** Where the first blob stands in the file. */
  readonly offset: number;
  /** 32 bytes for each blob. */
  readonly ids: Uint8Array;
  readonly lengths: Uint32Array;
}

export interface WholeFile {
  readonly name: Buffer;
  /** Something of that name is there and is replaced, at once, when the new file is complete. */
  readonly replaces: boolean;
  readonly metadata: Metadata;
}

/** Learns from the first file in a directory what the others there have when they are made. */
export class NewFiles {
  readonly #tools: RestoreTools;
  #initial: InitialMetadata | null | undefined;

  constructor(tools: RestoreTools) {
    this.#tools = tools;
  }

  initial(entry: OpenEntry): InitialMetadata | null {
    if (this.#initial === undefined) this.#initial = initialMetadata(entry, this.#tools);
    return this.#initial;
  }
}

export interface WriteOptions {
  readonly sparse: boolean;
  readonly verify: boolean;
}

/** A fresh name for a file that is not complete. */
export function temporaryName(): Buffer {
  return Buffer.from(`.holdfast-restore-${randomBytes(8).toString("hex")}`);
}

/**
 * Makes a file of a single blob, complete or not at all: on failure nothing is left. Throws as DirectoryHandle does,
 * and `target` when what is read back differs; failures of metadata are returned.
 */
export function writeWhole(
  directory: DirectoryHandle,
  file: WholeFile,
  content: Buffer,
  options: WriteOptions,
  newFiles: NewFiles | null = null,
): MetadataResult {
  const name = file.replaces ? temporaryName() : file.name;
  const entry = directory.createFile(name);
  try {
    let result: MetadataResult;
    try {
      if (options.sparse) setSize(entry, content.length);
      writeContent(entry, content, 0, options.sparse);
      result = setMetadata(entry, file.metadata, newFiles && newFiles.initial(entry));
    } finally {
      entry.close();
    }
    if (options.verify) verifyWhole(directory, name, content);
    if (file.replaces) directory.rename(name, directory, file.name);
    return result;
  } catch (error) {
    removeQuietly(directory, name);
    throw error;
  }
}

/** After a failure that is reported already: what cannot be removed either adds nothing to it. */
export function removeQuietly(directory: DirectoryHandle, name: Buffer): void {
  try {
    directory.remove(name);
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
  }
}

/** Writes a blob at its place. With `sparse` the file must have its size (`setSize`) and no data there yet. */
export function writeContent(entry: OpenEntry, content: Buffer, offset: number, sparse: boolean): void {
  if (!sparse) {
    writeFully(entry, content, offset);
    return;
  }
  for (const { start, end } of dataRuns(content, offset))
    writeFully(entry, content.subarray(start, end), offset + start);
}

/** Gives the file its size; what is not written is a hole. */
export function setSize(entry: OpenEntry, sizeBytes: number): void {
  try {
    fs.ftruncateSync(entry.fd, sizeBytes);
  } catch (error) {
    throw systemError("target", "set the size of", entry.path, errorNumber(error));
  }
}

/** The parts of `content` that are not blocks of zeros of a file in which it stands at `offset`. */
export function* dataRuns(content: Buffer, offset: number): Generator<{ start: number; end: number }, void, undefined> {
  let dataStart = -1;
  for (let start = 0; start < content.length;) {
    const end = Math.min(content.length, start + blockBytes - ((offset + start) % blockBytes));
    const isZero = content.compare(zeros, 0, end - start, start, end) === 0;
    if (isZero && dataStart >= 0) {
      yield { start: dataStart, end: start };
      dataStart = -1;
    } else if (!isZero && dataStart < 0) {
      dataStart = start;
    }
    start = end;
  }
  if (dataStart >= 0) yield { start: dataStart, end: content.length };
}

/** True when the file holds exactly these blobs there. False also for what is no regular file. */
export function holdsContent(directory: DirectoryHandle, name: Buffer, run: ContentRun): boolean {
  using file = openToCompare(directory, name);
  if (!file) return false;
  let buffer: Buffer = Buffer.alloc(0);
  let { offset } = run;
  for (let i = 0; i < run.lengths.length; i++) {
    const length = run.lengths[i]!;
    if (buffer.length < length) buffer = Buffer.allocUnsafeSlow(Math.max(length, compareBytes));
    const content = buffer.subarray(0, length);
    if (readAt(file, content, offset) < length) return false;
    if (hash("sha256", content, "buffer").compare(run.ids, i * 32, (i + 1) * 32) !== 0) return false;
    offset += length;
  }
  return true;
}

function verifyWhole(directory: DirectoryHandle, name: Buffer, content: Buffer): void {
  using file = openToCompare(directory, name);
  const found = Buffer.allocUnsafe(content.length + 1);
  const length = file ? readAt(file, found, 0) : -1;
  if (length === content.length && content.compare(found, 0, length) === 0) return;
  throw differs(Buffer.concat([directory.path, Buffer.from("/"), name]));
}

export function differs(path: Buffer): HoldfastError {
  const shown = displayPath(path);
  return new HoldfastError("target", `${shown} reads back otherwise than it was written`, {
    hint: "check the disk of the target, then restore again",
    context: { path: shown },
  });
}

/** Open for reading, if possible without touching its access time; null if it is no regular file or not there. */
function openToCompare(directory: DirectoryHandle, name: Buffer): OpenEntry | null {
  for (const flags of [O_RDONLY | O_NOATIME, O_RDONLY]) {
    try {
      return directory.openFile(name, flags);
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
    }
  }
  return null;
}

function readAt(file: OpenEntry, into: Buffer, offset: number): number {
  let done = 0;
  try {
    while (done < into.length) {
      const bytes = fs.readSync(file.fd, into, done, into.length - done, offset + done);
      if (bytes === 0) break;
      done += bytes;
    }
  } catch (error) {
    throw systemError("target", "read back", file.path, errorNumber(error));
  }
  return done;
}

function writeFully(entry: OpenEntry, bytes: Buffer, offset: number): void {
  let done = 0;
  try {
    while (done < bytes.length) done += fs.writeSync(entry.fd, bytes, done, bytes.length - done, offset + done);
  } catch (error) {
    throw systemError("target", "write", entry.path, errorNumber(error));
  }
}
