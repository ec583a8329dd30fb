// The keys of a repository: list, add, remove, change of password. All of them open the same master key.
import { hasCode, HoldfastError } from "../../errors.ts";
import { idOf } from "../../format/id.ts";
import { createKeyFile, encodeMasterKey, openKeyFile, parseKeyFile } from "../../format/key-file.ts";
import type { Repository } from "../../store/repository.ts";

export interface RepositoryKey {
  readonly id: string;
  readonly username: string;
  readonly hostname: string;
  /** Nanoseconds since the epoch. */
  readonly createdNs: bigint;
  /** True for the key that opened the repository. */
  readonly isCurrent: boolean;
}

/** Keys that can be read, the oldest first, and those that cannot. */
export async function listKeys(
  repository: Repository,
): Promise<{ keys: RepositoryKey[]; damaged: { id: string; error: HoldfastError }[] }> {
  const keys: RepositoryKey[] = [];
  const damaged: { id: string; error: HoldfastError }[] = [];
  for await (const { name: id } of repository.storage.list("key")) {
    try {
      const { username, hostname, created } = parseKeyFile(await readKey(repository, id));
      keys.push({ id, username, hostname, createdNs: created, isCurrent: id === repository.keyId });
    } catch (error) {
      if (!(error instanceof HoldfastError) || (error.code !== "damaged" && error.code !== "unsupported")) throw error;
      damaged.push({ id, error });
    }
  }
  keys.sort((a, b) => Number(a.createdNs - b.createdNs) || (a.id < b.id ? -1 : 1));
  return { keys, damaged };
}

/**
 * Adds a key with another password; returns its id once it was read back and opens the repository. One that does not
 * is removed again (`damaged`).
 */
export async function addKey(
  repository: Repository,
  password: string,
  owner: { username: string; hostname: string },
): Promise<string> {
  const created = BigInt(repository.now().getTime()) * 1_000_000n;
  const { name, bytes } = await createKeyFile(repository.masterKey, password, { created, ...owner }, repository.kernel);
  await repository.storage.put("key", name, [bytes]);
  if (await opensAgain(repository, name, password)) return name;
  try {
    await repository.storage.remove("key", name);
  } catch (error) {
    if (!hasCode(error, "not-found") && !hasCode(error, "refused") && !hasCode(error, "permission")) throw error;
  }
  throw new HoldfastError("damaged", `the key ${name} was stored, and what came back does not open the repository`, {
    hint: "check the disk or the server: what it was given is not what it stored; the old passwords still work",
  });
}

/**
 * Removes a key; the one in use stays (`usage`), and must be there and whole: so one password is known to work. The
 * caller holds an exclusive lock, or two might remove each other's key.
 */
export async function removeKey(repository: Repository, id: string): Promise<void> {
  if (id === repository.keyId) {
    throw new HoldfastError("usage", `the key ${id} is in use and is not removed`, {
      hint: "open the repository with another key to remove this one",
    });
  }
  await readKey(repository, repository.keyId);
  await repository.storage.remove("key", id);
}

/**
 * Gives the current user another password: adds a key, then removes the one in use. Returns the new id. However it
 * ends, the old password works, or the new one, or both; it is said when the old key stays. Whoever has the old password and a copy of the old key file can
 * still open what this repository holds.
 */
export async function changePassword(
  repository: Repository,
  password: string,
  owner: { username: string; hostname: string },
): Promise<string> {
  const id = await addKey(repository, password, owner);
  const oldId = repository.keyId;
  try {
    await repository.storage.remove("key", oldId);
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code === "internal") throw error;
    if (error.code === "not-found") return id;
    const message = `the new password works; the old key ${oldId} could not be removed: ${error.message}`;
    throw new HoldfastError(error.code, message, {
      hint: `the old password works still: remove its key with \`key remove ${oldId.slice(0, 8)}\`, opened with the new one`,
      context: error.context,
      cause: error,
    });
  }
  return id;
}

async function opensAgain(repository: Repository, id: string, password: string): Promise<boolean> {
  try {
    const opened = await openKeyFile(parseKeyFile(await readKey(repository, id)), password, repository.kernel);
    return opened !== null && encodeMasterKey(opened) === encodeMasterKey(repository.masterKey);
  } catch (error) {
    if (!hasCode(error, "damaged") && !hasCode(error, "unsupported") && !hasCode(error, "not-found")) throw error;
    return false;
  }
}

async function readKey(repository: Repository, id: string): Promise<Buffer> {
  const bytes = await repository.storage.read("key", id);
  if (idOf(bytes) !== id)
    throw new HoldfastError("damaged", `the key ${id} is damaged: its content does not match its name`, {
      context: { type: "key", name: id },
    });
  return bytes;
}
