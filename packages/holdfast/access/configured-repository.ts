// Opens a repository that the configuration names: its storage, password and lock.
import { readFileSync } from "node:fs";
import {
  HoldfastError,
  monotonicClock,
  openStorage,
  parseLocation,
  Repository,
  RetryStorage,
  type OpenOptions,
  type Storage,
} from "@holdfast/repository";
import type { RepositoryConfiguration } from "../configuration/configuration.ts";
import { readRestCredentials } from "../configuration/rest-credentials.ts";
import type { RepositoryContext } from "../jobs/job-context.ts";
import { identityOfProcess } from "./identity.ts";
import { passwordFromWords, passwordText, trimmedPassword } from "./password-bytes.ts";
import { Session } from "./session.ts";

export interface LockWish {
  /** Prune and the like; whoever else writes shares. */
  readonly exclusive: boolean;
}

/** The repository with a lock of it. Throws `repository-missing`, `wrong-password`, `locked`, or what the storage says. */
export async function openConfigured(
  configuration: RepositoryConfiguration,
  context: RepositoryContext,
  lock: LockWish = { exclusive: false },
): Promise<Session> {
  const repository = await Repository.open(openOptionsOf(configuration, context));
  const { retryLockMs: retryForMs, signal, warn } = context;
  return Session.lock(repository, { ...lock, retryForMs, signal, warn });
}

/** What opens the repository, or makes it. */
export function openOptionsOf(configuration: RepositoryConfiguration, context: RepositoryContext): OpenOptions {
  return {
    storage: storageOf(configuration, context),
    password: passwordText(passwordOf(configuration, context.environment)),
    cacheDirectory: context.cacheDirectory,
    now: context.now,
    identity: identityOfProcess(),
  };
}

function storageOf({ name, url, credentialsFile }: RepositoryConfiguration, context: RepositoryContext): Storage {
  const account = credentialsFile === null ? {} : readRestCredentials(credentialsFile);
  return new RetryStorage(openStorage(parseLocation(url), { rest: { insecureTls: false, ...account } }), {
    clock: monotonicClock,
    random: Math.random,
    signal: context.signal,
    onRetry: ({ operation, error, delayMs }) =>
      context.warn(`${name}: ${operation}: ${error.message}; trying again in ${Math.ceil(delayMs / 1000)} s`),
  });
}

function passwordOf({ name, password }: RepositoryConfiguration, environment: NodeJS.ProcessEnv): Buffer {
  const named = `the password of the repository ${name}`;
  const bytes =
    "command" in password
      ? passwordFromWords(password.command, `${named}: password_command`, environment)
      : passwordFromFile(password.file, named);
  if (bytes.length > 0) return bytes;
  throw new HoldfastError("usage", `${named} is empty`, { hint: "write the password into the file that is named" });
}

function passwordFromFile(path: string, named: string): Buffer {
  try {
    return trimmedPassword(readFileSync(path));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const reason = code === "ENOENT" ? "does not exist" : `cannot be read (${code})`;
    throw new HoldfastError("usage", `${named}: the file ${JSON.stringify(path)} ${reason}`, {
      hint: "check password_file in the configuration, and who may read the file",
      cause: error,
    });
  }
}
