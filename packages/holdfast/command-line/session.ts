// Opens the repository that options and environment name: storage, password, key, lock.

import { homedir } from "node:os";
import { join } from "node:path";
import {
  hasCode,
  HoldfastError,
  LimitStorage,
  missingRepository,
  monotonicClock,
  openStorage,
  parseLocation,
  Repository,
  RetryStorage,
  type OpenOptions,
  type Storage,
} from "@holdfast/repository";
import type { Context } from "./context.ts";
import type { GlobalOptions } from "./global-options.ts";
import { identityOfProcess } from "../access/identity.ts";
import { passwordText } from "../access/password-bytes.ts";
import { Session } from "../access/session.ts";
import { askPassword, givenPassword } from "./password.ts";
import { StreamPrompt } from "./password-prompt.ts";
import { readTextFile } from "./values/text-file.ts";

export type LockKind = "none" | "shared" | "exclusive";

const promptTries = 3;

/** Reading verbs honour --no-lock; those that write pass their kind as `always`. */
export async function openSession(context: Context, kind: LockKind, always = false): Promise<Session> {
  const { globals, signal, output } = context;
  const repository = await openRepository(context);
  const wanted = globals.noLock && !always ? "none" : kind;
  if (wanted === "none") return new Session(repository, null, signal);
  return Session.lock(repository, {
    exclusive: wanted === "exclusive",
    retryForMs: globals.retryLockMs,
    signal,
    warn: (message) => output.warn(message),
  });
}

async function openRepository(context: Context): Promise<Repository> {
  const storage = storageOf(context);
  const given = givenPassword(context.globals, context.environment);
  if (given !== null) return Repository.open(openOptions(context, storage, given));
  // Nobody likes to type a password for a repository that is not there.
  await requireRepository(storage);
  const prompt = promptOf(context);
  for (let triesLeft = prompt.isTerminal ? promptTries : 1; ; triesLeft--) {
    const password = await askPassword(prompt, context.globals);
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
    throw await missingRepository(storage, error);
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
  const { optionPrefix: prefix, repository, repositoryFile } = globals;
  if (repository !== undefined && repositoryFile !== undefined) {
    throw new HoldfastError("usage", "the repository was given both by its address and by a file", {
      hint: "give one of them",
    });
  }
  if (repositoryFile !== undefined)
    return readTextFile(repositoryFile, `--${prefix}repository-file`).toString("utf8").trim();
  if (repository !== undefined) return repository;
  if (prefix === "")
    throw new HoldfastError("usage", "no repository was named", {
      hint: "name it with -r, or in the variable RESTIC_REPOSITORY",
    });
  throw new HoldfastError("usage", "no repository to copy from was named", {
    hint: "name it with --from-repo, or in the variable RESTIC_FROM_REPOSITORY",
  });
}
