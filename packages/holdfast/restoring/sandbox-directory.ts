// Throwaway directories for drills: removed at the end of their scope, and by the next process after a crash.
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { HoldfastError } from "@holdfast/repository";
import { rawPath } from "../filesystem/raw-path.ts";
import { removeTree } from "../filesystem/remove-tree.ts";
import { ownIdentity, type ProcessIdentity } from "../state/process-identity.ts";
import { ownedName, ownerOf } from "./owned-name.ts";

const prefix = "sandbox-";

/** Empty and 0700 when it is made. Its name says which process it belongs to. */
export class SandboxDirectory implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** `directory` must be there, and nobody else may write in it. */
  static async create(directory: string): Promise<SandboxDirectory> {
    const path = join(directory, ownedName(prefix, ownIdentity()));
    try {
      await mkdir(path, { mode: 0o700 });
    } catch (error) {
      throw failure("make", path, error);
    }
    return new SandboxDirectory(path);
  }

  /** Removes it with all that is in it, whatever the names and modes. Throws `target` when something withstands. */
  async [Symbol.asyncDispose](): Promise<void> {
    await remove(this.path);
  }
}

/** Removes the sandboxes in `directory` whose process has ended. Returns how many there were. */
export async function removeStaleSandboxes(
  directory: string,
  isAlive: (owner: ProcessIdentity) => boolean,
): Promise<number> {
  let removed = 0;
  for (const name of await namesIn(directory)) {
    const owner = ownerOf(prefix, name);
    if (!owner || isAlive(owner)) continue;
    await remove(join(directory, name));
    removed++;
  }
  return removed;
}

/** None where there is no directory yet. */
async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw failure("look into", directory, error);
  }
}

async function remove(path: string): Promise<void> {
  try {
    await removeTree(rawPath(path));
  } catch (error) {
    throw failure("remove", path, error);
  }
}

function failure(action: string, path: string, error: unknown): HoldfastError {
  const reason = error instanceof Error ? error.message : String(error);
  return new HoldfastError("target", `cannot ${action} the sandbox ${path}: ${reason}`, { cause: error });
}
