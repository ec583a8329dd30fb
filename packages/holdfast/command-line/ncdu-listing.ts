// A snapshot's files in the export format of ncdu, version 1.2, for `ncdu -f -`.
//
// Source: ncdu's JSON export format, as restic's `ls --ncdu` fills it.

import { encodeSnapshot, unixModeOfGoMode, type StoredSnapshot, type TreeNode } from "@holdfast/repository";
import { toJsonLine } from "./display/json-line.ts";

/** ncdu counts what a file takes on the disk, which a snapshot does not tell: whole sectors. */
const sectorBytes = 512n;
const nanosecondsPerSecond = 1_000_000_000n;
const permissionBits = 0o7777;

/** Gives `print` the lines of one list; nothing is whole before `finish`. */
export class NcduListing {
  readonly #print: (line: string) => void;
  /** What follows decides whether a comma ends it. */
  #pending: string;
  #depth = 1;

  constructor({ id: _, ...snapshot }: StoredSnapshot, print: (line: string) => void) {
    this.#print = print;
    this.#pending = `[1, 2, ${encodeSnapshot(snapshot).toString()}, [{"name":"/"}`;
  }

  file(node: TreeNode): void {
    this.#print(`${this.#pending},`);
    this.#pending = this.#indented(nodeJson(node));
  }

  enter(node: TreeNode): void {
    this.#print(`${this.#pending},`);
    this.#print(this.#indented("["));
    this.#depth++;
    this.#pending = this.#indented(nodeJson(node));
  }

  leave(): void {
    this.#print(this.#pending);
    this.#depth--;
    this.#pending = this.#indented("]");
  }

  finish(): void {
    for (const line of [this.#pending, "]", "]"]) this.#print(line);
  }

  #indented(text: string): string {
    return "  ".repeat(this.#depth) + text;
  }
}

function nodeJson(node: TreeNode): string {
  const sizeBytes = node.type === "file" ? node.size : 0n;
  return toJsonLine({
    name: node.name.toString("utf8"),
    asize: sizeBytes,
    dsize: ((sizeBytes + sectorBytes - 1n) / sectorBytes) * sectorBytes,
    dev: node.deviceId,
    ino: node.inode,
    nlink: node.links,
    notreg: node.type !== "dir" && node.type !== "file",
    uid: node.uid,
    gid: node.gid,
    mode: unixModeOfGoMode(node.type, node.mode) & permissionBits,
    // ncdu knows no time before 1970.
    mtime: node.mtime < 0n ? 0n : node.mtime / nanosecondsPerSecond,
  });
}
