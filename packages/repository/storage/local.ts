// Storage in a local directory, in restic's layout, durable and readable by its owner only.
import { randomBytes } from "node:crypto";
import { statSync } from "node:fs";
import { link, mkdir, open, readdir, rename, stat, unlink } from "node:fs/promises";
import type { Stats } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { setImmediate } from "node:timers/promises";
import { HoldfastError } from "../errors.ts";
import { assertRange, directories, isFileName, rangePastEnd, relativePath, totalLength } from "./file-layout.ts";
import type { ByteRange, FileType, Storage, StoredFile } from "./storage.ts";
import { fromSystemError, systemErrorCode } from "./system-error.ts";

const directoryMode = 0o700;
const fileMode = 0o600;
/** How many sizes are asked for while listing before anything else has its turn. */
const listingBatchSize = 64;
/** A writing process touches its file all the time, so one this old has lost its process. */
const staleAfterMs = 6 * 60 * 60 * 1000;

const temporaryPattern = /^(?:config|[0-9a-f]{64})-tmp-holdfast-[0-9a-f]{16}$/;

/** A fresh name for a file being written. restic knows names with `-tmp-` as unfinished; `list` ignores them. */
export function temporaryName(name: string): string {
  return `${name}-tmp-holdfast-${randomBytes(8).toString("hex")}`;
}

export class LocalStorage implements Storage {
  readonly location: string;
  readonly #root: string;

  /** `path` need not exist; a directory that does keeps its own mode, what is made below it is 0700 and 0600. */
  constructor(path: string) {
    this.#root = resolve(path);
    this.location = this.#root;
  }

