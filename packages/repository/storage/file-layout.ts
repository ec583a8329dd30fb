// Where each file of a repository stands below its root, in restic's directory layout.
import { HoldfastError } from "../errors.ts";
import type { FileType } from "./storage.ts";

/** The directory of each type; the configuration is a single file in the root itself. */
export const directories: Readonly<Record<Exclude<FileType, "config">, string>> = {
  key: "keys",
  lock: "locks",
  snapshot: "snapshots",
  index: "index",
  pack: "data",
};

/** True for what can be the name of a repository file other than `config`. Everything else in a directory is foreign. */
export function isFileName(name: string): boolean {
  return /^[0-9a-f]{64}$/.test(name);
}

/**
 * The path below the root, with `/`: `config`, `keys/NAME`, `data/XX/NAME`. Refuses any other name, so that
 * nothing read from a repository can lead out of it.
 */
export function relativePath(type: FileType, name: string): string {
  assertFileName(type, name);
  if (type === "config") return "config";
  if (type === "pack") return `data/${name.slice(0, 2)}/${name}`;
  return `${directories[type]}/${name}`;
}

export function assertFileName(type: FileType, name: string): void {
  if (type === "config" ? name === "config" : isFileName(name)) return;
  throw new HoldfastError("internal", `not the name of a ${type} file: ${JSON.stringify(name)}`);
}

/** Refuses ranges that no file can have; `lengthBytes` may be 0. */
export function assertRange(range: { readonly offset: number; readonly lengthBytes: number }): void {
  const { offset, lengthBytes } = range;
  if (Number.isSafeInteger(offset) && Number.isSafeInteger(lengthBytes) && offset >= 0 && lengthBytes >= 0) return;
  throw new HoldfastError("internal", `not a range of bytes: offset ${offset}, length ${lengthBytes}`);
}

/** The error for a file that ends before a range does: the index and the file disagree. */
export function rangePastEnd(
  what: string,
  range: { readonly offset: number; readonly lengthBytes: number },
): HoldfastError {
  return new HoldfastError(
    "damaged",
    `${what} is too short: bytes ${range.offset} to ${range.offset + range.lengthBytes} were asked for and it ends before`,
    { context: { offset: range.offset, lengthBytes: range.lengthBytes } },
  );
}

export function totalLength(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((total, piece) => total + piece.byteLength, 0);
}
