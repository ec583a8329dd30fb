// Everything about the entries of a tree that a backup has to bring back, read without the engine's own reader.

import { createHash } from "node:crypto";
import { closeSync, constants, lstatSync, openSync, readdirSync, readlinkSync, readSync } from "node:fs";
import type { BigIntStats } from "node:fs";
import type { SystemCalls } from "@holdfast/repository";
import { bytesOf, type RawPath } from "../filesystem/raw-path.ts";
import { nextTurn } from "../filesystem/turn.ts";
import { Xattrs } from "./xattrs.ts";

export interface EntryFacts {
  /** Permission bits with setuid, setgid and sticky. */
  readonly mode: number;
  readonly type: "file" | "directory" | "symlink" | "fifo" | "device" | "socket";
  readonly uid: bigint;
  readonly gid: bigint;
  /** Nanoseconds since the epoch. */
  readonly mtimeNs: bigint;
  /** Of files; 0 for everything else. */
  readonly sizeBytes: bigint;
  /** SHA-256 of files; empty for everything else. */
  readonly content: string;
  /** Raw bytes; empty for what is no symbolic link. */
  readonly linkTarget: string;
  /** The device that a device file stands for. */
  readonly device: bigint;
  /** The first of the names that this inode has in the tree; empty for directories. */
  readonly sameAs: RawPath;
  /** `name=hexadecimal value`, sorted; access control lists are such attributes. */
  readonly xattrs: readonly string[];
  /** What tells a backup that a file is as it was. Not restored, hence not compared. */
  readonly identity: string;
}

/** By path below the root, which is "" itself; raw bytes. */
export type TreeFacts = ReadonlyMap<RawPath, EntryFacts>;

const readBytes = 1024 * 1024;
const bytesBetweenTurns = 32 * 1024 * 1024;

export async function readTreeFacts(root: RawPath, calls: SystemCalls, signal: AbortSignal): Promise<TreeFacts> {
  const reader = new FactsReader(new Xattrs(calls), signal);
  await reader.visit(root, "");
  return reader.facts;
}

class FactsReader {
  readonly facts = new Map<RawPath, EntryFacts>();
  readonly #xattrs: Xattrs;
  readonly #signal: AbortSignal;
  readonly #buffer = Buffer.allocUnsafe(readBytes);
  readonly #firstNames = new Map<string, RawPath>();
  #bytesSinceTurn = 0;

  constructor(xattrs: Xattrs, signal: AbortSignal) {
    this.#xattrs = xattrs;
    this.#signal = signal;
  }

  async visit(path: RawPath, label: RawPath): Promise<void> {
    const status = lstatSync(bytesOf(path), { bigint: true });
    const type = typeOf(status);
    this.facts.set(label, {
      type,
      mode: Number(status.mode & 0o7777n),
      uid: status.uid,
      gid: status.gid,
      mtimeNs: status.mtimeNs,
      sizeBytes: type === "file" ? status.size : 0n,
      content: type === "file" ? await this.#hash(path) : "",
      linkTarget: type === "symlink" ? readlinkSync(bytesOf(path), { encoding: "latin1" }) : "",
      device: type === "device" ? status.rdev : 0n,
      sameAs: type === "directory" ? "" : this.#firstName(status, label),
      xattrs: [...this.#xattrs.read(path)].map(([name, value]) => `${name}=${value.toString("hex")}`),
      identity: [status.dev, status.ino, status.size, status.mtimeNs, status.ctimeNs].join(" "),
    });
    if (type !== "directory") return;
    await nextTurn(this.#signal);
    for (const name of readdirSync(bytesOf(path), { encoding: "latin1" }).toSorted()) {
      await this.visit(`${path}/${name}`, label === "" ? name : `${label}/${name}`);
    }
  }

  #firstName(status: BigIntStats, label: RawPath): RawPath {
    const inode = `${status.dev} ${status.ino}`;
    const first = this.#firstNames.get(inode) ?? label;
    this.#firstNames.set(inode, first);
    return first;
  }

  async #hash(path: RawPath): Promise<string> {
    const hash = createHash("sha256");
    const descriptor = openSync(bytesOf(path), constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      for (let got = -1; got !== 0;) {
        got = readSync(descriptor, this.#buffer);
        hash.update(this.#buffer.subarray(0, got));
        this.#bytesSinceTurn += got;
        if (this.#bytesSinceTurn > bytesBetweenTurns) {
          this.#bytesSinceTurn = 0;
          await nextTurn(this.#signal);
        }
      }
    } finally {
      closeSync(descriptor);
    }
    return hash.digest("hex");
  }
}

export function typeOf(status: BigIntStats): EntryFacts["type"] {
  if (status.isFile()) return "file";
  if (status.isDirectory()) return "directory";
  if (status.isSymbolicLink()) return "symlink";
  if (status.isFIFO()) return "fifo";
  return status.isSocket() ? "socket" : "device";
}
