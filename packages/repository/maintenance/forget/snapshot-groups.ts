// Groups of snapshots by host, paths and tags, as restic forms them, and the tags that a snapshot has.

/** What grouping needs to know of a snapshot. */
export interface GroupFacts {
  readonly hostname: string;
  readonly paths: readonly string[];
  readonly tags: readonly string[];
}

export interface Grouping {
  readonly host: boolean;
  readonly paths: boolean;
  readonly tags: boolean;
}

/** Empty, or null, for what is not grouped by. */
export interface GroupKey {
  readonly hostname: string;
  readonly paths: readonly string[] | null;
  readonly tags: readonly string[] | null;
}

export interface SnapshotGroup<Snapshot extends GroupFacts> {
  readonly key: GroupKey;
  readonly snapshots: Snapshot[];
}

/** Groups in the order of their first snapshot; the order of paths and tags makes no difference. */
export function groupSnapshots<Snapshot extends GroupFacts>(
  snapshots: readonly Snapshot[],
  grouping: Grouping,
): SnapshotGroup<Snapshot>[] {
  const groups = new Map<string, SnapshotGroup<Snapshot>>();
  for (const snapshot of snapshots) {
    const key: GroupKey = {
      hostname: grouping.host ? snapshot.hostname : "",
      paths: grouping.paths ? snapshot.paths.toSorted() : null,
      tags: grouping.tags ? snapshot.tags.toSorted() : null,
    };
    const name = JSON.stringify(key);
    const group = groups.get(name) ?? { key, snapshots: [] };
    group.snapshots.push(snapshot);
    groups.set(name, group);
  }
  return [...groups.values()];
}

/** True when the snapshot has all tags of the list; the tag "" in it stands for "without tags". */
export function hasTags({ tags }: Pick<GroupFacts, "tags">, list: readonly string[]): boolean {
  for (const tag of list) {
    if (tag === "" && tags.length === 0) return true;
    if (!tags.includes(tag)) return false;
  }
  return true;
}
