// A lock on a repository: taken before any write, refreshed while held, given back at the end.
import { randomInt } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { hasCode, HoldfastError } from "../errors.ts";
import { monotonicClock } from "../storage/clock.ts";
import type { WriteGuard } from "../storage/guarded.ts";
import { clearTheWay, hasLock, removeLock, writeLock } from "./lock-files.ts";
import type { Repository } from "./repository.ts";

/** As restic: look again after this time, for storages whose listings lag behind. */
const settleMs = 200;
const refreshEveryMs = 5 * 60 * 1000;
/** A lock that could not be refreshed for so long may be taken for stale by others soon: stop writing. As restic. */
const refreshDeadlineMs = 22.5 * 60 * 1000;
const afterFailureMs = 60 * 1000;
/** How often the age of the lock is looked at: timers stand still while the machine sleeps. */
const tickMs = 1000;
const firstWaitMs = 1000;
const longestWaitMs = 60 * 1000;

/** Doubled at each try, and never the same for two that found each other at the same moment. */
function waitMs(tries: number): number {
  return Math.min(firstWaitMs * 2 ** tries, longestWaitMs) * (0.75 + randomInt(500) / 1000);
}

/** What a person should know of a lock. */
export type LockEvent =
  /** Told once, when others hold it and `take` goes on trying. */
  | { readonly kind: "waiting"; readonly error: HoldfastError; readonly forMs: number }
  /** It will be tried again. */
  | { readonly kind: "not-refreshed"; readonly error: HoldfastError }
  /** The lock file stays behind, until it is stale. */
  | { readonly kind: "not-removed"; readonly error: HoldfastError };

export interface LockOptions {
  readonly exclusive: boolean;
  /** How long to try again while others hold a conflicting lock. */
  readonly retryForMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly listener?: ((event: LockEvent) => void) | undefined;
}

/**
 * A lock that is held. While it is, nothing but locks is changed in the storage of this `Repository` unless the lock is
 * settled and young enough, and no index and no snapshot stays there that was stored after the lock was removed.
 */
export class RepositoryLock implements AsyncDisposable, WriteGuard {
  /**
   * Resolves when the last look has found nobody else: only then is anything written. Until then everything may be
   * read and prepared, because whoever wants to prune from now on sees this lock.
   */
  readonly settled: Promise<void>;
  readonly #repository: Repository;
  readonly #exclusive: boolean;
  readonly #listener: (event: LockEvent) => void;
  readonly #lost = new AbortController();
  readonly #ended = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #guarding: Disposable;
  readonly #held: HeldFile;
  /** Files of ours that could not be removed when their successors were there. */
  readonly #leftBehind: string[] = [];
  /** The age of the lock at which it is refreshed next. */
  #refreshAtMs = refreshEveryMs;
  /** Refreshing and looking whether it is still there go one after another. */
  #queue: Promise<void> = Promise.resolve();
  #isRefreshing = false;

  private constructor(repository: Repository, options: LockOptions, held: HeldFile) {
    this.#repository = repository;
    this.#exclusive = options.exclusive;
    this.#listener = options.listener ?? (() => undefined);
    this.#held = held;
    this.settled = this.#settle();
    // Whoever waits for it meets its failure; nobody else should.
    this.settled.catch(() => undefined);
    this.#guarding = repository.guardChanges(this);
    this.#timer = setInterval(() => this.#tick(), tickMs);
    this.#timer.unref();
  }

  /**
   * Takes the lock, or throws `locked` naming who holds the other one; with time to retry, it is settled. The index
   * that was read before counts for nothing any more: it is read anew by its next use.
   */
  static async take(repository: Repository, options: LockOptions): Promise<RepositoryLock> {
    const { retryForMs, signal, listener } = options;
    const deadline = performance.now() + retryForMs;
    for (let tries = 0; ; tries++) {
      try {
        const lock = await RepositoryLock.#try(repository, options);
        if (retryForMs > 0) await lock.#requireSettled();
        return lock;
      } catch (error) {
        const leftMs = deadline - performance.now();
        if (!hasCode(error, "locked") || !error.retryable || leftMs <= 0) throw error;
        if (tries === 0) listener?.({ kind: "waiting", error, forMs: retryForMs });
        await monotonicClock.sleep(Math.min(waitMs(tries), leftMs), signal);
        if (!signal?.aborted) continue;
        throw new HoldfastError("interrupted", "interrupted while waiting for the lock", { cause: error });
      }
    }
  }

