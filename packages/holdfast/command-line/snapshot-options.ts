// The options that choose snapshots, and the choice: shared by the verbs that take snapshots.

import type { Repository, StoredSnapshot } from "@holdfast/repository";
import type { Command } from "commander";
import type { Context } from "./context.ts";
import { collect } from "./global-options.ts";
import {
  chooseSnapshot,
  chooseSnapshots,
  everySnapshot,
  filterOfOptions,
  type KnownSnapshots,
  type SnapshotFilter,
} from "./snapshot-filter.ts";

export interface SnapshotOptions {
  host?: string[];
  tag?: string[];
  path?: string[];
}

/** `hostFlags`: for a verb where restic means something else by -H. */
export function addSnapshotOptions(
  command: Command,
  which: "of `latest`" | "of the list",
  hostFlags = "-H, --host <host>",
): void {
  const only = which === "of `latest`" ? "for `latest`, " : "";
  command
    .option(hostFlags, `${only}only snapshots of this host; repeat for others ($RESTIC_HOST)`, collect)
    .option("--tag <tag,...>", `${only}only snapshots with all these tags; repeat for "or"`, collect)
    .option("--path <path>", `${only}only snapshots of this path; repeat for "and"`, collect);
}

/** All snapshots; those that cannot be read are reported. */
export async function loadSnapshots(context: Context, repository: Repository): Promise<KnownSnapshots<StoredSnapshot>> {
  const known = await repository.loadSnapshots();
  for (const { id, error } of known.damaged) context.output.itemError(`snapshot ${id}`, "load", error);
  return known;
}

export interface NamedSnapshot {
  readonly snapshot: StoredSnapshot;
  /** The folder in it that is meant, "/" for all; names need not be UTF-8. */
  readonly subfolder: Buffer;
}

/** `latest`, an id or its beginning, each with `:FOLDER` or without. */
export async function oneSnapshot(
  context: Context,
  repository: Repository,
  name: string,
  options: SnapshotOptions,
): Promise<NamedSnapshot> {
  return namedSnapshot(
    context,
    await loadSnapshots(context, repository),
    name,
    filterOfOptions(options, context.globals.host),
  );
}

/** The same among snapshots that are at hand. */
export function namedSnapshot(
  context: Context,
  known: KnownSnapshots<StoredSnapshot>,
  name: string,
  filter: SnapshotFilter = everySnapshot,
): NamedSnapshot {
  const { snapshot, subfolder } = chooseSnapshot(known, name, filter);
  if (!name.includes(":")) return { snapshot, subfolder: Buffer.from(subfolder) };
  const bytes = context.rawArguments(name);
  return { snapshot, subfolder: bytes.subarray(bytes.indexOf(0x3a) + 1) };
}

export async function severalSnapshots(
  context: Context,
  repository: Repository,
  names: readonly string[],
  options: SnapshotOptions,
): Promise<StoredSnapshot[]> {
  return chooseSnapshots(
    await loadSnapshots(context, repository),
    names,
    filterOfOptions(options, context.globals.host),
  );
}
