// An open repository with its lock.
import { RepositoryLock, type LockOptions, type Repository } from "@holdfast/repository";

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
  static async lock(repository: Repository, options: LockOptions & { readonly signal: AbortSignal }): Promise<Session> {
    try {
      const session = new Session(repository, await RepositoryLock.take(repository, options), options.signal);
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