  static async #try(repository: Repository, options: LockOptions): Promise<RepositoryLock> {
    const { exclusive } = options;
    try {
      await clearTheWay(repository, exclusive, null);
      const held = await HeldFile.write(repository, exclusive);
      try {
        // Whoever got the repository alone between the look above and our file is seen now, or has gone; whoever comes
        // from now on sees us. Without this look, one that came and went meanwhile would make what we read outdated.
        await clearTheWay(repository, exclusive, held.name);
      } catch (error) {
        await removeLock(repository, held.name);
        throw error;
      }
      repository.forgetIndex();
      return new RepositoryLock(repository, options, held);
    } catch (error) {
      throw withHint(error);
    }
  }

  async #requireSettled(): Promise<void> {
    try {
      await this.settled;
    } catch (error) {
      await this[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #settle(): Promise<void> {
    await monotonicClock.sleep(settleMs, this.#ended.signal);
    if (this.#ended.signal.aborted) throw new HoldfastError("interrupted", "the lock was given back before it settled");
    try {
      await clearTheWay(this.#repository, this.#exclusive, this.#held.name);
    } catch (error) {
      this.#lost.abort(error);
      throw error;
    }
  }

  /** Aborts when the lock can no longer be kept: whoever writes must stop. */
  get signal(): AbortSignal {
    return this.#lost.signal;
  }

  async mayChange(): Promise<void> {
    await this.settled;
    // After a sleep of the machine this is the first to notice: it waits, instead of the timer.
    if (this.#held.ageMs() >= refreshDeadlineMs && !this.#lost.signal.aborted) await this.#refresh();
    this.#lost.signal.throwIfAborted();
  }

  async mayStay(): Promise<void> {
    await this.mayChange();
    await this.#inTurn(async () => {
      if (!(await hasLock(this.#repository, this.#held.name))) this.#lose(removedByOthers());
    });
    this.#lost.signal.throwIfAborted();
  }

  /** Gives the lock back. Throws only `interrupted`: that a lock stays behind does not undo what was done. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.#ended.abort();
    await this.settled.catch(() => undefined);
    await this.#queue;
    this.#guarding[Symbol.dispose]();
    for (const name of [this.#held.name, ...this.#leftBehind]) {
      try {
        await removeLock(this.#repository, name);
      } catch (error) {
        if (!(error instanceof HoldfastError) || error.code === "interrupted") throw error;
        this.#listener({ kind: "not-removed", error });
      }
    }
  }

  #tick(): void {
    if (this.#isRefreshing || this.#lost.signal.aborted || this.#held.ageMs() < this.#refreshAtMs) return;
    void this.#refresh();
  }

  /** Never rejects: what goes wrong is told, or ends the lock. */
  #refresh(): Promise<void> {
    this.#isRefreshing = true;
    return this.#inTurn(async () => {
      // Lost in a turn before this one: nothing is tried again.
      if (this.#lost.signal.aborted) return;
      try {
        // Whoever waited for this turn may find it done.
        if (this.#held.ageMs() >= refreshEveryMs) await this.#replace();
        this.#refreshAtMs = refreshEveryMs;
      } catch (error) {
        this.#refreshAtMs = Math.min(this.#held.ageMs() + afterFailureMs, refreshDeadlineMs);
        const known = error instanceof HoldfastError ? error : new HoldfastError("internal", String(error));
        if (this.#held.ageMs() >= refreshDeadlineMs) this.#lose(notRefreshed(known));
        else this.#listener({ kind: "not-refreshed", error: known });
      } finally {
        this.#isRefreshing = false;
      }
    });
  }

  /**
   * Writes a new lock file before it removes the old one, so that the lock is never absent. Only while the old one is
   * there: when somebody has removed it, others may have had the repository alone since.
   */
  async #replace(): Promise<void> {
    const old = this.#held.name;
    const mayBeStale = this.#held.ageMs() >= refreshDeadlineMs;
    if (!(await hasLock(this.#repository, old))) return this.#lose(removedByOthers());
    const next = await HeldFile.write(this.#repository, this.#exclusive);
    // As restic: who has read the old one, and takes it for stale, is given time to remove it.
    if (mayBeStale) await sleep(settleMs);
    if (!(await hasLock(this.#repository, old))) {
      this.#lose(removedByOthers());
      return removeLock(this.#repository, next.name);
    }
    this.#held.become(next);
    // Tried again, and told of, when the lock is given back.
    await removeLock(this.#repository, old).catch(() => this.#leftBehind.push(old));
  }

  #lose(error: HoldfastError): void {
    this.#lost.abort(error);
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#queue.then(work);
    this.#queue = turn.catch(() => undefined);
    return turn;
  }
}

/** The lock file that we have in the repository. */
class HeldFile {
  readonly #repository: Repository;
  #name: string;
  /** When it was made, by the clock on the wall and by the one that only grows: either may stand still or jump. */
  #madeAtMs: number;
  #madeAtTick: number;

  private constructor(repository: Repository, name: string, madeAtMs: number, madeAtTick: number) {
    this.#repository = repository;
    this.#name = name;
    this.#madeAtMs = madeAtMs;
    this.#madeAtTick = madeAtTick;
  }

  /** The time in the file is that of its beginning: a transfer that is tried again may take minutes. */
  static async write(repository: Repository, exclusive: boolean): Promise<HeldFile> {
    const madeAtMs = repository.now().getTime();
    const madeAtTick = performance.now();
    const name = await writeLock(repository, exclusive, BigInt(madeAtMs) * 1_000_000n);
    return new HeldFile(repository, name, madeAtMs, madeAtTick);
  }

  get name(): string {
    return this.#name;
  }

  ageMs(): number {
    return Math.max(this.#repository.now().getTime() - this.#madeAtMs, performance.now() - this.#madeAtTick);
  }

  become(other: HeldFile): void {
    this.#name = other.#name;
    this.#madeAtMs = other.#madeAtMs;
    this.#madeAtTick = other.#madeAtTick;
  }
}

function removedByOthers(): HoldfastError {
  return new HoldfastError("locked", "the lock of the repository was removed by somebody else", {
    hint:
      "run the command again; use `unlock --remove-all` only when nothing is running, and keep the clocks of all " +
      "hosts within some minutes of each other",
    retryable: false,
  });
}

function notRefreshed(cause: HoldfastError): HoldfastError {
  return new HoldfastError("locked", `the lock of the repository could not be refreshed in time: ${cause.message}`, {
    hint: "check that the storage can be reached, then run the command again: what was stored is reused",
    retryable: false,
    cause,
  });
}

/** A place that takes no lock can still be read. */
function withHint(error: unknown): unknown {
  if (!(error instanceof HoldfastError) || !["permission", "refused", "no-space"].includes(error.code)) return error;
  return new HoldfastError(error.code, `the repository cannot be locked: ${error.message}`, {
    hint: `${error.hint}; a verb of \`holdfast repo\` that only reads works without a lock: pass --no-lock`,
    context: error.context,
    cause: error,
  });
}
