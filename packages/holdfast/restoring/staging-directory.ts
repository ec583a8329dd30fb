// The private directory in which a restored entry is made whole before it gets its name.
import { constants } from "node:fs";
import { geteuid } from "node:process";
import { DirectoryHandle, HoldfastError, openLibc } from "@holdfast/repository";
import { rawPath } from "../filesystem/raw-path.ts";
import { removeTree } from "../filesystem/remove-tree.ts";
import { ownIdentity, type ProcessIdentity } from "../state/process-identity.ts";
import { ownedName, ownerOf } from "./owned-name.ts";

const prefix = ".holdfast-restore-";
const { S_IFDIR, S_IFMT } = constants;

/** Mode 0700, in the directory in which the entry will stand: on the same file system, and seen by nobody else. */
export class StagingDirectory implements AsyncDisposable {
  readonly handle: DirectoryHandle;
  readonly #parent: DirectoryHandle;
  readonly #name: Buffer;

  /** `parent` stays open until this one is disposed of. */
  constructor(parent: DirectoryHandle) {
    this.#parent = parent;
    this.#name = Buffer.from(ownedName(prefix, ownIdentity()));
    this.handle = parent.openDirectory(this.#name, { create: true });
  }

  /** Gives what stands here as `name` the name `finalName` in the directory above. EEXIST when something has it. */
  release(name: Buffer, finalName: Buffer): void {
    try {
      this.handle.renameNew(name, this.#parent, finalName);
    } catch (error) {
      const status = this.handle.status(name);
      const isLocked = error instanceof HoldfastError && error.context["errno"] === "EACCES";
      if (!isLocked || !status || (status.mode & S_IFMT) !== S_IFDIR) throw error;
      // Without root a directory that may not be written cannot get another one above it.
      this.handle.setModeOf(name, status.mode | 0o200);
      this.handle.renameNew(name, this.#parent, finalName);
      this.#parent.setModeOf(finalName, status.mode);
    }
  }

  /** Never throws: what cannot be removed now is found by `removeStaleStaging` later. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await empty(this.handle);
      this.handle.close();
      this.#parent.removeDirectory(this.#name);
    } catch {
      this.handle.close();
    }
  }
}

/**
 * Removes the staging directories that ended processes left in `directories` (raw paths; one that is not there is
 * passed over). Returns how many there were.
 */
export async function removeStaleStaging(
  directories: readonly Buffer[],
  isAlive: (owner: ProcessIdentity) => boolean,
): Promise<number> {
  let removed = 0;
  for (const directory of directories) {
    using parent = openIfThere(directory);
    for (const name of parent?.list() ?? []) {
      const owner = ownerOf(prefix, name.toString("latin1"));
      if (parent && owner && !isAlive(owner) && (await removeOwn(parent, name))) removed++;
    }
  }
  return removed;
}

function openIfThere(path: Buffer): DirectoryHandle | null {
  try {
    return DirectoryHandle.open(openLibc(), path);
  } catch (error) {
    const errno = error instanceof HoldfastError ? error.context["errno"] : null;
    if (errno === "ENOENT" || errno === "ENOTDIR") return null;
    throw error;
  }
}

/** False for what only looks like a staging directory. */
async function removeOwn(parent: DirectoryHandle, name: Buffer): Promise<boolean> {
  const status = parent.status(name);
  if (!status || (status.mode & S_IFMT) !== S_IFDIR) return false;
  {
    using directory = parent.openDirectory(name);
    const { uid, mode } = directory.ownStatus();
    // In a directory that others may write, they could swap what is being removed for a link to somewhere else.
    if (uid !== geteuid?.() || (mode & 0o077) !== 0) return false;
    await empty(directory);
  }
  parent.removeDirectory(name);
  return true;
}

async function empty(directory: DirectoryHandle): Promise<void> {
  // Through the descriptor: the path may lead elsewhere by now.
  for (const name of directory.list()) await removeTree(`/proc/self/fd/${directory.fd}/${rawPath(name)}`);
}
