// What the process answers to the shell: the one table of exit codes.

import type { ErrorCode } from "@holdfast/repository";

export const exitCodes = {
  done: 0,
  failed: 1,
  /** Wrong usage or configuration: nothing was tried. */
  usage: 2,
  /** Stored, but some source data could not be read. */
  partial: 3,
  repositoryMissing: 10,
  locked: 11,
  wrongPassword: 12,
  interrupted: 130,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** What a job of this outcome answers. */
export const exitCodeOfOutcome = {
  good: exitCodes.done,
  partial: exitCodes.partial,
  failed: exitCodes.failed,
} as const;

const byErrorCode: Partial<Record<ErrorCode, ExitCode>> = {
  usage: exitCodes.usage,
  "repository-missing": exitCodes.repositoryMissing,
  locked: exitCodes.locked,
  "wrong-password": exitCodes.wrongPassword,
  interrupted: exitCodes.interrupted,
};

/** Every error that is not named in the table is a failure. */
export function exitCodeOf(code: ErrorCode): ExitCode {
  return byErrorCode[code] ?? exitCodes.failed;
}
