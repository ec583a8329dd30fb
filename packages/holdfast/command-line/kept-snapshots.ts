// Snapshots that `forget` leaves where they are, though no rule of restic knows why: records, and what they keep.

import { HoldfastError, type Repository, type StoredSnapshot } from "@holdfast/repository";
import { formatCount } from "../display/amounts.ts";
import { loadRecord } from "../records/record-snapshot.ts";
import { livingRecord } from "../records/stack-record.ts";
import { isRecord, stackOf } from "../records/tags.ts";
import type { Context } from "./context.ts";

/**
 * Those that may be removed: no records of stacks, and no recovery point that is pinned or held, or whose record cannot
 * be read. One that was named is refused; those that merely pass a filter are left out, and it is said.
 */
export async function withoutKept(
  context: Context,
  repository: Repository,
  snapshots: readonly StoredSnapshot[],
  isNamed: boolean,
): Promise<StoredSnapshot[]> {
  const stacks = new Set(snapshots.flatMap((snapshot) => stackOf(snapshot) ?? []));
  const whyOf = new Map<string, (snapshot: StoredSnapshot) => string | null>();
  for (const stack of stacks) whyOf.set(stack, await keeperOf(repository, stack, context.now()));
  const reasonOf = (snapshot: StoredSnapshot): string | null =>
    isRecord(snapshot) ? "is a record of pins and proofs" : (whyOf.get(stackOf(snapshot) ?? "")?.(snapshot) ?? null);
  const kept = snapshots.filter((snapshot) => reasonOf(snapshot) !== null);
  const [first] = kept;
  if (first === undefined) return [...snapshots];
  if (isNamed) {
    throw new HoldfastError("refused", `the snapshot ${first.id.slice(0, 8)} ${reasonOf(first)}`, {
      hint: isRecord(first)
        ? "leave it: the next pin or proof of the stack takes its place"
        : "take that back first, with `holdfast pin --remove` or `holdfast hold --remove`",
      context: { snapshot: first.id },
    });
  }
  const count = formatCount(kept.length, "snapshot");
  context.output.warn(`left out, because they are records of stacks, pinned or held: ${count}`);
  const left = new Set(kept);
  return snapshots.filter((snapshot) => !left.has(snapshot));
}

async function keeperOf(
  repository: Repository,
  stack: string,
  now: Date,
): Promise<(snapshot: StoredSnapshot) => string | null> {
  const { record, problems } = await loadRecord(repository, stack);
  if (problems.length > 0) return () => `may be pinned or held: ${problems[0]?.message}`;
  const { pins, holds } = livingRecord(record);
  const inForce = holds.filter(({ until }) => until === null || Date.parse(until) > now.getTime());
  const idsOf = (entries: readonly { readonly snapshotId: string }[]): ReadonlySet<string> =>
    new Set(entries.map(({ snapshotId }) => snapshotId));
  const [pinned, held] = [idsOf(pins), idsOf(inForce)];
  const isOf = ({ id, original }: StoredSnapshot, ids: ReadonlySet<string>): boolean =>
    ids.has(id) || (original !== null && ids.has(original));
  return (snapshot) => (isOf(snapshot, pinned) ? "is pinned" : isOf(snapshot, held) ? "is held" : null);
}
