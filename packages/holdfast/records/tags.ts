// The tags by which Holdfast knows its snapshots again, whoever made them.
import type { Snapshot } from "@holdfast/repository";

const own = "holdfast";
const record = "holdfast-record";
const stackPrefix = "stack:";
const planPrefix = "plan:";
const recordPrefix = "record:";

type Tagged = Pick<Snapshot, "tags">;

export function snapshotTags(stack: string, plan: string): string[] {
  return [own, `${stackPrefix}${stack}`, `${planPrefix}${plan}`];
}

/** Not the stack's own tag: a record is no recovery point, and must never be listed or chosen as one. */
export function recordTags(stack: string): string[] {
  return [record, `${recordPrefix}${stack}`];
}

/** The stack that a snapshot is a recovery point of; null for records and what others made. */
export function stackOf(snapshot: Tagged): string | null {
  return snapshot.tags.includes(own) && !isRecord(snapshot) ? valueOf(snapshot, stackPrefix) : null;
}

export function planOf(snapshot: Tagged): string | null {
  return stackOf(snapshot) === null ? null : valueOf(snapshot, planPrefix);
}

export function isRecord(snapshot: Tagged): boolean {
  return snapshot.tags.includes(record);
}

/** Its tags without those by which Holdfast knows a recovery point. */
export function withoutStackTags({ tags }: Tagged): string[] {
  return tags.filter((tag) => tag !== own && !tag.startsWith(stackPrefix) && !tag.startsWith(planPrefix));
}

/** The stack whose record this is; null for what is none. */
export function recordOf(snapshot: Tagged): string | null {
  return isRecord(snapshot) ? valueOf(snapshot, recordPrefix) : null;
}

function valueOf({ tags }: Tagged, prefix: string): string | null {
  return tags.find((tag) => tag.startsWith(prefix))?.slice(prefix.length) ?? null;
}
