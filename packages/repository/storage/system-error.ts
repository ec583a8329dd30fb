// Turns errors of the operating system into the engine's own.
import { HoldfastError } from "../errors.ts";
import type { ErrorCode } from "../errors.ts";

const codes: Readonly<Record<string, ErrorCode>> = {
  ENOENT: "not-found",
  ENOSPC: "no-space",
  EDQUOT: "no-space",
  EFBIG: "no-space",
  EACCES: "permission",
  EPERM: "permission",
  EROFS: "permission",
};

/** Wrong in the path itself: the same call can only fail again. */
const lasting = new Set(["ENOTDIR", "EISDIR", "ELOOP", "ENAMETOOLONG", "EINVAL"]);

/** `action` completes the message "cannot ACTION PATH". A HoldfastError passes through unchanged. */
export function fromSystemError(error: unknown, action: string, path: string): HoldfastError {
  if (error instanceof HoldfastError) return error;
  const systemCode = systemErrorCode(error);
  const code = codes[systemCode] ?? "storage";
  return new HoldfastError(code, `cannot ${action} ${path}: ${reasons[systemCode] ?? (systemCode || String(error))}`, {
    cause: error,
    context: { path, systemCode },
    ...(lasting.has(systemCode) ? { retryable: false } : {}),
  });
}

/** `ENOENT`, `EIO`, …; empty for what is no error of the system. */
export function systemErrorCode(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : "";
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: "no such file or directory",
  ENOSPC: "no space left on the device",
  EDQUOT: "the disk quota is used up",
  EFBIG: "the file system allows no file of this size",
  EACCES: "permission denied",
  EPERM: "operation not permitted",
  EROFS: "the file system is read-only",
  ENOTDIR: "a part of the path is not a directory",
  EISDIR: "it is a directory",
  EIO: "input/output error",
};
