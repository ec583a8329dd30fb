// Which of the files found on disk go into a backup: the judge of the rules.

import { closeSync, constants, fstatSync, lstatSync, openSync, readSync } from "node:fs";
import { PatternList } from "./pattern-list.ts";
import type { SelectionRules } from "./selection-rules.ts";

const noMarkers: readonly Buffer[] = [];

/**
 * Judges paths. The paths named on the command line themselves are always taken: ask only of what
 * is found below them. An excluded directory is not entered, whatever `!pattern` says of its contents.
 * Throws `usage` on a malformed pattern.
 */
export class Selection {
  readonly #exclude: PatternList;
  readonly #iexclude: PatternList;
  readonly #hasPatterns: boolean;
  readonly #markers: readonly { name: Buffer; header: Buffer }[];
  readonly #largestBytes: number;

  constructor(rules: SelectionRules) {
    this.#exclude = new PatternList(rules.exclude, { ignoreCase: false });
    this.#iexclude = new PatternList(rules.iexclude, { ignoreCase: true });
    this.#hasPatterns = !this.#exclude.isEmpty || !this.#iexclude.isEmpty;
    this.#markers = rules.excludeIfPresent.map((marker) => ({
      name: Buffer.from(marker.name, "utf8"),
      header: Buffer.from(marker.header ?? "", "utf8"),
    }));
    this.#largestBytes = rules.excludeLargerThanBytes ?? Infinity;
  }

  /** `path`: the absolute path on disk, as bytes. */
  excludesPath(path: Buffer): boolean {
    return this.#hasPatterns && (this.#iexclude.matches(path) || this.#exclude.matches(path));
  }

  /** For everything that is not a directory. */
  excludesSize(sizeBytes: number | bigint): boolean {
    return sizeBytes > this.#largestBytes;
  }

  /**
   * The marker files that are in force in `directory` (bytes of its path), looked up on disk, once a directory.
   * `warn` hears of markers that are there but have another header or cannot be read: they do not count.
   */
  markersIn(directory: Buffer, warn: (message: string) => void): readonly Buffer[] {
    if (this.#markers.length === 0) return noMarkers;
    const found: Buffer[] = [];
    for (const marker of this.#markers) {
      if (isInForce(Buffer.concat([directory, Buffer.from("/"), marker.name]), marker.header, warn))
        found.push(marker.name);
    }
    return found;
  }

  /** Whether the entry `name` of a directory with these markers is left out: all are, but the marker itself. */
  excludesEntry(name: Buffer, markers: readonly Buffer[]): boolean {
    for (const marker of markers) if (!marker.equals(name)) return true;
    return false;
  }
}

function isInForce(path: Buffer, header: Buffer, warn: (message: string) => void): boolean {
  try {
    lstatSync(path);
    if (header.length === 0 || beginsWith(path, header)) return true;
    warn(`${JSON.stringify(path.toString())} does not begin with the header given for it: its directory is backed up`);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ENOTDIR") return false;
    warn(`${JSON.stringify(path.toString())} cannot be read (${code}): its directory is backed up`);
  }
  return false;
}

function beginsWith(path: Buffer, header: Buffer): boolean {
  // Without O_NONBLOCK a FIFO of this name would hold up the backup for ever.
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    if (!fstatSync(file).isFile()) return false;
    const start = Buffer.alloc(header.length);
    let filled = 0;
    for (;;) {
      const count = readSync(file, start, filled, header.length - filled, filled);
      filled += count;
      if (count === 0 || filled === header.length) return filled === header.length && start.equals(header);
    }
  } finally {
    closeSync(file);
  }
}
