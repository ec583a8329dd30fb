// What is known of a stack's snapshots beyond themselves: proofs, pins and holds, in a form that any two can be merged.
import { z } from "zod";
import { parseVersioned } from "./versioned-json.ts";

const formatVersion = "1.0";
const formatMajor = 1;

const time = z.iso.datetime({ offset: true });
const count = z.number().nonnegative();
/** A removed entry stays, as a tombstone: another host may still have it as a living one. */
const entry = { id: z.string().min(1), snapshotId: z.string().min(1), at: time, removedAt: time.nullable() };

/** What a passed or failed drill found. */
const proofSchema = z.looseObject({
  ...entry,
  /** The tree of the snapshot: what was proven, whatever id it has later. Not in what the first versions wrote. */
  tree: z.string().optional(),
  host: z.string(),
  result: z.enum(["passed", "failed"]),
  /** How long the restore took. */
  rtoMs: count,
  /** How old the data was; null when it was not measured. */
  rpoMs: count.nullable(),
  /** The sources that were restored and compared. */
  sources: z.array(z.string()),
});
/** Keeps a snapshot until somebody takes the pin away. */
const pinSchema = z.looseObject({ ...entry, by: z.string(), note: z.string() });
/** Keeps a snapshot, and everything it needs, from being removed by anybody until then; null: until it is lifted. */
const holdSchema = z.looseObject({ ...entry, by: z.string(), note: z.string(), until: time.nullable() });

const recordSchema = z.looseObject({
  version: z.string(),
  stack: z.string(),
  proofs: z.array(proofSchema),
  pins: z.array(pinSchema),
  holds: z.array(holdSchema),
});

export type Proof = z.infer<typeof proofSchema>;
export type Pin = z.infer<typeof pinSchema>;
export type Hold = z.infer<typeof holdSchema>;

export interface StackRecord {
  readonly proofs: readonly Proof[];
  readonly pins: readonly Pin[];
  readonly holds: readonly Hold[];
}

export const emptyRecord: StackRecord = { proofs: [], pins: [], holds: [] };

/** The union by id, by time; a tombstone wins. Order and repetition of merging make no difference. */
export function mergeRecords(records: readonly StackRecord[]): StackRecord {
  return {
    proofs: mergeEntries(records.flatMap(({ proofs }) => proofs)),
    pins: mergeEntries(records.flatMap(({ pins }) => pins)),
    holds: mergeEntries(records.flatMap(({ holds }) => holds)),
  };
}

/** Without the tombstones. */
export function livingRecord({ proofs, pins, holds }: StackRecord): StackRecord {
  const lives = ({ removedAt }: Entry): boolean => removedAt === null;
  return { proofs: proofs.filter(lives), pins: pins.filter(lives), holds: holds.filter(lives) };
}

export function encodeRecord(stack: string, { proofs, pins, holds }: StackRecord): Buffer {
  const whole = recordSchema.parse({ version: formatVersion, stack, proofs, pins, holds });
  return Buffer.from(`${JSON.stringify(whole, null, 2)}\n`);
}

/** Throws `damaged`, or `unsupported` for a higher major version. */
export function parseRecord(bytes: Buffer): StackRecord & { readonly stack: string } {
  return parseVersioned(bytes, "record.json", recordSchema, formatMajor);
}

type Entry = z.infer<z.ZodObject<typeof entry>>;

function mergeEntries<Kind extends Entry>(entries: readonly Kind[]): Kind[] {
  const merged = new Map<string, { entry: Kind; rank: string }>();
  for (const each of entries) {
    const found = merged.get(each.id);
    const rank = rankOf(each);
    if (found === undefined || rank < found.rank) merged.set(each.id, { entry: each, rank });
  }
  return [...merged.values()]
    .map((each) => each.entry)
    .sort((a, b) => Date.parse(a.at) - Date.parse(b.at) || (a.id < b.id ? -1 : 1));
}

/** Of entries with one id the least wins: the earliest tombstone; without one, any, but always the same. */
function rankOf(each: Entry): string {
  const removal = each.removedAt === null ? "living" : new Date(each.removedAt).toISOString();
  return `${removal} ${JSON.stringify(each, sortMembers)}`;
}

/** The same content gives the same text, whatever wrote it. */
function sortMembers(_name: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
