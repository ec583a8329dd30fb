// Locks on a repository: taken before any write, refreshed while held, given back at the end.
import { kill } from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { hasCode, HoldfastError } from "../errors.ts";
import type { LockFile } from "../format/lock-file.ts";
import { decodeLockFile, encodeLockFile, isStaleLock, locksConflict } from "../format/lock-file.ts";
import type { Repository } from "./repository.ts";

/** As restic: look again after this time, since two may have looked before either had written. */
const settleMs = 200;
const refreshEveryMs = 5 * 60 * 1000;
/** A lock that could not be refreshed for so long may be taken for stale by others soon: stop writing. */
const refreshDeadlineMs = 25 * 60 * 1000;
const longestWaitMs = 60 * 1000;

export interface LockOptions {
  readonly exclusive: boolean;
  /** How long to try again while others hold a conflicting lock. */
  readonly retryForMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** A lock that is held. `signal` aborts when it can no longer be kept: whoever writes must stop. */
export class RepositoryLock implements AsyncDisposable {
  /**
   * Resolves when the second look has found nobody else: only then may anything be written. Until then everything
   * may be read and prepared, because whoever wants to prune from now on sees this lock.
   */
  readonly settled: Promise<void>;
  readonly #repository: Repository;
  readonly #exclusive: boolean;
  readonly #lost = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #name: string;
  #refreshedAtMs: number;
  #refreshing: Promise<void> = Promise.resolve();

  private constructor(repository: Repository, exclusive: boolean, name: string) {
    this.settled = settle(repository, exclusive, name);
    // Whoever waits for it meets its failure; nobody else should.
    this.settled.catch(() => undefined);
    this.#repository = repository;
    this.#exclusive = exclusive;
    this.#name = name;
    this.#refreshedAtMs = performance.now();
    this.#timer = setInterval(() => {
      this.#refreshing = this.#refresh();
    }, refreshEveryMs);
    this.#timer.unref();
  }

  /** Takes the lock, or throws `locked` naming who holds the other one; with time to retry, it is settled. */
  static async take(repository: Repository, options: LockOptions): Promise<RepositoryLock> {
    const deadline = performance.now() + options.retryForMs;
    for (let waitMs = 1000; ; waitMs = Math.min(waitMs * 2, longestWaitMs)) {
      try {
        const lock = await RepositoryLock.#try(repository, options.exclusive);
        if (options.retryForMs > 0) await lock.#requireSettled();
        return lock;
      } catch (error) {
        const leftMs = deadline - performance.now();
        if (!hasCode(error, "locked") || leftMs <= 0) throw error;
        await sleep(Math.min(waitMs, leftMs), undefined, options.signal ? { signal: options.signal } : {});
      }
    }
  }

  static async #try(repository: Repository, exclusive: boolean): Promise<RepositoryLock> {
    await refuseConflicts(repository, exclusive, null);
    return new RepositoryLock(repository, exclusive, await writeLock(repository, exclusive));
  }

  async #requireSettled(): Promise<void> {
    try {
      await this.settled;
    } catch (error) {
      await this[Symbol.asyncDispose]();
      throw error;
    }
  }

  get signal(): AbortSignal {
    return this.#lost.signal;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#refreshing;
    await removeLock(this.#repository, this.#name);
  }

  /** Writes a new lock file before it removes the old one, so that the lock is never absent. */
  async #refresh(): Promise<void> {
    try {
      const old = this.#name;
      this.#name = await writeLock(this.#repository, this.#exclusive);
      this.#refreshedAtMs = performance.now();
      await removeLock(this.#repository, old);
    } catch (error) {
      if (performance.now() - this.#refreshedAtMs < refreshDeadlineMs) return;
      this.#lost.abort(
        new HoldfastError("locked", "the lock of the repository could not be refreshed in time", { cause: error }),
      );
    }
  }
}

/** The locks of a repository; one that cannot be read is listed with `lock` null. */
export async function readLocks(repository: Repository): Promise<{ name: string; lock: LockFile | null }[]> {
  const found: { name: string; lock: LockFile | null }[] = [];
  for await (const { name } of repository.storage.list("lock")) {
    try {
      found.push({ name, lock: decodeLockFile(await repository.loadUnpacked("lock", name)) });
    } catch (error) {
      // Gone since it was listed: it was given back. Damaged: still a lock, of somebody.
      if (!hasCode(error, "not-found")) found.push({ name, lock: null });
    }
  }
  return found;
}

/** True for a lock that nobody can be holding any more. */
export function isStale(repository: Repository, lock: LockFile): boolean {
  const now = BigInt(repository.now().getTime()) * 1_000_000n;
  return isStaleLock(lock, { now, hostname: repository.identity.hostname, isProcessAlive });
}

/** Removes stale locks, or with `all` every one; returns how many. */
export async function unlock(repository: Repository, all: boolean): Promise<number> {
  let removed = 0;
  for (const { name, lock } of await readLocks(repository)) {
    if (!all && (lock === null || !isStale(repository, lock))) continue;
    await removeLock(repository, name);
    removed++;
  }
  return removed;
}

async function settle(repository: Repository, exclusive: boolean, own: string): Promise<void> {
  await sleep(settleMs);
  await refuseConflicts(repository, exclusive, own);
}

async function refuseConflicts(repository: Repository, exclusive: boolean, own: string | null): Promise<void> {
  for (const { name, lock } of await readLocks(repository)) {
    if (name === own) continue;
    if (lock === null) {
      // A lock that is being written may be read half; one that stays so is taken for a conflict only when we want all.
      if (!exclusive) continue;
      throw new HoldfastError("locked", `the repository has a lock that cannot be read (${name.slice(0, 8)})`);
    }
    if (isStale(repository, lock) || !locksConflict({ exclusive }, lock)) continue;
    const since = new Date(Number(lock.time / 1_000_000n)).toISOString();
    const kind = lock.exclusive ? "exclusively locked" : "locked";
    throw new HoldfastError(
      "locked",
      `the repository is ${kind} by process ${lock.pid} of ${lock.username} on ${lock.hostname} since ${since}`,
      { context: { lock: name, pid: lock.pid, hostname: lock.hostname, exclusive: lock.exclusive } },
    );
  }
}

function writeLock(repository: Repository, exclusive: boolean): Promise<string> {
  const time = BigInt(repository.now().getTime()) * 1_000_000n;
  return repository.saveUnpacked("lock", encodeLockFile({ time, exclusive, ...repository.identity }));
}

async function removeLock(repository: Repository, name: string): Promise<void> {
  try {
    await repository.storage.remove("lock", name);
  } catch (error) {
    // Somebody ran `unlock`. Servers that are append-only allow the removal of locks.
    if (!hasCode(error, "not-found")) throw error;
  }
}

/** Signal 0 asks only whether the process is there; EPERM means that it is, and is somebody else's. */
function isProcessAlive(pid: number): boolean {
  try {
    return kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
