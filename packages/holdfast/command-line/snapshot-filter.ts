// Which snapshots are meant: `latest`, the beginning of an id, filters by host, tag and path, and groups.

import { resolve } from "node:path";
import { hasTags, HoldfastError, parseTime, type Grouping } from "@holdfast/repository";

/** What choosing needs to know of a snapshot. */
export interface SnapshotFacts {
  readonly id: string;
  /** RFC 3339. */
  readonly time: string;
  readonly hostname: string;
  readonly paths: readonly string[];
  readonly tags: readonly string[];
}

export interface SnapshotFilter {
  /** Any of them; empty for all. */
  readonly hosts: readonly string[];
  /** Any of the lists, each of which needs all its tags; the tag "" stands for "without tags". */
  readonly tags: readonly (readonly string[])[];
  /** All of them. */
  readonly paths: readonly string[];
}

/** All snapshots of a repository. */
export interface KnownSnapshots<Snapshot extends SnapshotFacts> {
  readonly snapshots: readonly Snapshot[];
  /** Those whose files cannot be read: of when and of what they are is not known. */
  readonly damaged: readonly { readonly id: string; readonly error: HoldfastError }[];
}

export const everySnapshot: SnapshotFilter = { hosts: [], tags: [], paths: [] };

/** `--tag a,b --tag c` is (a and b) or c. */
export function parseTagLists(values: readonly string[]): string[][] {
  return values.map((value) => value.split(",").map((tag) => tag.trim()));
}

/** The filter of the options; the host of the environment counts where no --host is given, and `--host ""` lifts it. */
export function filterOfOptions(
  options: { host?: string[]; tag?: string[]; path?: string[] },
  environmentHost: string | undefined,
): SnapshotFilter {
  const hosts = options.host ?? (environmentHost === undefined ? [] : [environmentHost]);
  return {
    hosts: hosts.length === 1 && hosts[0] === "" ? [] : hosts,
    tags: parseTagLists(options.tag ?? []),
    paths: (options.path ?? []).map((path) => resolve(path)),
  };
}

export function matchesFilter(snapshot: SnapshotFacts, filter: SnapshotFilter): boolean {
  return (
    (filter.hosts.length === 0 || filter.hosts.includes(snapshot.hostname)) &&
    (filter.tags.length === 0 || filter.tags.some((list) => hasTags(snapshot, list))) &&
    filter.paths.every((path) => snapshot.paths.includes(path))
  );
}

/** The newest that passes, no newer than `notAfter` (nanoseconds since the epoch) if given. */
export function findLatest<Snapshot extends SnapshotFacts>(
  snapshots: readonly Snapshot[],
  filter: SnapshotFilter,
  notAfter?: bigint,
): Snapshot | undefined {
  const allowed = (snapshot: Snapshot): boolean => notAfter === undefined || parseTime(snapshot.time) <= notAfter;
  return newestFirst(snapshots.filter((snapshot) => allowed(snapshot) && matchesFilter(snapshot, filter)))[0];
}

/**
 * `name` is `latest`, an id or the beginning of one, with `:FOLDER` behind it or not. The folder is "/" if not given.
 * `latest` is refused as `damaged` while some snapshot cannot be read, which may be the latest.
 */
export function chooseSnapshot<Snapshot extends SnapshotFacts>(
  known: KnownSnapshots<Snapshot>,
  name: string,
  filter: SnapshotFilter,
): { snapshot: Snapshot; subfolder: string } {
  const colon = name.indexOf(":");
  const id = colon < 0 ? name : name.slice(0, colon);
  const subfolder = colon < 0 ? "/" : name.slice(colon + 1);
  return { snapshot: id === "latest" ? latestOrThrow(known, filter) : byBeginning(known, id), subfolder };
}

/** The named snapshots, each once, or all that pass the filter where none is named. */
export function chooseSnapshots<Snapshot extends SnapshotFacts>(
  known: KnownSnapshots<Snapshot>,
  names: readonly string[],
  filter: SnapshotFilter,
): Snapshot[] {
  if (names.length === 0) return known.snapshots.filter((snapshot) => matchesFilter(snapshot, filter));
  const chosen = names.map((name) => {
    if (name.includes(":"))
      throw new HoldfastError("usage", `${JSON.stringify(name)}: a folder inside a snapshot has no meaning here`);
    return chooseSnapshot(known, name, filter).snapshot;
  });
  return [...new Set(chosen)];
}

