// Recovery points that this host knew and that are gone, though nobody here has removed them.
import type { StoredSnapshot } from "@holdfast/repository";
import { stackOf } from "../records/tags.ts";
import type { KnownPoint } from "../state/known-points.ts";

/** What the repository holds now. */
export interface PresentSnapshots {
  readonly snapshots: readonly StoredSnapshot[];
  /** Ids of files that are there and cannot be read: damage, but not gone. */
  readonly damaged: readonly string[];
}

export interface VanishedPoint extends KnownPoint {
  /** Its name in the configuration. */
  readonly repository: string;
}

/** A snapshot that was changed or copied has another id, and names its first form. */
export function vanishedPoints(known: readonly KnownPoint[], { snapshots, damaged }: PresentSnapshots): KnownPoint[] {
  const there = new Set([...damaged, ...snapshots.flatMap(({ id, original }) => original ?? id)]);
  for (const { id } of snapshots) there.add(id);
  return known.filter(({ origin, snapshotId }) => !there.has(origin) && !there.has(snapshotId));
}

/** The recovery points among the snapshots, to be known from now on. */
export function pointsToKnow(snapshots: readonly StoredSnapshot[]): KnownPoint[] {
  return snapshots.flatMap((snapshot) => {
    const stack = stackOf(snapshot);
    if (stack === null) return [];
    const { id, original, time } = snapshot;
    return [{ stack, snapshotId: id, origin: original ?? id, time: new Date(time) }];
  });
}

const namedAtMost = 5;

/** `points` are not empty, the oldest first. */
export function vanishedMessage(points: readonly KnownPoint[], repository: string): string {
  const named = points
    .slice(-namedAtMost)
    .map(({ snapshotId, time }) => `${snapshotId.slice(0, 8)} of ${time.toISOString().slice(0, 10)}`)
    .join(", ");
  const more = points.length > namedAtMost ? `, and ${points.length - namedAtMost} older` : "";
  const [what, are] = points.length === 1 ? ["a recovery point", "is"] : [`${points.length} recovery points`, "are"];
  return `${what} that this host knew ${are} gone from ${repository}, and nobody here removed them: ${named}${more}`;
}

export function vanishedHint(stack: string): string {
  return (
    "see who else may remove snapshots there, and bring them back from a copy of the repository; if it was done on " +
    `purpose, say so: \`holdfast check ${stack} --accept-vanished\``
  );
}
