// What a restore does about entries that are there already: the overwrite rules, clearing the way, and deleting.
import fs from "node:fs";
import type { DirectoryHandle } from "../filesystem/create.ts";
import type { FileStatus } from "../filesystem/status-area.ts";
import { byteString, joinPath } from "../filesystem/path.ts";
import type { PathSelection } from "../selection/path-rules.ts";
import type { Overwrite } from "./restore-request.ts";

const { S_IFDIR, S_IFMT, S_IFREG } = fs.constants;

export function isDirectory(status: FileStatus): boolean {
  return (status.mode & S_IFMT) === S_IFDIR;
}

export function isRegularFile(status: FileStatus): boolean {
  return (status.mode & S_IFMT) === S_IFREG;
}

/** Whether the rule lets an entry of the snapshot that changed at `mtimeNs` take the place of what is there. */
export function mayReplace(rule: Overwrite, mtimeNs: bigint, there: FileStatus): boolean {
  switch (rule) {
    case "always":
    case "if-changed":
      return true;
    case "if-newer":
      return mtimeNs > there.mtimeNs;
    case "never":
      return false;
  }
}

/** Removes a directory that stands where something else belongs: with all in it only if `recursive`, else it has to be empty. */
export function clearDirectory(parent: DirectoryHandle, name: Buffer, recursive: boolean): void {
  if (recursive) removeAll(parent, name);
  else parent.removeDirectory(name);
}

/** Removes an entry with everything below it, never following a link. */
export function removeAll(parent: DirectoryHandle, name: Buffer): void {
  const status = parent.status(name);
  if (!status) return;
  if (!isDirectory(status)) {
    parent.remove(name);
    return;
  }
  {
    using directory = parent.openDirectory(name);
    for (const each of directory.list()) removeAll(directory, each);
  }
  parent.removeDirectory(name);
}

/** Names in a directory that the snapshot's directory at `path` does not have and that the selection takes. */
export function unexpectedNames(
  directory: DirectoryHandle,
  path: Buffer,
  expected: ReadonlySet<string>,
  selection: PathSelection,
): Buffer[] {
  return directory.list().filter((name) => {
    const text = byteString(name);
    // As in restic: rules that speak of directories only are not asked.
    return !expected.has(text) && selection.choose(joinPath(path, text), false).selected;
  });
}
