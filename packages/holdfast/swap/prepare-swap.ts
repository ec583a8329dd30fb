// Makes the plan of a swap, and refuses what could not be carried out, before anything is moved.
import { access, constants } from "node:fs/promises";
import type { ErrorCode } from "@holdfast/repository";
import { HoldfastError } from "@holdfast/repository";
import { exists } from "../state/file-operations.ts";
import { failure, systemCode } from "../state/system-failure.ts";
import { mountPoints } from "./mount-points.ts";
import { directoryOf, isWithin, resolvePlace, showPath } from "./raw-names.ts";
import type { Place, Replacing, SwapPlan } from "./swap-plan.ts";
import { placesOf } from "./swap-plan.ts";
import type { UndoRecord } from "./undo-records.ts";

/** Absolute paths, raw bytes. */
export interface Replacement {
  /** What is replaced: a file, a directory, a link, or nothing. */
  readonly original: Buffer;
  /** What comes in its place, restored and checked, in the same directory. */
  readonly copy: Buffer;
  /** What belongs to the original, must not stand beside the copy, and is moved aside with it. */
  readonly companions: readonly Buffer[];
}

/** `label` goes into the names of what is moved aside: `NAME.before-LABEL`. */
export async function planReplace(
  recordId: string,
  replacements: readonly Replacement[],
  label: string,
): Promise<SwapPlan> {
  const wanted = replacements.map(({ original, copy, companions }) => ({
    main: { path: original, copy },
    companions: companions.map((path) => ({ path, copy: null })),
  }));
  return { recordId, purpose: "replace", replacing: await nameAsides(wanted, "before", label) };
}

/** The old data comes back, and what stands there now becomes `NAME.undone-LABEL`. */
export async function planUndo(record: UndoRecord, label: string): Promise<SwapPlan> {
  const back = ({ path, aside }: Place): Wanted => ({ path, copy: aside });
  const wanted = record.replaced.map(({ main, companions }) => ({
    main: back(main),
    companions: companions.map(back),
  }));
  return { recordId: record.id, purpose: "undo", replacing: await nameAsides(wanted, "undone", label) };
}

type Wanted = Omit<Place, "aside">;

/** Takes names that nothing has; one label for all of a swap, so that one sees what belongs together. */
async function nameAsides(
  wanted: readonly { readonly main: Wanted; readonly companions: readonly Wanted[] }[],
  word: string,
  label: string,
): Promise<Replacing[]> {
  const all = wanted.flatMap(({ main, companions }) => [main, ...companions]);
  for (let attempt = 1; attempt <= 1000; attempt++) {
    const ending = Buffer.from(`.${word}-${label}${attempt === 1 ? "" : `-${attempt}`}`);
    const asideOf = (path: Buffer): Buffer => Buffer.concat([path, ending]);
    if (await anyExists(all.map(({ path }) => asideOf(path)))) continue;
    const place = async ({ path, copy }: Wanted): Promise<Place> => ({
      path,
      copy,
      aside: (await isThere(path)) ? asideOf(path) : null,
    });
    return Promise.all(
      wanted.map(async ({ main, companions }) => ({
        main: await place(main),
        companions: await Promise.all(companions.map(place)),
      })),
    );
  }
  throw refusal("target", `there is no free name for what is moved aside with the label ${label}`);
}

/** Throws `target`, `permission` or `not-found`. `stateDirectories` must not be moved along. */
export async function refuseImpossible(plan: SwapPlan, stateDirectories: readonly Buffer[]): Promise<void> {
  const mounts = await mountPoints();
  const places = placesOf(plan);
  const resolved = await Promise.all(places.map(({ path }) => resolvePlace(path).catch(unusable(path))));
  for (const [at, place] of places.entries()) {
    await refusePlace(place);
    const real = resolved[at]!;
    const other = resolved.findIndex((each, index) => index !== at && isWithin(each, real));
    if (other >= 0) {
      throw refusal(
        "target",
        `${showPath(place.path)} and ${showPath(places[other]!.path)} overlap: one is part of the other`,
      );
    }
    refuseMoving(place.path, real, mounts, stateDirectories);
    if (place.copy !== null) refuseMoving(place.copy, await resolvePlace(place.copy), mounts, stateDirectories);
  }
}

async function refusePlace({ path, copy }: Place): Promise<void> {
  const directory = directoryOf(path);
  if (copy !== null) {
    if (!directoryOf(copy).equals(directory)) {
      throw refusal("internal", `${showPath(copy)} is not in the directory of ${showPath(path)}`);
    }
    if (!(await isThere(copy))) {
      throw refusal("not-found", `${showPath(copy)}, which should come to ${showPath(path)}, is no longer there`);
    }
  }
  try {
    await access(directory, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw failure(error, `replace ${showPath(path)}: its directory cannot be changed`, "target");
  }
}

function refuseMoving(
  path: Buffer,
  real: Buffer,
  mounts: readonly Buffer[],
  stateDirectories: readonly Buffer[],
): void {
  const mount = mounts.find((each) => isWithin(each, real));
  if (mount !== undefined) {
    const what = mount.equals(real) ? "is a mount point" : `holds the mount point ${showPath(mount)}`;
    throw refusal("target", `${showPath(path)} ${what}, so it cannot be replaced in place`, mountHint);
  }
  if (stateDirectories.some((each) => isWithin(each, real))) {
    throw refusal(
      "target",
      `${showPath(path)} holds the state directory of Holdfast, so it cannot be replaced in place`,
    );
  }
}

const mountHint = "restore to another directory with --to and copy the content from there, or unmount it first";

function unusable(path: Buffer): (error: unknown) => never {
  return (error) => {
    throw failure(error, `replace ${showPath(path)}: its directory cannot be used`, "target");
  };
}

async function anyExists(paths: readonly Buffer[]): Promise<boolean> {
  for (const path of paths) if (await isThere(path)) return true;
  return false;
}

/** Whatever keeps one from looking keeps one from replacing. */
async function isThere(path: Buffer): Promise<boolean> {
  try {
    return await exists(path);
  } catch (error) {
    const long = systemCode(error) === "ENAMETOOLONG" ? ": the name would be too long" : "";
    throw failure(error, `look at ${showPath(path)}${long}`, "target");
  }
}

function refusal(code: ErrorCode, message: string, hint?: string): HoldfastError {
  return new HoldfastError(code, message, hint === undefined ? {} : { hint });
}
