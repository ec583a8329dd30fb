// Copies chosen entries into the demo's place, with their attributes as far as this process may set them.

import {
  chmodSync,
  constants,
  copyFileSync,
  lchownSync,
  linkSync,
  mkdirSync,
  readlinkSync,
  symlinkSync,
} from "node:fs";
import { currentDirectory, type SystemCalls } from "@holdfast/repository";
import type { ChosenEntry } from "./choose-entries.ts";
import { bytesOf, type RawPath } from "../filesystem/raw-path.ts";
import { nextTurn } from "../filesystem/turn.ts";
import { Xattrs } from "./xattrs.ts";

const entriesBetweenTurns = 200;
const fifoType = 0o010000;

export interface CopyParts {
  readonly calls: SystemCalls;
  readonly signal: AbortSignal;
  /** Called now and then with the entries copied so far. */
  readonly progress: (done: number) => void;
}

/** `/a/b` becomes `INTO/a/b`. Content is shared with the original where the file system can (reflinks). */
export async function copyEntries(entries: readonly ChosenEntry[], into: RawPath, parts: CopyParts): Promise<void> {
  const copier = new Copier(into, parts.calls);
  for (const [done, entry] of entries.entries()) {
    copier.copy(entry);
    if (done % entriesBetweenTurns > 0) continue;
    parts.progress(done);
    await nextTurn(parts.signal);
  }
  copier.finishDirectories();
}

class Copier {
  readonly #into: RawPath;
  readonly #calls: SystemCalls;
  readonly #xattrs: Xattrs;
  readonly #isRoot = process.getuid?.() === 0;
  readonly #copies = new Map<string, RawPath>();
  readonly #directories: ChosenEntry[] = [];
  readonly #made = new Set<RawPath>();

  constructor(into: RawPath, calls: SystemCalls) {
    this.#into = into;
    this.#calls = calls;
    this.#xattrs = new Xattrs(calls);
  }

  copy(entry: ChosenEntry): void {
    const { path, status } = entry;
    const target = this.#into + path;
    if (this.#made.has(target)) return; // two of the given paths overlap
    this.#made.add(target);
    if (status.isDirectory()) {
      mkdirSync(bytesOf(target), { recursive: true, mode: 0o700 });
      this.#directories.push(entry);
      return;
    }
    const parent = path.slice(0, path.lastIndexOf("/"));
    if (!this.#made.has(this.#into + parent)) mkdirSync(bytesOf(this.#into + parent), { recursive: true, mode: 0o755 });
    if (status.nlink > 1n && this.#link(entry, target)) return;
    this.#create(entry, target);
    this.#setAttributes(entry, target);
  }

  /** Last, since everything that is made in a directory changes its time, and its mode may forbid it. */
  finishDirectories(): void {
    for (const entry of this.#directories.toReversed()) this.#setAttributes(entry, this.#into + entry.path);
  }

  #link({ status }: ChosenEntry, target: RawPath): boolean {
    const inode = `${status.dev} ${status.ino}`;
    const first = this.#copies.get(inode);
    if (first !== undefined) linkSync(bytesOf(first), bytesOf(target));
    else this.#copies.set(inode, target);
    return first !== undefined;
  }

  #create({ path, status }: ChosenEntry, target: RawPath): void {
    if (status.isSymbolicLink()) {
      symlinkSync(readlinkSync(bytesOf(path), { encoding: "buffer" }), bytesOf(target));
    } else if (status.isFIFO()) {
      this.#calls.mknodat(currentDirectory, bytesOf(target), fifoType | 0o600, 0n);
    } else {
      copyFileSync(bytesOf(path), bytesOf(target), constants.COPYFILE_FICLONE);
    }
  }

  #setAttributes({ path, status }: ChosenEntry, target: RawPath): void {
    if (this.#isRoot) lchownSync(bytesOf(target), Number(status.uid), Number(status.gid));
    for (const [name, value] of this.#xattrs.read(path)) this.#xattrs.set(target, name, value);
    if (!status.isSymbolicLink()) chmodSync(bytesOf(target), Number(status.mode & 0o7777n));
    this.#calls.utimensat(currentDirectory, bytesOf(target), status.atimeNs, status.mtimeNs);
  }
}
