// Chooses what of this machine is copied for the demo: given paths whole, else a mix of what everybody may read.

import { accessSync, constants, lstatSync, readdirSync } from "node:fs";
import type { BigIntStats } from "node:fs";
import { HoldfastError } from "@holdfast/repository";
import { bytesOf, type RawPath } from "../filesystem/raw-path.ts";
import { nextTurn } from "../filesystem/turn.ts";

export interface Source {
  /** Absolute. */
  readonly path: RawPath;
  readonly maximumBytes: number;
  readonly maximumFiles: number;
  /** Takes only what every user of the machine may read. */
  readonly publicOnly: boolean;
}

export interface ChosenEntry {
  readonly path: RawPath;
  readonly status: BigIntStats;
}

export interface Choice {
  /** Directories stand before what is in them. */
  readonly entries: readonly ChosenEntry[];
  /** The sources that had something to take. */
  readonly sources: readonly RawPath[];
  readonly files: number;
  readonly sizeBytes: number;
  /** Entries left out because they may not be read, or cannot be copied: sockets, devices, other file systems. */
  readonly leftOut: number;
}

const mebibyte = 1024 * 1024;
const publicSource = (path: string, maximumMiB: number, maximumFiles: number): Source => ({
  path,
  maximumBytes: maximumMiB * mebibyte,
  maximumFiles,
  publicOnly: true,
});

/** Small files of many kinds, and some large programs: some 40 MiB where all of them are there. */
export const usualSources: readonly Source[] = [
  publicSource("/etc", 4, 100),
  publicSource("/usr/include", 8, 150),
  publicSource("/usr/share/doc", 8, 150),
  publicSource("/usr/share/locale", 8, 50),
  publicSource("/usr/bin", 20, 50),
];

export function wholeSource(path: RawPath): Source {
  return { path, maximumBytes: Infinity, maximumFiles: Infinity, publicOnly: false };
}

/** Throws `source` where a given path is not there. `apart` is never entered: the demo's own place may lie inside. */
export async function chooseEntries(sources: readonly Source[], apart: RawPath, signal: AbortSignal): Promise<Choice> {
  const chooser = new Chooser(lstatSync(bytesOf(apart), { bigint: true }), signal);
  for (const source of sources) await chooser.take(source);
  return chooser.choice;
}

class Chooser {
  readonly #apart: BigIntStats;
  readonly #signal: AbortSignal;
  readonly #entries: ChosenEntry[] = [];
  readonly #sources: RawPath[] = [];
  #files = 0;
  #bytes = 0;
  #leftOut = 0;

  constructor(apart: BigIntStats, signal: AbortSignal) {
    this.#apart = apart;
    this.#signal = signal;
  }

  get choice(): Choice {
    return {
      entries: this.#entries,
      sources: this.#sources,
      files: this.#files,
      sizeBytes: this.#bytes,
      leftOut: this.#leftOut,
    };
  }

  async take(source: Source): Promise<void> {
    const status = lstatSync(bytesOf(source.path), { bigint: true, throwIfNoEntry: false });
    if (status === undefined) {
      if (source.publicOnly) return;
      const shown = bytesOf(source.path).toString("utf8");
      throw new HoldfastError("usage", `${shown} does not exist`, { hint: "give paths that are there, or none" });
    }
    const rest = {
      ...source,
      maximumBytes: this.#bytes + source.maximumBytes,
      maximumFiles: this.#files + source.maximumFiles,
    };
    const before = this.#files;
    await this.#visit({ path: source.path, status }, rest, status.dev);
    if (this.#files > before) this.#sources.push(source.path);
  }

  async #visit(entry: ChosenEntry, source: Source, device: bigint): Promise<void> {
    const { path, status } = entry;
    if (!mayTake(entry, source) || status.dev !== device) {
      this.#leftOut++;
      return;
    }
    if (!status.isDirectory()) return this.#takeSingle(entry, source);
    if (status.ino === this.#apart.ino && status.dev === this.#apart.dev) return;
    if (this.#isFull(source, 0)) return;
    this.#entries.push(entry);
    await nextTurn(this.#signal);
    for (const name of readdirSync(bytesOf(path), { encoding: "latin1" }).toSorted()) {
      const child = path === "/" ? `/${name}` : `${path}/${name}`;
      const status = lstatSync(bytesOf(child), { bigint: true, throwIfNoEntry: false });
      if (status !== undefined) await this.#visit({ path: child, status }, source, device);
    }
  }

  #takeSingle(entry: ChosenEntry, source: Source): void {
    const sizeBytes = entry.status.isFile() ? Number(entry.status.size) : 0;
    if (this.#isFull(source, sizeBytes)) return;
    this.#entries.push(entry);
    this.#bytes += sizeBytes;
    if (entry.status.isFile()) this.#files++;
  }

  #isFull(source: Source, sizeBytes: number): boolean {
    return this.#files >= source.maximumFiles || this.#bytes + sizeBytes > source.maximumBytes;
  }
}

const everybodyReads = 0o004n;
const everybodyEnters = 0o005n;
const ownerReads = 0o400n;

function mayTake({ path, status }: ChosenEntry, source: Source): boolean {
  if (status.isSymbolicLink()) return true;
  if (!status.isFile() && !status.isDirectory() && !status.isFIFO()) return false;
  const wanted = status.isDirectory() ? everybodyEnters : everybodyReads;
  if (source.publicOnly && (status.mode & wanted) !== wanted) return false;
  if (status.isFIFO()) return true;
  // The copy belongs to whoever runs this, and must be readable as its owner.
  if (process.getuid?.() !== 0 && (status.mode & ownerReads) === 0n) return false;
  try {
    accessSync(bytesOf(path), status.isDirectory() ? constants.R_OK | constants.X_OK : constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
