// Snapshots with any time, host, paths and tags, of which nothing but the snapshot itself exists; and zones by name.
import { openStorage, parseLocation, Repository, type StoredSnapshot } from "@holdfast/repository";
import { password } from "./workplace.ts";

export interface ForgedSnapshot {
  /** RFC 3339. */
  readonly time: string;
  readonly hostname?: string;
  readonly paths?: readonly string[];
  readonly tags?: readonly string[];
}

/** Stores them; all snapshots of the repository. */
export async function forgeSnapshots(location: string, forged: readonly ForgedSnapshot[]): Promise<StoredSnapshot[]> {
  const identity = { hostname: "forger", username: "forger", uid: 0, gid: 0, pid: process.pid };
  const storage = openStorage(parseLocation(location));
  await using repository = await Repository.open({ storage, password, now: () => new Date(), identity });
  for (const [number, { time, hostname = "alpha", paths = ["/data"], tags }] of forged.entries()) {
    // What makes each one different, even those of one time.
    const tree = number.toString(16).padStart(64, "0");
    const json = { time, tree, paths, hostname, username: "forger", ...(tags === undefined ? {} : { tags }) };
    await repository.saveUnpacked("snapshot", Buffer.from(JSON.stringify(json)));
  }
  return (await repository.loadSnapshots()).snapshots;
}

/** A lock of another host, which nobody here can call stale. */
export async function forgeLock(location: string, exclusive: boolean): Promise<void> {
  const identity = { hostname: "elsewhere", username: "forger", uid: 0, gid: 0, pid: 1 };
  const storage = openStorage(parseLocation(location));
  await using repository = await Repository.open({ storage, password, now: () => new Date(), identity });
  const { hostname, username, pid } = identity;
  const json = { time: new Date().toISOString(), exclusive, hostname, username, pid };
  await repository.saveUnpacked("lock", Buffer.from(JSON.stringify(json)));
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** How far a zone is ahead of UTC at a moment, in seconds: from the tables that Node brings along. */
export function offsetSeconds(zone: string, seconds: number): number {
  let format = formats.get(zone);
  if (format === undefined) {
    const fields = { year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric" } as const;
    format = new Intl.DateTimeFormat("en-US", { timeZone: zone, hourCycle: "h23", ...fields, second: "numeric" });
    formats.set(zone, format);
  }
  const part = Object.fromEntries(format.formatToParts(seconds * 1000).map(({ type, value }) => [type, Number(value)]));
  const { year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0 } = part;
  return Date.UTC(year, month - 1, day, hour, minute, second) / 1000 - seconds;
}

/** The moment as a program in that zone writes it. */
export function timeInZone(zone: string, seconds: number): string {
  const offset = offsetSeconds(zone, seconds);
  const wall = new Date((seconds + offset) * 1000).toISOString().slice(0, 19);
  if (offset === 0) return `${wall}Z`;
  const two = (value: number): string => String(Math.trunc(value)).padStart(2, "0");
  return `${wall}${offset < 0 ? "-" : "+"}${two(Math.abs(offset) / 3600)}:${two((Math.abs(offset) / 60) % 60)}`;
}
