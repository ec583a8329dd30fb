// One lock a stack: two runs of one stack exclude each other, in one process and between processes.
//
// The lock is an exclusive transaction of SQLite on an empty file. It is chosen because it needs nothing native
// beside Node; the kernel releases it (a POSIX record lock) however the process dies; and SQLite's own table of open
// files lets two connections of one process exclude each other, which plain POSIX locks do not. Its one trap: closing
// any other descriptor of the same file in this process drops it. So nothing here opens a lock file but SQLite, and
// a backup must leave the state directory out, as it must for the database of runs.
import { chmodSync, readFileSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { HoldfastError } from "@holdfast/repository";
import { z } from "zod";
import { isRunning, ownIdentity, processIdentitySchema } from "./process-identity.ts";
import { failure, sqliteBusy, sqliteCode } from "./system-failure.ts";

export interface StackLockOptions {
  /** What is being done under it, to be told to whoever is refused: `backup`, … */
  readonly operation: string;
  /** How long to wait for another holder; 0 refuses at once. */
  readonly waitMs: number;
  readonly signal?: AbortSignal | undefined;
}

export interface StackLock extends Disposable {
  readonly stack: string;
}

const holderSchema = z.object({ owner: processIdentitySchema, operation: z.string(), since: z.string() });
type Holder = z.infer<typeof holderSchema>;

const firstPauseMs = 20;
const longestPauseMs = 500;
const namePattern = /^[a-z0-9][a-z0-9-]*$/;

export class StackLocks {
  readonly #directory: string;
  readonly #now: () => Date;

  constructor(directory: string, context: { readonly now: () => Date }) {
    this.#directory = directory;
    this.#now = context.now;
  }

  /** Throws `locked`, naming the holder, or `interrupted` when `signal` aborts while it waits. */
  async take(stack: string, options: StackLockOptions): Promise<StackLock> {
    if (!namePattern.test(stack)) throw new HoldfastError("usage", `"${stack}" is no name of a stack`);
    const { signal } = options;
    let leftMs = options.waitMs;
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
      if (signal?.aborted === true) throw interrupted(stack, signal);
      const held = this.#try(stack);
      if (held !== null) return this.#announce(stack, options.operation, held);
      if (leftMs <= 0) throw this.#refusal(stack);
      const nowMs = Math.min(pauseMs, leftMs);
      leftMs -= nowMs;
      await sleep(nowMs, undefined, signal === undefined ? {} : { signal }).catch(() => {
        throw interrupted(stack, signal);
      });
    }
  }

  /** Null when somebody else has it. */
  #try(stack: string): DatabaseSync | null {
    const path = join(this.#directory, `${stack}.lock`);
    let database: DatabaseSync | null = null;
    try {
      database = new DatabaseSync(path, { timeout: 0 });
      // Else SQLite makes a journal file for the page that is never written, and on a full disk there is no lock.
      database.exec("PRAGMA journal_mode = MEMORY");
      database.exec("BEGIN EXCLUSIVE");
      chmodSync(path, 0o600);
      return database;
    } catch (error) {
      database?.close();
      if (sqliteCode(error) === sqliteBusy) return null;
      throw failure(error, `lock the stack ${stack} with ${path}`);
    }
  }

  #announce(stack: string, operation: string, database: DatabaseSync): StackLock {
    const path = this.#holderPath(stack);
    const holder: Holder = { owner: ownIdentity(), operation, since: this.#now().toISOString() };
    try {
      writeFileSync(path, JSON.stringify(holder), { mode: 0o600 });
    } catch {
      // It only makes the refusal of others friendlier; a full disk must not keep the stack from being locked.
    }
    return {
      stack,
      [Symbol.dispose]: () => {
        if (!database.isOpen) return;
        try {
          unlinkSync(path);
        } catch {
          // A stale one is known by its process, see below.
        }
        database.close();
      },
    };
  }

  #refusal(stack: string): HoldfastError {
    const holder = readHolder(this.#holderPath(stack));
    const by =
      holder === null ? "by another run" : `by process ${holder.owner.pid} (${holder.operation}) since ${holder.since}`;
    return new HoldfastError("locked", `the stack ${stack} is locked ${by}`, {
      hint: "wait for the other run to end, or pass --wait",
      context: holder === null ? { stack } : { stack, pid: holder.owner.pid, operation: holder.operation },
    });
  }

  /** Not in the lock file itself: reading that would drop a lock that this process holds on it. */
  #holderPath(stack: string): string {
    return join(this.#directory, `${stack}.holder`);
  }
}

/** Null when it is missing, half written, or of a process that is gone: the holder has not announced itself yet. */
function readHolder(path: string): Holder | null {
  try {
    const holder = holderSchema.parse(JSON.parse(readFileSync(path, "utf8")));
    return isRunning(holder.owner) ? holder : null;
  } catch {
    return null;
  }
}

function interrupted(stack: string, signal: AbortSignal | undefined): HoldfastError {
  return new HoldfastError("interrupted", `interrupted while waiting for the lock of the stack ${stack}`, {
    cause: signal?.reason,
  });
}
