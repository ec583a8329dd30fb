// The one error type of the engine, and the table of everything that can go wrong.

/**
 * What can go wrong, each with whether trying again can help and what a person can do about it.
 * `retryable` speaks of the same call made again unchanged: a damaged file stays damaged.
 */
const errorTable = {
  "repository-missing": {
    retryable: false,
    hint: "check the address, or create the repository with `holdfast repo init`",
  },
  "repository-exists": { retryable: false, hint: "use the repository that is there, or choose another address" },
  "wrong-password": {
    retryable: false,
    hint: "check the password file, or use the password of another key of this repository",
  },
  locked: {
    retryable: true,
    hint: "wait for the other process, pass --retry-lock, or remove stale locks with `holdfast repo unlock`",
  },
  damaged: { retryable: false, hint: "run `holdfast repo check --read-data` to see everything that is affected" },
  "not-found": { retryable: false, hint: "list what is there with `holdfast repo list` or `holdfast repo snapshots`" },
  "no-space": { retryable: false, hint: "free space or choose another place, then run the command again" },
  permission: { retryable: false, hint: "check the owner and the mode of the path, or the rights of the account" },
  refused: { retryable: false, hint: "the server does not allow this operation (append-only?)" },
  storage: { retryable: true, hint: "check that the storage can be reached, then run the command again" },
  unsupported: { retryable: false, hint: "see docs/ for what this version of Holdfast supports" },
  hostile: { retryable: false, hint: "this snapshot was not written by an honest program; do not restore it" },
  source: { retryable: false, hint: "see the message for the path and the cause" },
  target: { retryable: false, hint: "see the message for the path and the cause" },
  usage: { retryable: false, hint: "see --help" },
  interrupted: { retryable: true, hint: "run the command again: what was stored is kept and reused" },
  internal: { retryable: false, hint: "this is a defect of Holdfast: please report it" },
} as const;

export type ErrorCode = keyof typeof errorTable;

/** Facts about the failure for programs: names and numbers, never secrets. */
export type ErrorContext = Readonly<Record<string, string | number | boolean>>;

/** Everything the engine throws. The message says what happened to what; the hint what to do about it. */
export class HoldfastError extends Error {
  readonly code: ErrorCode;
  readonly hint: string;
  readonly retryable: boolean;
  readonly context: ErrorContext;

  constructor(
    code: ErrorCode,
    message: string,
    options: { hint?: string; retryable?: boolean; context?: ErrorContext; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "HoldfastError";
    this.code = code;
    this.hint = options.hint ?? errorTable[code].hint;
    this.retryable = options.retryable ?? errorTable[code].retryable;
    this.context = options.context ?? {};
  }
}

/** True when `error` is a HoldfastError with this code. */
export function hasCode(error: unknown, code: ErrorCode): error is HoldfastError {
  return error instanceof HoldfastError && error.code === code;
}
