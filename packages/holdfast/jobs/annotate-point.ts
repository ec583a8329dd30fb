// Pins and holds of a recovery point: what keeps it from being cleaned up.
import { randomUUID } from "node:crypto";
import { identityOfProcess } from "../access/identity.ts";
import { loadRecord, saveRecord, type RecordWriter } from "../records/record-snapshot.ts";
import { emptyRecord, livingRecord, type Hold, type Pin } from "../records/stack-record.ts";
import type { Chosen } from "./choose-snapshot.ts";
import type { RepositoryContext } from "./job-context.ts";

export interface Annotation {
  /** What is new, or was taken away; empty when it was so already. */
  readonly changed: readonly (Pin | Hold)[];
}

interface NewEntry {
  readonly id: string;
  readonly snapshotId: string;
  readonly at: string;
  readonly removedAt: null;
  readonly by: string;
}

/** Keeps the recovery point until the pin is taken away. */
export async function addPin(chosen: Chosen, note: string, context: RepositoryContext): Promise<Annotation> {
  const { pins } = await livingOf(chosen, context);
  if (pins.some((pin) => pin.note === note)) return { changed: [] };
  const pin: Pin = { ...newEntry(chosen, context), note };
  await save(chosen, { pins: [pin] }, context);
  return { changed: [pin] };
}

/** Keeps the recovery point until then; null: until the hold is lifted. */
export async function addHold(
  chosen: Chosen,
  { note, until }: { readonly note: string; readonly until: Date | null },
  context: RepositoryContext,
): Promise<Annotation> {
  const { holds } = await livingOf(chosen, context);
  const untilText = until?.toISOString() ?? null;
  if (holds.some((hold) => hold.note === note && hold.until === untilText)) return { changed: [] };
  const hold: Hold = { ...newEntry(chosen, context), note, until: untilText };
  await save(chosen, { holds: [hold] }, context);
  return { changed: [hold] };
}

/** Takes all its pins away, whoever made them. */
export async function removePins(chosen: Chosen, context: RepositoryContext): Promise<Annotation> {
  const changed = (await livingOf(chosen, context)).pins.map((pin) => ({
    ...pin,
    removedAt: context.now().toISOString(),
  }));
  if (changed.length > 0) await save(chosen, { pins: changed }, context);
  return { changed };
}

/** Lifts all its holds, whoever made them. */
export async function removeHolds(chosen: Chosen, context: RepositoryContext): Promise<Annotation> {
  const changed = (await livingOf(chosen, context)).holds.map((hold) => ({
    ...hold,
    removedAt: context.now().toISOString(),
  }));
  if (changed.length > 0) await save(chosen, { holds: changed }, context);
  return { changed };
}

async function livingOf(
  { session, stack, snapshot }: Chosen,
  context: RepositoryContext,
): Promise<{ pins: Pin[]; holds: Hold[] }> {
  const { record, problems } = await loadRecord(session.repository, stack);
  for (const { message } of problems) context.warn(message);
  const { pins, holds } = livingRecord(record);
  // Also what was said of it before it was copied, or its tags were changed: then it had another id.
  const isOwn = ({ snapshotId }: Pin | Hold): boolean => snapshotId === snapshot.id || snapshotId === snapshot.original;
  return { pins: pins.filter(isOwn), holds: holds.filter(isOwn) };
}

function newEntry({ snapshot }: Chosen, { now }: RepositoryContext): NewEntry {
  const { username, hostname } = identityOfProcess();
  return {
    id: randomUUID(),
    snapshotId: snapshot.id,
    at: now().toISOString(),
    removedAt: null,
    by: `${username}@${hostname}`,
  };
}

async function save(
  { session, stack }: Chosen,
  additions: { readonly pins?: Pin[]; readonly holds?: Hold[] },
  { programVersion }: RepositoryContext,
): Promise<void> {
  await session.mayWrite;
  const { hostname, username, uid, gid } = identityOfProcess();
  const { mayWrite, signal } = session;
  const writer: RecordWriter = { hostname, username, uid, gid, programVersion, mayWrite, signal };
  await saveRecord(session.repository, stack, { ...emptyRecord, ...additions }, writer);
}
