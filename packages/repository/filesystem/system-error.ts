// Turns a failed system call into the engine's error, naming the path so that people can read it.

import { getSystemErrorMessage, getSystemErrorName } from "node:util";
import { HoldfastError } from "../errors.ts";
import type { ErrorCode } from "../errors.ts";

/** Which side failed: what is backed up, or where something is restored to. */
export type Side = "source" | "target";

const codesByName: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: "no-space",
  EDQUOT: "no-space",
  EACCES: "permission",
  EPERM: "permission",
  ENOSYS: "unsupported",
};

/**
 * The error for `action` ("create the directory") on `path`. `result` is the negative error number.
 * `context.errno` is its name ("ENOENT"), for callers that decide by it.
 */
export function systemError(side: Side, action: string, path: Buffer, result: number): HoldfastError {
  const name = getSystemErrorName(result);
  const code = codesByName[name] ?? side;
  const shown = displayPath(path);
  // Node's text for it speaks of sockets.
  const text = name === "ENOTSUP" ? "it is not supported there" : getSystemErrorMessage(result);
  return new HoldfastError(code, `cannot ${action} ${shown}: ${text} (${name})`, {
    context: { path: shown, errno: name },
    ...(code === "unsupported" ? { hint: unsupportedHint } : {}),
    ...(name === "EDQUOT" ? { hint: "raise the quota or choose another place, then run the command again" } : {}),
  });
}

const unsupportedHint = "install Holdfast with its optional native part (the npm package koffi) on Linux x64 or arm64";

/** The negative error number in an error of node:fs. Anything else is a defect and is thrown on. */
export function errorNumber(error: unknown): number {
  if (error instanceof Error && "errno" in error && typeof error.errno === "number") {
    return error.errno;
  }
  throw error;
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A path as text: bytes that are not UTF-8, and control characters, are shown as `\xNN`. */
export function displayPath(path: Buffer): string {
  let text: string;
  try {
    text = strictUtf8.decode(path);
  } catch {
    text = "";
    for (const byte of path) {
      text += byte < 0x80 ? String.fromCharCode(byte) : escapeByte(byte);
    }
  }
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (character) => escapeByte(character.charCodeAt(0)));
}

function escapeByte(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, "0")}`;
}
