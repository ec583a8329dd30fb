// A swap as a value: which paths make way, what comes in their place, and how far that is on the disk.
import { z } from "zod";
import type { RawPath } from "../records/raw-path.ts";
import { decodeRawPath, encodeRawPath, rawPathSchema } from "../records/raw-path.ts";

/** One path. At least one of `aside` and `copy` is not null. */
export interface Place {
  readonly path: Buffer;
  /** The new name of what stands there; null when nothing does. */
  readonly aside: Buffer | null;
  /** What comes there; null when nothing does. */
  readonly copy: Buffer | null;
}

/** A path with what belongs to it (`-wal`, …), each of them also when there is nothing to move yet. */
export interface Replacing {
  readonly main: Place;
  readonly companions: readonly Place[];
}

export interface SwapPlan {
  /** Of the record that makes the swap one that can be undone, or that this one undoes. */
  readonly recordId: string;
  /** `replace` leaves the record behind, `undo` takes it away. */
  readonly purpose: "replace" | "undo";
  readonly replacing: readonly Replacing[];
}

/** Which of the names of a place something has. */
export interface Presence {
  readonly path: boolean;
  readonly aside: boolean;
  readonly copy: boolean;
}

export interface Move {
  readonly from: Buffer;
  readonly to: Buffer;
}

/**
 * All places where something moves, in the order in which they make way: companions first, because a database
 * program that finds `-wal` without its database throws it away.
 */
export function placesOf(plan: SwapPlan): Place[] {
  return plan.replacing
    .flatMap(({ main, companions }) => [...companions, main])
    .filter(({ aside, copy }) => aside !== null || copy !== null);
}

export function movesAside(places: readonly Place[]): Move[] {
  return places.flatMap(({ path, aside }) => (aside === null ? [] : [{ from: path, to: aside }]));
}

/** In the opposite order: a database comes before what belongs to it. */
export function movesIn(places: readonly Place[]): Move[] {
  return places.flatMap(({ path, copy }) => (copy === null ? [] : [{ from: copy, to: path }])).reverse();
}

/**
 * Whether everything new is in place: the point of no return. A companion that is there beside the one that was
 * moved aside is newer: the program that owns the data has opened it since.
 */
export function isComplete(places: readonly (Place & { readonly present: Presence })[]): boolean {
  return places.every(({ aside, copy, present }) => {
    if (copy !== null && (present.copy || !present.path)) return false;
    return aside === null || present.aside;
  });
}

/** The moves that bring back what stood there, or null when the names say nothing certain. */
export function movesBack(place: Place, present: Presence): { out: Move | null; back: Move | null } | null {
  const { path, aside, copy } = place;
  const out = copy !== null && present.path && !present.copy ? { from: path, to: copy } : null;
  if (aside === null) return { out, back: null };
  // Not moved aside yet, or back already.
  if (!present.aside) return present.path ? { out: null, back: null } : null;
  // Something stands there that is not what was to come.
  if (present.path && out === null) return null;
  return { out, back: { from: aside, to: path } };
}

const placeSchema = z.object({
  path: rawPathSchema,
  aside: rawPathSchema.nullable(),
  copy: rawPathSchema.nullable(),
});
const replacingSchema = z.array(z.object({ main: placeSchema, companions: z.array(placeSchema) }));

/** As it stands in the journal and in the records of swaps: paths as in raw-path.ts. */
export const replacingJson = z.codec(replacingSchema, z.custom<readonly Replacing[]>(), {
  decode: (json) =>
    json.map(({ main, companions }) => ({ main: readPlace(main), companions: companions.map(readPlace) })),
  encode: (value) =>
    value.map(({ main, companions }) => ({ main: writePlace(main), companions: companions.map(writePlace) })),
});

export const swapPlanJson = z.object({
  recordId: z.string().regex(/^[0-9a-z-]+$/),
  purpose: z.enum(["replace", "undo"]),
  replacing: replacingJson,
});

function readPlace({ path, aside, copy }: z.infer<typeof placeSchema>): Place {
  const read = (value: RawPath | null): Buffer | null => (value === null ? null : decodeRawPath(value));
  return { path: decodeRawPath(path), aside: read(aside), copy: read(copy) };
}

function writePlace({ path, aside, copy }: Place): z.infer<typeof placeSchema> {
  const write = (value: Buffer | null): RawPath | null => (value === null ? null : encodeRawPath(value));
  return { path: encodeRawPath(path), aside: write(aside), copy: write(copy) };
}
