// Storage that tries again after failures that may pass.
import { HoldfastError, hasCode } from "../errors.ts";
import type { Clock } from "./clock.ts";
import { totalLength } from "./file-layout.ts";
import type { ByteRange, FileType, Storage, StoredFile } from "./storage.ts";

export interface RetryEvent {
  /** What failed, for a person: `put pack 1234abcd`. */
  readonly operation: string;
  readonly error: HoldfastError;
  /** 1 after the first failure. */
  readonly attempt: number;
  readonly delayMs: number;
}

export interface RetryOptions {
  readonly clock: Clock;
  /** From 0 (inclusive) to 1 (exclusive), for the jitter. */
  readonly random: () => number;
  /** How long one operation is tried, from its first failure on. */
  readonly budgetMs?: number;
  readonly firstDelayMs?: number;
  readonly maximumDelayMs?: number;
  /** Ends all waiting: the operation then fails as `interrupted`. */
  readonly signal?: AbortSignal;
  readonly onRetry?: (event: RetryEvent) => void;
}

const growth = 1.5;

export class RetryStorage implements Storage {
  readonly #inner: Storage;
  readonly #options: RetryOptions;

  constructor(inner: Storage, options: RetryOptions) {
    this.#inner = inner;
    this.#options = options;
  }

  get location(): string {
    return this.#inner.location;
  }

  createLayout(): Promise<void> {
    return this.#attempt("create the repository", () => this.#inner.createLayout());
  }

  /** A listing that breaks off starts again; names already given are not given twice. */
  async *list(type: FileType): AsyncGenerator<StoredFile> {
    const given = new Set<string>();
    const turns = this.#turns(`list ${type} files`);
    for (;;) {
      try {
        for await (const file of this.#inner.list(type)) {
          if (given.has(file.name)) continue;
          given.add(file.name);
          yield file;
        }
        return;
      } catch (error) {
        await turns.failed(error);
      }
    }
  }

  stat(type: FileType, name: string): Promise<StoredFile> {
    return this.#attempt(`look at ${shown(type, name)}`, () => this.#inner.stat(type, name));
  }

  read(type: FileType, name: string, range?: ByteRange): Promise<Buffer> {
    return this.#attempt(`read ${shown(type, name)}`, () => this.#inner.read(type, name, range));
  }

  put(type: FileType, name: string, pieces: readonly Uint8Array[]): Promise<void> {
    return this.#attempt(`put ${shown(type, name)}`, async (attempt) => {
      try {
        await this.#inner.put(type, name, pieces);
      } catch (error) {
        // The failed attempt before may have arrived after all, and only its answer was lost.
        if (attempt > 1 && hasCode(error, "refused") && (await this.#holds(type, name, pieces))) return;
        throw error;
      }
    });
  }

  remove(type: FileType, name: string): Promise<void> {
    return this.#attempt(`remove ${shown(type, name)}`, async (attempt) => {
      try {
        await this.#inner.remove(type, name);
      } catch (error) {
        if (attempt > 1 && hasCode(error, "not-found")) return;
        throw error;
      }
    });
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  async #holds(type: FileType, name: string, pieces: readonly Uint8Array[]): Promise<boolean> {
    try {
      const { sizeBytes } = await this.#inner.stat(type, name);
      return sizeBytes === totalLength(pieces) && (await this.#inner.read(type, name)).equals(Buffer.concat(pieces));
    } catch (error) {
      if (hasCode(error, "not-found")) return false;
      throw error;
    }
  }

  async #attempt<T>(operation: string, run: (attempt: number) => Promise<T>): Promise<T> {
    const turns = this.#turns(operation);
    for (let attempt = 1; ; attempt++) {
      try {
        return await run(attempt);
      } catch (error) {
        await turns.failed(error);
      }
    }
  }

  /** The waiting of one operation: `failed` returns when it is time to try again, and throws when it is not. */
  #turns(operation: string): { failed(error: unknown): Promise<void> } {
    const {
      clock,
      random,
      budgetMs = 15 * 60_000,
      firstDelayMs = 500,
      maximumDelayMs = 60_000,
      signal,
      onRetry,
    } = this.#options;
    let firstFailureAt: number | undefined;
    let attempt = 0;
    return {
      failed: async (error) => {
        if (!(error instanceof HoldfastError) || !error.retryable || error.code === "interrupted") throw error;
        attempt++;
        firstFailureAt ??= clock.now();
        const spentMs = clock.now() - firstFailureAt;
        const delayMs = Math.min(maximumDelayMs, firstDelayMs * growth ** (attempt - 1)) * (0.5 + random());
        if (spentMs + delayMs > budgetMs) throw gaveUp(error, attempt, spentMs);
        if (!signal?.aborted) {
          onRetry?.({ operation, error, attempt, delayMs });
          await clock.sleep(delayMs, signal);
        }
        if (signal?.aborted)
          throw new HoldfastError("interrupted", `interrupted while trying to ${operation}`, { cause: error });
      },
    };
  }
}

function gaveUp(error: HoldfastError, attempts: number, spentMs: number): HoldfastError {
  const seconds = Math.round(spentMs / 1000);
  return new HoldfastError(error.code, `${error.message} (tried ${attempts} times in ${seconds} s)`, {
    hint: error.hint,
    retryable: error.retryable,
    context: { ...error.context, attempts },
    cause: error,
  });
}

function shown(type: FileType, name: string): string {
  return type === "config" ? "the configuration" : `${type} ${name.slice(0, 8)}`;
}
