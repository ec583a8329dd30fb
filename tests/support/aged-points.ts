// Recovery points that become older than they are: the same content under another time.
import assert from "node:assert/strict";
import { encodeSnapshot, openStorage, parseLocation, Repository } from "@holdfast/repository";
import { password } from "./workplace.ts";

export interface Aged {
  /** RFC 3339. */
  readonly time: string;
  readonly hostname?: string;
  readonly tags?: readonly string[];
}

/** Stores the snapshot in another form, which names the first one, and removes that: as changing tags does. Its id. */
export function agePoint(location: string, id: string, change: Aged): Promise<string> {
  return store(location, id, change, { replaces: true });
}

/** Stores a point of its own with the same content. Its id. */
export function copyPoint(location: string, id: string, change: Aged): Promise<string> {
  return store(location, id, change, { replaces: false });
}

async function store(
  location: string,
  id: string,
  change: Aged,
  { replaces }: { readonly replaces: boolean },
): Promise<string> {
  const identity = { hostname: "ager", username: "ager", uid: 0, gid: 0, pid: process.pid };
  const storage = openStorage(parseLocation(location));
  await using repository = await Repository.open({ storage, password, now: () => new Date(), identity });
  const { snapshots } = await repository.loadSnapshots();
  const found = snapshots.find((each) => each.id === id) ?? assert.fail(`there is no snapshot ${id}`);
  const { id: _, ...snapshot } = found;
  const original = replaces ? (snapshot.original ?? id) : null;
  const aged = { ...snapshot, ...change, tags: [...(change.tags ?? snapshot.tags)], original };
  const name = await repository.saveUnpacked("snapshot", encodeSnapshot(aged));
  if (replaces) await storage.remove("snapshot", id);
  return name;
}

/** Noon of so many days ago, in UTC. */
export function noonDaysAgo(days: number): string {
  const today = Math.floor(Date.now() / 86_400_000);
  return new Date((today - days) * 86_400_000 + 43_200_000).toISOString();
}