function latestOrThrow<Snapshot extends SnapshotFacts>(
  { snapshots, damaged }: KnownSnapshots<Snapshot>,
  filter: SnapshotFilter,
): Snapshot {
  const [first] = damaged;
  if (first !== undefined) {
    const files = damaged.length === 1 ? "the snapshot file" : "one of the snapshot files";
    throw new HoldfastError(
      "damaged",
      `the latest snapshot is not known: it may be ${files} ${damaged.map(({ id }) => id).join(", ")}, which cannot be read`,
      {
        hint: "name a snapshot by its id (`holdfast repo snapshots` lists them), and run `holdfast repo check`",
        context: { type: "snapshot", id: first.id },
        cause: first.error,
      },
    );
  }
  const latest = findLatest(snapshots, filter);
  if (latest !== undefined) return latest;
  const filtered = filter.hosts.length + filter.tags.length + filter.paths.length > 0;
  throw new HoldfastError(
    "not-found",
    filtered ? "no snapshot passes the filter by host, tag and path" : "the repository holds no snapshot",
    {
      hint: "see `holdfast repo snapshots` for those that are there",
    },
  );
}

function byBeginning<Snapshot extends SnapshotFacts>(
  { snapshots, damaged }: KnownSnapshots<Snapshot>,
  beginning: string,
): Snapshot {
  const begins = ({ id }: { readonly id: string }): boolean => beginning !== "" && id.startsWith(beginning);
  const found = snapshots.filter(begins);
  const unreadable = damaged.filter(begins);
  const count = found.length + unreadable.length;
  if (count > 1) {
    throw new HoldfastError("not-found", `${count} snapshots begin with ${JSON.stringify(beginning)}`, {
      hint: "give more of the id",
    });
  }
  if (unreadable[0] !== undefined) throw unreadable[0].error;
  if (found[0] !== undefined) return found[0];
  throw new HoldfastError("not-found", `there is no snapshot ${JSON.stringify(beginning)}`, {
    hint: "see `holdfast repo snapshots` for those that are there",
  });
}

/** `host,paths,tags` in any part and order, as restic takes it; empty for no grouping. */
export function parseGrouping(text: string): Grouping {
  const words = text.split(",").filter((word) => word !== "");
  const unknown = words.find((word) => !/^(hosts?|paths?|tags?)$/.test(word));
  if (unknown !== undefined) {
    throw new HoldfastError("usage", `--group-by: ${JSON.stringify(unknown)} is nothing to group by`, {
      hint: "give host, paths and tags, with commas between them",
    });
  }
  const has = (word: string): boolean => words.includes(word) || words.includes(`${word}s`);
  return { host: has("host"), paths: has("path"), tags: has("tag") };
}

/** The last `count` of each host and set of paths, newest first. */
export function lastOfEach<Snapshot extends SnapshotFacts>(snapshots: readonly Snapshot[], count: number): Snapshot[] {
  const seen = new Map<string, number>();
  return newestFirst(snapshots).filter((snapshot) => {
    const key = JSON.stringify([snapshot.hostname, snapshot.paths.toSorted()]);
    const before = seen.get(key) ?? 0;
    seen.set(key, before + 1);
    return before < count;
  });
}

export function newestFirst<Snapshot extends SnapshotFacts>(snapshots: readonly Snapshot[]): Snapshot[] {
  return oldestFirst(snapshots).toReversed();
}

export function oldestFirst<Snapshot extends SnapshotFacts>(snapshots: readonly Snapshot[]): Snapshot[] {
  return snapshots
    .map((snapshot) => ({ snapshot, time: parseTime(snapshot.time) }))
    .toSorted((left, right) => (left.time === right.time ? 0 : left.time < right.time ? -1 : 1))
    .map(({ snapshot }) => snapshot);
}
