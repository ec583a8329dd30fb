// Snapshots that belong to stacks, met by verbs that change snapshots: what must not happen to them.

import { HoldfastError, type Snapshot, type StoredSnapshot } from "@holdfast/repository";
import { formatCount } from "../display/amounts.ts";
import { isRecord, stackOf, withoutStackTags } from "../records/tags.ts";
import type { Context } from "./context.ts";

/**
 * The snapshots that may get another id. Recovery points and records of stacks may not: proofs, pins and holds name
 * them by it. One that was named is refused as `usage`; those that merely pass a filter are left out, and it is said.
 */
export function withoutStackSnapshots(
  context: Context,
  snapshots: readonly StoredSnapshot[],
  isNamed: boolean,
  belongs: (snapshot: StoredSnapshot) => boolean = belongsToStack,
): StoredSnapshot[] {
  const own = snapshots.filter(belongs);
  const [first] = own;
  if (first === undefined) return [...snapshots];
  if (isNamed) {
    throw new HoldfastError("usage", `the snapshot ${first.id.slice(0, 8)} ${whatItIs(first)}, and must keep its id`, {
      hint: "proofs, pins and holds name it by its id: use `holdfast pin` or `holdfast hold` to keep it",
      context: { snapshot: first.id },
    });
  }
  context.output.warn(`left as they are: ${formatCount(own.length, "snapshot")} of stacks, which must keep their ids`);
  return snapshots.filter((snapshot) => !belongs(snapshot));
}

/** True for recovery points and for records. */
export function belongsToStack(snapshot: Pick<Snapshot, "tags">): boolean {
  return stackOf(snapshot) !== null || isRecord(snapshot);
}

/**
 * The tags of a rewritten form that stands beside the old one. What was rewritten is not what was captured: its manifest
 * does not describe it, so it is no recovery point any more.
 */
export function tagsOfRewritten(snapshot: Pick<Snapshot, "tags">): string[] {
  const tags = withoutStackTags(snapshot);
  return tags.includes(rewriteTag) ? tags : [...tags, rewriteTag];
}

const rewriteTag = "rewrite";

/** The tags that a repaired form inherits. A recovery point that lost something is none any more, as above. */
export function tagsOfRepaired(snapshot: Pick<Snapshot, "tags">): readonly string[] {
  if (stackOf(snapshot) === null) return snapshot.tags;
  const tags = withoutStackTags(snapshot);
  return tags.includes(repairedTag) ? tags : [...tags, repairedTag];
}

const repairedTag = "repaired";

function whatItIs(snapshot: StoredSnapshot): string {
  const stack = stackOf(snapshot);
  return stack === null ? "is a record of pins and proofs" : `is a recovery point of the stack ${stack}`;
}
