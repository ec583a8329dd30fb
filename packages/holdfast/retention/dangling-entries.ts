// What is recorded of recovery points that are gone, and serves nobody any more.
import { livingRecord, type StackRecord } from "../records/stack-record.ts";

/**
 * Tombstones for proofs, and for holds that have ended, of snapshots that are not `present` (ids of all forms). Pins
 * and holds in force stay: somebody wanted that one kept, and where a point has vanished they say so.
 */
export function danglingEntries(record: StackRecord, present: ReadonlySet<string>, now: Date): StackRecord {
  const living = livingRecord(record);
  const isGone = ({ snapshotId }: { readonly snapshotId: string }): boolean => !present.has(snapshotId);
  const removedAt = now.toISOString();
  const hasEnded = ({ until }: { readonly until: string | null }): boolean =>
    until !== null && Date.parse(until) <= now.getTime();
  return {
    proofs: living.proofs.filter(isGone).map((proof) => ({ ...proof, removedAt })),
    pins: [],
    holds: living.holds.filter((hold) => isGone(hold) && hasEnded(hold)).map((hold) => ({ ...hold, removedAt })),
  };
}
