// Small text files that belong to the command line: passwords, patterns, lists of names.

import { readFileSync } from "node:fs";
import { HoldfastError } from "@holdfast/repository";

/** The bytes of a text file without a byte order mark, UTF-16 turned into UTF-8; "-" is standard input. Throws `usage`. */
export function readTextFile(path: string, option: string): Buffer {
  try {
    return withoutMark(readFileSync(path === "-" ? 0 : path));
  } catch (error) {
    throw unreadable(path, option, error);
  }
}

/** The bytes as they are, for lists of raw names. */
export function readRawFile(path: string, option: string): Buffer {
  try {
    return readFileSync(path === "-" ? 0 : path);
  } catch (error) {
    throw unreadable(path, option, error);
  }
}

function unreadable(path: string, option: string, error: unknown): HoldfastError {
  const reason =
    (error as NodeJS.ErrnoException).code === "ENOENT"
      ? "does not exist"
      : `cannot be read (${(error as NodeJS.ErrnoException).code})`;
  return new HoldfastError("usage", `${option}: the file ${JSON.stringify(path)} ${reason}`, {
    hint: "check the path and who may read it",
    cause: error,
  });
}

function withoutMark(bytes: Buffer): Buffer {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return bytes.subarray(3);
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return Buffer.from(bytes.subarray(2).toString("utf16le"), "utf8");
  if (bytes[0] === 0xfe && bytes[1] === 0xff) {
    return Buffer.from(new TextDecoder("utf-16be").decode(bytes.subarray(2)), "utf8");
  }
  return bytes;
}

/** Lines without their ends ("\n" or "\r\n"), as byte strings (latin1), so that names that are not UTF-8 survive. */
export function linesOf(bytes: Buffer): string[] {
  const lines = bytes.toString("latin1").split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines.map((line) => (line.endsWith("\r") ? line.slice(0, -1) : line));
}
