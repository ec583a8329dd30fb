// Which snapshots a copy has to carry over, and what a copied snapshot looks like: restic's rules.
import { parseTime } from "../../format/go-time.ts";
import type { Snapshot } from "../../format/snapshot.ts";
import type { StoredSnapshot } from "../../store/repository.ts";

export interface CopyPlan {
  /** In the order in which they were chosen. */
  readonly missing: readonly StoredSnapshot[];
  /** Those that the destination has already, with the id that they have there. */
  readonly present: readonly { readonly snapshot: StoredSnapshot; readonly as: string }[];
}

/**
 * A snapshot counts as copied when the destination has one of the same origin that says the same: one whose tags were
 * changed since is another one, and is copied again. `there` are the snapshots of the destination.
 */
export function planCopy(chosen: readonly StoredSnapshot[], there: readonly StoredSnapshot[]): CopyPlan {
  const byOrigin = new Map<string, StoredSnapshot[]>();
  for (const snapshot of there) {
    for (const origin of new Set([snapshot.id, originOf(snapshot)])) {
      const found = byOrigin.get(origin);
      if (found) found.push(snapshot);
      else byOrigin.set(origin, [snapshot]);
    }
  }
  const missing: StoredSnapshot[] = [];
  const present: { snapshot: StoredSnapshot; as: string }[] = [];
  for (const snapshot of chosen) {
    const copy = byOrigin.get(originOf(snapshot))?.find((other) => areSimilar(snapshot, other));
    if (copy) present.push({ snapshot, as: copy.id });
    else missing.push(snapshot);
  }
  return { missing, present };
}

/** What is stored at the destination: all of it, but for the parent, which has no meaning there. */
export function copyOfSnapshot({ id, ...snapshot }: StoredSnapshot): Snapshot {
  return { ...snapshot, parent: null, original: snapshot.original ?? id };
}

/** The id that stays the same whatever becomes of a snapshot. */
function originOf({ id, original }: StoredSnapshot): string {
  return original ?? id;
}

function areSimilar(one: StoredSnapshot, other: StoredSnapshot): boolean {
  return (
    one.tree === other.tree &&
    parseTime(one.time) === parseTime(other.time) &&
    one.hostname === other.hostname &&
    one.username === other.username &&
    one.uid === other.uid &&
    one.gid === other.gid &&
    haveSame(one.paths, other.paths) &&
    haveSame(one.tags, other.tags) &&
    one.excludes.length === other.excludes.length &&
    one.excludes.every((text, at) => text === other.excludes[at])
  );
}

/** In any order. */
function haveSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && other.every((text) => one.includes(text));
}
