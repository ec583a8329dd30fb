// Copies a part of the machine's own programs, libraries and documents: files as they really are.
import {
  copyFileSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  chmodSync,
} from "node:fs";
import type { Stats } from "node:fs";
import { join } from "node:path";

/** Where from, and which part of the whole. What one place lacks the next ones give. */
const places: readonly { readonly root: string; readonly part: number }[] = [
  { root: "/usr/include", part: 0.1 },
  { root: "/usr/share", part: 0.45 },
  { root: "/usr/lib", part: 0.4 },
  { root: "/usr/local", part: 0.05 },
  { root: "/usr/bin", part: 0 },
  { root: "/usr/libexec", part: 0 },
];
/** No single tree (a compiler, an SDK) may be more than this part of the whole. */
const largestTreePart = 0.12;
const largestFilePart = 0.05;
const smallestLargestFileBytes = 4 << 20;

/**
 * Copies up to `totalBytes` below `directory`, always the same for the same machine; returns the bytes copied.
 * From the second `pass` on every file begins with a line of its own, so that it is stored anew.
 */
export function copyMachineTrees(directory: string, totalBytes: number, pass: number): number {
  let copied = 0;
  let planned = 0;
  for (const { root, part } of places) {
    planned += part * totalBytes;
    const target = join(directory, root.slice(1));
    for (const name of namesIn(root)) {
      const limit = Math.min(planned - copied, largestTreePart * totalBytes);
      if (limit > 0)
        copied += new TreeCopy(limit, largestFileBytes(totalBytes), pass).copy(join(root, name), join(target, name));
    }
  }
  return copied;
}

function largestFileBytes(totalBytes: number): number {
  return Math.max(smallestLargestFileBytes, largestFilePart * totalBytes);
}

class TreeCopy {
  readonly #limitBytes: number;
  readonly #largestFileBytes: number;
  readonly #mark: Buffer | null;
  #copiedBytes = 0;

  constructor(limitBytes: number, largestFileBytes: number, pass: number) {
    this.#limitBytes = limitBytes;
    this.#largestFileBytes = largestFileBytes;
    this.#mark = pass === 0 ? null : Buffer.from(`copy ${pass}\n`);
  }

  copy(source: string, target: string): number {
    this.#copyEntry(source, target, lstatSync(source));
    return this.#copiedBytes;
  }

  #copyEntry(source: string, target: string, status: Stats): void {
    if (status.isDirectory()) this.#copyDirectory(source, target, status);
    else if (status.isSymbolicLink()) {
      mkdirSync(join(target, ".."), { recursive: true });
      symlinkSync(readlinkSync(source), target);
      lutimesSync(target, status.mtime, status.mtime);
    } else if (status.isFile()) this.#copyFile(source, target, status);
  }

  #copyDirectory(source: string, target: string, status: Stats): void {
    mkdirSync(target, { recursive: true });
    for (const name of namesIn(source)) {
      if (this.#copiedBytes >= this.#limitBytes) break;
      const path = join(source, name);
      this.#copyEntry(path, join(target, name), lstatSync(path));
    }
    utimesSync(target, status.mtime, status.mtime);
  }

  #copyFile(source: string, target: string, status: Stats): void {
    if (status.size > this.#largestFileBytes) return;
    if (this.#mark === null) {
      mkdirSync(join(target, ".."), { recursive: true });
      copyFileSync(source, target);
    } else {
      mkdirSync(join(target, ".."), { recursive: true });
      writeFileSync(target, Buffer.concat([this.#mark, readFileSync(source)]));
    }
    chmodSync(target, status.mode & 0o777);
    utimesSync(target, status.mtime, status.mtime);
    this.#copiedBytes += status.size;
  }
}

/** In an order that does not depend on the file system. */
function namesIn(directory: string): string[] {
  return readdirSync(directory).sort();
}
