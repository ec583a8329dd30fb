// Many blobs, many snapshots, many files in one directory: opened, listed, written and read beside restic.
import { cpSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { forgeBlobs, forgeSnapshots, makeSeed } from "./forged-repository.ts";
import { measure, settle } from "./measure.ts";
import { type Comparison, type Row, usualRows } from "./results.ts";
import { commandOf, type RepositoryPlace } from "./tools.ts";
import type { Places, Workshop } from "./workshop.ts";

/** Opening a repository of so many blobs, and a backup of twenty small files into it. */
export async function manyBlobs(workshop: Workshop, count: number): Promise<Row[]> {
  const blobs = workshop.dataSets.scaled(count);
  const { places, source } = await forged(workshop, "blobs", (place) => forgeBlobs(place, blobs));
  const rows = [
    ...rowsOf("first ls", await withoutCache(workshop, places, ["ls", "latest"]), blobs),
    ...rowsOf("ls", await workshop.compareUse("ls", places, ["ls", "latest"]), blobs),
    ...rowsOf("backup", await workshop.compareUse("backup", places, ["backup", source]), blobs),
  ];
  workshop.removeRepositories({ places });
  return rows;
}

/** Listing so many snapshots, and what rules would remove of them. */
export async function manySnapshots(workshop: Workshop, count: number): Promise<Row[]> {
  const snapshots = workshop.dataSets.scaled(count);
  const { places } = await forged(workshop, "snapshots", (place) => forgeSnapshots(place, snapshots));
  const rows = rowsOf("first snapshots", await withoutCache(workshop, places, ["snapshots"]), 0);
  const forget = ["forget", "--dry-run", "--keep-last", "10", "--keep-monthly", "12"];
  for (const words of [["snapshots"], ["snapshots", "--latest", "1"], forget]) {
    const label = words.join(" ");
    rows.push(...rowsOf(label, await workshop.compareUse(label, places, words), 0));
  }
  workshop.removeRepositories({ places });
  return rows;
}

/** One directory of so many empty files: backed up, backed up again, listed, restored to memory. */
export async function oneDirectory(workshop: Workshop, count: number): Promise<Row[]> {
  const files = workshop.dataSets.scaled(count);
  const directory = workshop.dataSets.emptyFiles(files);
  const { places, comparison, blobs } = await workshop.freshBackups("directory", [directory]);
  const rows = rowsOf("first backup", comparison, blobs);
  rows.push(...rowsOf("backup", await workshop.compareUse("backup", places, ["backup", directory]), blobs));
  rows.push(...rowsOf("ls", await workshop.compareUse("ls", places, ["ls", "latest"]), blobs));
  const target = join(workshop.memoryDirectory, "restored");
  mkdirSync(target, { recursive: true });
  const restore = ["restore", "latest", "--target", target];
  const restored = await workshop.compareUse("restore", places, restore, () => {
    rmSync(target, { recursive: true });
    mkdirSync(target);
  });
  rows.push(...rowsOf("restore", restored, blobs));
  workshop.removeRepositories({ places });
  return rows;
}

/** Two equal repositories that `forge` made large, and the small directory that is in their only real snapshot. */
async function forged(
  workshop: Workshop,
  label: string,
  forge: (place: RepositoryPlace) => Promise<void>,
): Promise<{ places: Places; source: string }> {
  const places = workshop.emptyPlaces(label);
  const source = makeSeed(workshop.tools.restic, places.restic);
  workshop.say(`forging a repository of many ${label}`);
  await forge(places.restic);
  cpSync(places.restic.directory, places.holdfast.directory, { recursive: true });
  return { places, source };
}

/** Each run with an empty cache, which it fills. */
function withoutCache(workshop: Workshop, places: Places, words: readonly string[]): Promise<Comparison> {
  return workshop.compare(`first ${words.join(" ")}`, async (tool) => {
    const place = places[tool.name];
    rmSync(place.cacheDirectory, { recursive: true, force: true });
    settle();
    return measure(commandOf(tool, place, words));
  });
}

/** Neither time nor memory may exceed restic's. */
function rowsOf(label: string, comparison: Comparison, blobs: number): Row[] {
  return usualRows(comparison, {}, blobs).map((row) => ({
    ...row,
    measure: `${label}: ${row.measure}`,
    bar: row.measure === "CPU time" ? null : { kind: "ratio", limit: 1 },
  }));
}