  async createLayout(): Promise<void> {
    try {
      await makeDirectories(this.#root);
      for (const name of Object.values(directories)) await makeDirectory(join(this.#root, name));
    } catch (error) {
      throw fromSystemError(error, "create the repository in", this.#root);
    }
  }

  async *list(type: FileType): AsyncGenerator<StoredFile> {
    if (type === "config") {
      const config = await statOrNothing(this.#path("config", "config"));
      if (config) yield { name: "config", sizeBytes: config.size };
      return;
    }
    const directory = join(this.#root, directories[type]);
    if (type !== "pack") {
      yield* listDirectory(directory, isFileName);
      return;
    }
    for (const prefix of await namesIn(directory)) {
      if (!/^[0-9a-f]{2}$/.test(prefix)) continue;
      // A pack in the wrong directory cannot be found by its name, so it is foreign.
      yield* listDirectory(join(directory, prefix), (name) => isFileName(name) && name.startsWith(prefix));
    }
  }

  async stat(type: FileType, name: string): Promise<StoredFile> {
    const path = this.#path(type, name);
    try {
      return { name, sizeBytes: (await stat(path)).size };
    } catch (error) {
      throw fromSystemError(error, "look at", path);
    }
  }

  async read(type: FileType, name: string, range?: ByteRange): Promise<Buffer> {
    if (range) assertRange(range);
    const path = this.#path(type, name);
    try {
      await using file = await open(path, "r");
      const { size } = await file.stat();
      const wanted = range ?? { offset: 0, lengthBytes: size };
      if (wanted.offset + wanted.lengthBytes > size) throw rangePastEnd(path, wanted);
      // Not from Buffer's pool: the caller owns the memory alone and may hand it to a worker.
      const target = Buffer.allocUnsafeSlow(wanted.lengthBytes);
      await readFully(file, target, wanted, path);
      return target;
    } catch (error) {
      throw fromSystemError(error, "read", path);
    }
  }

  async put(type: FileType, name: string, pieces: readonly Uint8Array[]): Promise<void> {
    const path = this.#path(type, name);
    const temporary = join(dirname(path), temporaryName(name));
    try {
      const file = await this.#createIn(type, temporary);
      try {
        try {
          await writeFully(file, pieces);
          await file.sync();
        } finally {
          await file.close();
        }
        // Content-addressed files may replace each other, which mends one that was cut short; the configuration never.
        if (type === "config") await publishOnce(temporary, path);
        else await rename(temporary, path);
      } catch (error) {
        await unlink(temporary).catch(() => undefined);
        throw error;
      }
      await syncDirectory(dirname(path));
    } catch (error) {
      throw fromSystemError(error, "write", path);
    }
  }

  async remove(type: FileType, name: string): Promise<void> {
    const path = this.#path(type, name);
    try {
      await unlink(path);
      await syncDirectory(dirname(path));
    } catch (error) {
      throw fromSystemError(error, "remove", path);
    }
  }

  async close(): Promise<void> {}

  /**
   * Removes what killed processes left half-written: our own temporary files last written more than six
   * hours before `now`. Returns how many.
   */
  async removeStaleTemporaries(now: Date): Promise<number> {
    const data = join(this.#root, directories.pack);
    const places = [this.#root, ...Object.values(directories).map((name) => join(this.#root, name))];
    for (const prefix of await namesIn(data)) if (/^[0-9a-f]{2}$/.test(prefix)) places.push(join(data, prefix));
    let removed = 0;
    for (const place of places) {
      for (const name of await namesIn(place)) {
        if (!temporaryPattern.test(name)) continue;
        const path = join(place, name);
        const found = await statOrNothing(path);
        if (!found || now.getTime() - found.mtimeMs < staleAfterMs) continue;
        await unlink(path).catch((error: unknown) => {
          throw fromSystemError(error, "remove", path);
        });
        removed++;
      }
    }
    return removed;
  }

  #path(type: FileType, name: string): string {
    return join(this.#root, relativePath(type, name));
  }

  /** Opens a new file, making its directory when missing, but never the root: that may be a disk that is not mounted. */
  async #createIn(type: FileType, path: string): Promise<FileHandle> {
    try {
      return await open(path, "wx", fileMode);
    } catch (error) {
      if (systemErrorCode(error) !== "ENOENT" || type === "config") throw error;
      if (type === "pack") await makeDirectory(dirname(dirname(path)));
      await makeDirectory(dirname(path));
      return await open(path, "wx", fileMode);
    }
  }
}

/** Gives `temporary` its final name unless that is taken. */
async function publishOnce(temporary: string, path: string): Promise<void> {
  try {
    await link(temporary, path);
    await unlink(temporary);
  } catch (error) {
    const code = systemErrorCode(error);
    const linksMissing = code === "EPERM" || code === "ENOTSUP" || code === "EOPNOTSUPP" || code === "ENOSYS";
    if (code !== "EEXIST" && !linksMissing) throw error;
    // exFAT and some network file systems have no hard links: look first, then rename.
    if (code === "EEXIST" || (await statOrNothing(path))) {
      throw new HoldfastError("refused", `${path} exists already and is not replaced`, {
        hint: "use the repository that is there, or choose another address",
        context: { path },
      });
    }
    await rename(temporary, path);
  }
}

/** Writes all of it, however little the system takes at a time. */
export async function writeFully(file: Pick<FileHandle, "writev">, pieces: readonly Uint8Array[]): Promise<void> {
  let rest = pieces.filter((piece) => piece.byteLength > 0);
  let missingBytes = totalLength(rest);
  while (missingBytes > 0) {
    const { bytesWritten } = await file.writev(rest);
    missingBytes -= bytesWritten;
    if (missingBytes > 0) rest = dropLeadingBytes(rest, bytesWritten);
  }
}

function dropLeadingBytes(pieces: readonly Uint8Array[], count: number): Uint8Array[] {
  let skip = count;
  const rest: Uint8Array[] = [];
  for (const piece of pieces) {
    if (skip < piece.byteLength) rest.push(piece.subarray(skip));
    skip = Math.max(0, skip - piece.byteLength);
  }
  return rest;
}

async function readFully(file: FileHandle, target: Buffer, range: ByteRange, path: string): Promise<void> {
  let done = 0;
  while (done < target.byteLength) {
    const { bytesRead } = await file.read(target, done, target.byteLength - done, range.offset + done);
    if (bytesRead === 0) throw rangePastEnd(path, range);
    done += bytesRead;
  }
}

async function* listDirectory(directory: string, belongs: (name: string) => boolean): AsyncGenerator<StoredFile> {
  const names = (await namesIn(directory)).filter(belongs);
  for (const [position, name] of names.entries()) {
    if (position % listingBatchSize === 0) await setImmediate();
    const path = join(directory, name);
    const found = statNow(path);
    // A file may vanish between the two looks: then it is not there.
    if (found?.isFile()) yield { name, sizeBytes: found.size };
  }
}

/** Waits for the system: through promises 100,000 sizes take four times the processor time. */
function statNow(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw fromSystemError(error, "look at", path);
  }
}

/** Sorted, so that listings are the same on every file system; a missing directory, or a file in its place, has none. */
async function namesIn(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory)).sort();
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") return [];
    throw fromSystemError(error, "list", directory);
  }
}

async function statOrNothing(path: string) {
  try {
    return await stat(path);
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return undefined;
    throw fromSystemError(error, "look at", path);
  }
}

async function makeDirectories(path: string): Promise<void> {
  if (await statOrNothing(path)) return;
  await makeDirectories(dirname(path));
  await makeDirectory(path);
}

/** Makes one directory durably; no error when it is there. */
async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: directoryMode });
  } catch (error) {
    if (systemErrorCode(error) === "EEXIST") return;
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** Makes names in a directory durable. Some network file systems refuse to sync directories and need none. */
async function syncDirectory(path: string): Promise<void> {
  await using directory = await open(path, "r");
  try {
    await directory.sync();
  } catch (error) {
    const code = systemErrorCode(error);
    if (code !== "EINVAL" && code !== "ENOTSUP") throw error;
  }
}
