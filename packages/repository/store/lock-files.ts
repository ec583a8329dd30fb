// The lock files of a repository: read, written, found in the way, and removed when their owner is gone.
import { kill } from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { hasCode, HoldfastError } from "../errors.ts";
import type { LockFile } from "../format/lock-file.ts";
import { decodeLockFile, encodeLockFile, isStaleLock, locksConflict } from "../format/lock-file.ts";
import type { Repository } from "./repository.ts";

/** One that cannot be read may be on its way still: how long to wait before each further look. */
const furtherLooksMs: readonly number[] = [500, 1000, 2000];

/**
 * The locks of a repository; one that cannot be read is listed with `lock` null. Empty files are left out, as by
 * restic: they are what an interrupted transfer leaves in some storages.
 */
export async function readLocks(repository: Repository): Promise<{ name: string; lock: LockFile | null }[]> {
  const found: { name: string; lock: LockFile | null }[] = [];
  for await (const { name, sizeBytes } of repository.storage.list("lock")) {
    if (sizeBytes === 0) continue;
    try {
      found.push({ name, lock: decodeLockFile(await repository.loadUnpacked("lock", name)) });
    } catch (error) {
      // Gone since it was listed: it was given back. Damaged: still a lock, of somebody.
      if (hasCode(error, "damaged") || hasCode(error, "unsupported")) found.push({ name, lock: null });
      else if (!hasCode(error, "not-found")) throw error;
    }
  }
  return found;
}

/** True for a lock that nobody can be holding any more. */
export function isStale(repository: Repository, lock: LockFile): boolean {
  const now = BigInt(repository.now().getTime()) * 1_000_000n;
  return isStaleLock(lock, { now, hostname: repository.identity.hostname, isProcessAlive });
}

/** Removes stale locks, or with `all` every one, readable or not; returns how many. */
export async function unlock(repository: Repository, all: boolean): Promise<number> {
  const names: string[] = [];
  if (all) {
    for await (const { name } of repository.storage.list("lock")) names.push(name);
  } else {
    for (const { name, lock } of await readLocks(repository)) {
      if (lock !== null && isStale(repository, lock)) names.push(name);
    }
  }
  for (const name of names) await removeLock(repository, name);
  return names.length;
}

/**
 * Returns when no lock but `own` stands in the way. Stale ones that did are removed and not merely passed by: their
 * owner may only have slept, and learns from it that others have gone ahead. Throws `locked`.
 */
export async function clearTheWay(repository: Repository, exclusive: boolean, own: string | null): Promise<void> {
  for (let looks = 0; ; looks++) {
    let unreadable: string | null = null;
    for (const { name, lock } of await readLocks(repository)) {
      if (name === own) continue;
      if (lock === null) unreadable = name;
      else if (!locksConflict({ exclusive }, lock)) continue;
      else if (isStale(repository, lock)) await removeLock(repository, name);
      else throw lockedBy(name, lock);
    }
    if (unreadable === null) return;
    const waitMs = furtherLooksMs[looks];
    if (waitMs === undefined) throw lockedByUnreadable(unreadable);
    await sleep(waitMs);
  }
}

/** `timeNs` in nanoseconds since the epoch; returns the name of the file. */
export function writeLock(repository: Repository, exclusive: boolean, timeNs: bigint): Promise<string> {
  return repository.saveUnpacked("lock", encodeLockFile({ time: timeNs, exclusive, ...repository.identity }));
}

export async function removeLock(repository: Repository, name: string): Promise<void> {
  try {
    await repository.storage.remove("lock", name);
  } catch (error) {
    // Somebody was faster. Servers that are append-only allow the removal of locks.
    if (!hasCode(error, "not-found")) throw error;
  }
}

export async function hasLock(repository: Repository, name: string): Promise<boolean> {
  try {
    await repository.storage.stat("lock", name);
    return true;
  } catch (error) {
    if (hasCode(error, "not-found")) return false;
    throw error;
  }
}

function lockedBy(name: string, lock: LockFile): HoldfastError {
  const since = new Date(Number(lock.time / 1_000_000n)).toISOString();
  const kind = lock.exclusive ? "exclusively locked" : "locked";
  return new HoldfastError(
    "locked",
    `the repository is ${kind} by process ${lock.pid} of ${lock.username} on ${lock.hostname} since ${since}`,
    { context: { lock: name, pid: lock.pid, hostname: lock.hostname, exclusive: lock.exclusive } },
  );
}

function lockedByUnreadable(name: string): HoldfastError {
  return new HoldfastError("locked", `the repository has a lock that cannot be read (${name.slice(0, 8)})`, {
    hint: "when nothing is running on this repository, remove it with `holdfast repo unlock --remove-all`",
    retryable: false,
    context: { lock: name },
  });
}

/** Signal 0 asks only whether the process is there; EPERM means that it is, and is somebody else's. */
function isProcessAlive(pid: number): boolean {
  try {
    return kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
