// An open repository with its lock.
import {
  hasCode,
  RepositoryLock,
  type HoldfastError,
  type LockEvent,
  type LockOptions,
  type Repository,
} from "@holdfast/repository";

export interface SessionLock extends Omit<LockOptions, "listener"> {
  readonly signal: AbortSignal;
  readonly warn: (message: string) => void;
}

/** Disposing gives the lock back and closes the storage. */
export class Session implements AsyncDisposable {
  readonly repository: Repository;
  /** Aborts on interruption, and when the lock can no longer be kept. */
  readonly signal: AbortSignal;
  /** Resolves when the lock is settled; whoever writes waits for it. */
  readonly mayWrite: Promise<void>;
  readonly #lock: RepositoryLock | null;

  constructor(repository: Repository, lock: RepositoryLock | null, signal: AbortSignal) {
    this.repository = repository;
    this.#lock = lock;
    this.mayWrite = lock?.settled ?? Promise.resolve();
    this.signal = lock === null ? signal : AbortSignal.any([signal, lock.signal]);
  }

  /**
   * Takes the lock; the repository is closed when that fails. Who wants it alone waits here until it is settled; who
   * only reads is safe at once, and a backup waits itself, after it has prepared what it can.
   */
  static async lock(repository: Repository, { warn, ...options }: SessionLock): Promise<Session> {
    const listener = (event: LockEvent): void => warn(sentenceOf(event, repository.storage.location));
    try {
      const lock = await RepositoryLock.take(repository, { ...options, listener });
      const session = new Session(repository, lock, options.signal);
      if (!options.exclusive) return session;
      try {
        await session.mayWrite;
        return session;
      } catch (error) {
        await session.#lock?.[Symbol.asyncDispose]();
        throw error;
      }
    } catch (error) {
      await repository[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#lock?.[Symbol.asyncDispose]();
    } finally {
      await this.repository[Symbol.asyncDispose]();
    }
  }
}

/** What ended a job that stopped because its lock was lost is not its interruption, but why the lock was lost. */
export function tellingError(error: HoldfastError): HoldfastError {
  return error.code === "interrupted" && hasCode(error.cause, "locked") ? error.cause : error;
}

function sentenceOf(event: LockEvent, location: string): string {
  const { message } = event.error;
  switch (event.kind) {
    case "waiting":
      return `${message}; waiting up to ${Math.ceil(event.forMs / 1000)} s for the lock`;
    case "not-refreshed":
      return `the lock of ${location} could not be refreshed and is tried again: ${message}`;
    case "not-removed":
      return `the lock of ${location} stays behind until it is stale: ${message}`;
  }
}
