// Opens the repository that options and environment name: storage, password, key, lock.

import { homedir, hostname, userInfo } from "node:os";
import { join } from "node:path";
import {
  hasCode,
  HoldfastError,
  LimitStorage,
  monotonicClock,
  openStorage,
  parseLocation,
  Repository,
  RepositoryLock,
  RetryStorage,
  type Identity,
  type OpenOptions,
  type Storage,
} from "@holdfast/repository";
import type { Context } from "./context.ts";
import type { GlobalOptions } from "./global-options.ts";
import { askPassword, givenPassword, passwordText } from "./password.ts";
import { StreamPrompt } from "./password-prompt.ts";
import { readTextFile } from "./values/text-file.ts";

export type LockKind = "none" | "shared" | "exclusive";

const promptTries = 3;

/** An open repository and its lock; disposing gives the lock back and closes the storage. */
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

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#lock?.[Symbol.asyncDispose]();
    } finally {
      await this.repository[Symbol.asyncDispose]();
    }
  }
}

/** Reading verbs honour --no-lock; those that write pass their kind as `always`. */
export async function openSession(context: Context, kind: LockKind, always = false): Promise<Session> {
  const repository = await openRepository(context);
  const wanted = context.globals.noLock && !always ? "none" : kind;
  if (wanted === "none") return new Session(repository, null, context.signal);
  const session = new Session(repository, await takeLock(context, repository, wanted === "exclusive"), context.signal);
  // Who only reads is safe at once, and a backup waits itself, after it has prepared what it can.
  if (wanted !== "exclusive") return session;
  try {
    await session.mayWrite;
    return session;
  } catch (error) {
    await session[Symbol.asyncDispose]();
    throw error;
  }
}

async function takeLock(context: Context, repository: Repository, exclusive: boolean): Promise<RepositoryLock> {
  const { signal, globals } = context;
  try {
    return await RepositoryLock.take(repository, { exclusive, retryForMs: globals.retryLockMs, signal });
  } catch (error) {
    await repository[Symbol.asyncDispose]();
    throw error;
  }
}

async function openRepository(context: Context): Promise<Repository> {
  const storage = storageOf(context);
  const given = givenPassword(context.globals, context.environment);
  if (given !== null) return Repository.open(openOptions(context, storage, given));
  // Nobody likes to type a password for a repository that is not there.
  await requireRepository(storage);
  const prompt = promptOf(context);
  for (let triesLeft = prompt.isTerminal ? promptTries : 1; ; triesLeft--) {
    const password = await askPassword(prompt);
    try {
      return await Repository.open(openOptions(context, storage, password));
    } catch (error) {
      if (!hasCode(error, "wrong-password") || triesLeft <= 1) throw error;
      context.output.warn("wrong password, try again");
    }
  }
}

async function requireRepository(storage: Storage): Promise<void> {
  try {
    await storage.stat("config", "config");
  } catch (error) {
    if (!hasCode(error, "not-found")) throw error;
    throw new HoldfastError("repository-missing", `there is no repository at ${storage.location}`, { cause: error });
  }
}

export function promptOf(context: Context): StreamPrompt {
  return new StreamPrompt(context.stdin, process.stderr, context.signal);
}

export function openOptions(context: Context, storage: Storage, password: Buffer): OpenOptions {
  return {
    storage,
    password: passwordText(password),
    cacheDirectory: cacheDirectoryOf(context.globals, context.environment),
    keyHint: context.globals.keyHint,
    now: context.now,
    identity: identityOfProcess(),
  };
}

/** The directory of all caches, or undefined where none is wanted. */
export function cacheDirectoryOf(globals: GlobalOptions, environment: NodeJS.ProcessEnv): string | undefined {
  if (globals.noCache) return undefined;
  if (globals.cacheDirectory !== undefined) return globals.cacheDirectory;
  return join(environment["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "holdfast");
}

export function identityOfProcess(): Identity {
  return {
    hostname: hostname(),
    username: userName(),
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
    pid: process.pid,
  };
}

/** Some containers run under a number that no name belongs to. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return "";
  }
}

/** The storage with retries, and limits if asked for. */
export function storageOf(context: Context): Storage {
  const { globals, output } = context;
  const certificates = globals.certificateFiles.map((file) => readTextFile(file, "--cacert"));
  const storage = openStorage(parseLocation(addressOf(globals)), {
    rest: {
      ...(globals.restUser === undefined ? {} : { user: globals.restUser, password: globals.restPassword ?? "" }),
      ...(certificates.length === 0 ? {} : { certificateAuthorities: Buffer.concat(certificates) }),
      insecureTls: globals.insecureTls,
    },
  });
  const limited = globals.limitUploadKiB > 0 || globals.limitDownloadKiB > 0;
  const bytesPerSecond = (rateKiB: number): number => (rateKiB > 0 ? rateKiB * 1024 : Infinity);
  const paced = limited
    ? new LimitStorage(storage, {
        clock: monotonicClock,
        uploadBytesPerSecond: bytesPerSecond(globals.limitUploadKiB),
        downloadBytesPerSecond: bytesPerSecond(globals.limitDownloadKiB),
      })
    : storage;
  return new RetryStorage(paced, {
    clock: monotonicClock,
    random: Math.random,
    signal: context.signal,
    onRetry: ({ operation, error, delayMs }) =>
      output.warn(`${operation}: ${error.message}; trying again in ${Math.ceil(delayMs / 1000)} s`),
  });
}

function addressOf(globals: GlobalOptions): string {
  if (globals.repository !== undefined && globals.repositoryFile !== undefined) {
    throw new HoldfastError("usage", "the repository was given both by its address and by a file", {
      hint: "give one of them",
    });
  }
  if (globals.repositoryFile !== undefined)
    return readTextFile(globals.repositoryFile, "--repository-file").toString("utf8").trim();
  if (globals.repository !== undefined) return globals.repository;
  throw new HoldfastError("usage", "no repository was named", {
    hint: "name it with -r, or in the variable RESTIC_REPOSITORY",
  });
}
