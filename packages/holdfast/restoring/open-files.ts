// Finds the processes that have certain files open, or files below certain folders, by what /proc tells.
import { lstatSync, readdirSync, readFileSync, readlinkSync, realpathSync, statSync } from "node:fs";
import type { BigIntStats } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { displayPath, HoldfastError } from "@holdfast/repository";
import { openMappings } from "./memory-mappings.ts";

export interface OpenFile {
  readonly pid: number;
  /** The short name of the program. */
  readonly command: string;
  /** Raw bytes: as this process sees the file, or, of a process in a container, as the given paths name it. */
  readonly path: Buffer;
}

/** Something that a process holds: where it lies for that process, and which file it is. */
interface Holding {
  readonly pid: number;
  readonly path: Buffer;
  /** Device and inode. */
  readonly file: string;
}

const slash = Buffer.from("/");
const entriesBetweenTurns = 512;

/**
 * Other processes that have one of these files open or mapped, or anything below one of these folders; each path of a
 * process once. Paths are absolute, and those that do not exist are held by nobody. Without root only the user's own
 * processes are seen. Processes in other mount namespaces (containers) are found by device and inode, since their
 * paths are their own.
 */
export async function processesUsing(paths: readonly Buffer[]): Promise<OpenFile[]> {
  const wanted = paths.flatMap((path) => realPath(path));
  if (wanted.length === 0) return [];
  const found = new Map<string, OpenFile>();
  const add = (pid: number, path: Buffer): void => {
    const key = `${pid} ${path.toString("latin1")}`;
    if (!found.has(key)) found.set(key, { pid, command: commandOf(pid), path });
  };
  const foreign = new Map<string, Set<number>>();
  const ownNamespace = namespaceOf(process.pid);
  for (const pid of otherProcesses()) {
    await setImmediate();
    const isForeign = namespaceOf(pid) !== ownNamespace;
    for (const { path, file } of holdingsOf(pid)) {
      if (isForeign) foreign.set(file, (foreign.get(file) ?? new Set()).add(pid));
      else if (wanted.some((each) => isAtOrBelow(path, each))) add(pid, path);
    }
  }
  if (foreign.size > 0) {
    for (const path of wanted) await visit(path, (each, file) => foreign.get(file)?.forEach((pid) => add(pid, each)));
  }
  return [...found.values()];
}

/** The path without links, as /proc shows it; none when nothing is there. */
function realPath(path: Buffer): Buffer[] {
  try {
    // The native one: the other turns bytes that are no text into others.
    return [realpathSync.native(path, { encoding: "buffer" })];
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : null;
    if (code === "ENOENT" || code === "ENOTDIR") return [];
    // Not to know who uses a file must not look like knowing that nobody does.
    const reason = error instanceof Error ? error.message : String(error);
    throw new HoldfastError("target", `cannot tell who uses ${displayPath(path)}: ${reason}`, { cause: error });
  }
}

function isAtOrBelow(path: Buffer, top: Buffer): boolean {
  if (path.equals(top)) return true;
  const beginning = top.equals(slash) ? top : Buffer.concat([top, slash]);
  return path.subarray(0, beginning.length).equals(beginning);
}

function otherProcesses(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid);
}

/** What of a process cannot be read, or ended meanwhile, is passed over. */
function attempt<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}

function namespaceOf(pid: number): string | null {
  return attempt(() => readlinkSync(`/proc/${pid}/ns/mnt`), null);
}

function commandOf(pid: number): string {
  return attempt(() => readFileSync(`/proc/${pid}/comm`, "utf8").trimEnd(), "?");
}

function* holdingsOf(pid: number): Generator<Holding> {
  const directory = `/proc/${pid}/fd`;
  for (const descriptor of attempt(() => readdirSync(directory), [])) {
    const entry = `${directory}/${descriptor}`;
    const path = attempt(() => readlinkSync(entry, { encoding: "buffer" }), null);
    // Sockets, pipes and the like have no path.
    if (!path || path[0] !== slash[0]) continue;
    const status = attempt(() => statSync(entry, { bigint: true }), null);
    if (status) yield { pid, path, file: fileOf(status) };
  }
  const maps = attempt(() => readFileSync(`/proc/${pid}/maps`), Buffer.alloc(0));
  for (const { path, device, inode } of openMappings(maps)) yield { pid, path, file: `${device} ${inode}` };
}

function fileOf({ dev, ino }: BigIntStats): string {
  return `${dev} ${ino}`;
}

/** Calls `see` for a file, or for a folder and all below it. What vanishes meanwhile is passed over. */
async function visit(top: Buffer, see: (path: Buffer, file: string) => void): Promise<void> {
  const pending = [top];
  let seen = 0;
  for (let path = pending.pop(); path; path = pending.pop()) {
    if (++seen % entriesBetweenTurns === 0) await setImmediate();
    const here = path;
    const status = attempt(() => lstatSync(here, { bigint: true }), null);
    if (!status) continue;
    see(here, fileOf(status));
    if (!status.isDirectory()) continue;
    for (const name of attempt(() => readdirSync(here, { encoding: "buffer" }), []))
      pending.push(Buffer.concat([here, slash, name]));
  }
}
