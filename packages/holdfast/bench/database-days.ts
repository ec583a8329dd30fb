// A database that both tools back up day by day, each into a repository of its own.
import { createHash, hash } from "node:crypto";
import { createReadStream, mkdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { databaseBackup, pathInSnapshot } from "./database-backup.ts";
import { warm } from "./data-sets.ts";
import { measure, type Measurement, settle } from "./measure.ts";
import { OrdersDatabase, pageBytes } from "./orders-database.ts";
import type { Comparison } from "./results.ts";
import type { ToolName } from "./tools.ts";
import { brief, type Places, toolNames, treeBytes, type Workshop } from "./workshop.ts";

const pieceBytes = 256 * pageBytes;

export interface Day {
  readonly databaseBytes: number;
  /** Pages with contents that no page had the day before. */
  readonly newPages: number;
  readonly backup: Readonly<Record<ToolName, Measurement>>;
  /** How much longer the backup made the repository: all of its files. */
  readonly storedBytes: Readonly<Record<ToolName, number>>;
}

export interface DaysPlan {
  readonly label: string;
  /** Makes the database of the first day. */
  make(path: string): void;
  readonly days: number;
  /** What happens before the backup of `day`, from the second on. */
  change(database: OrdersDatabase, day: number): void;
}

/** All days, and the blobs of Holdfast's repository at the end. What is stored last must be what the database is then. */
export async function backUpDays(workshop: Workshop, plan: DaysPlan): Promise<{ days: Day[]; blobs: number }> {
  const directory = join(workshop.directory, `${plan.label}-data`);
  mkdirSync(directory, { recursive: true });
  const path = join(directory, "orders.db");
  const places = workshop.newRepositories(plan.label);
  const days: Day[] = [];
  let pages: ReadonlySet<string> = new Set();
  for (let day = 1; day <= plan.days; day++) {
    if (day === 1) plan.make(path);
    else changeDatabase(path, plan, day);
    const now = await pagesOf(path);
    days.push({
      databaseBytes: statSync(path).size,
      newPages: [...now].filter((page) => !pages.has(page)).length,
      ...(await backUpOnce(workshop, `${plan.label}, day ${day}`, places, path)),
    });
    pages = now;
  }
  for (const name of toolNames) await requireReadsBack(workshop, places, name, path);
  const blobs = workshop.countBlobs(places.holdfast);
  workshop.removeRepositories({ places });
  rmSync(directory, { recursive: true });
  return { days, blobs };
}

/** The backups of these days as runs of each tool. */
export function comparisonOf(days: readonly Day[]): Comparison {
  return { holdfast: days.map(({ backup }) => backup.holdfast), restic: days.map(({ backup }) => backup.restic) };
}

/** The database is closed afterwards, so that the file alone is the whole of it: restic may read it as it is. */
function changeDatabase(path: string, plan: DaysPlan, day: number): void {
  using database = new OrdersDatabase(path, day);
  plan.change(database, day);
}

async function backUpOnce(
  workshop: Workshop,
  label: string,
  places: Places,
  database: string,
): Promise<Pick<Day, "backup" | "storedBytes">> {
  warm([database]);
  const measured = async (name: ToolName): Promise<[Measurement, number]> => {
    const place = places[name];
    const command = databaseBackup(workshop.tools[name], place, database);
    const before = treeBytes(place.directory);
    settle();
    const measurement = await measure(command);
    const stored = treeBytes(place.directory) - before;
    workshop.say(`${label}, ${name}: ${brief(measurement)}, ${(stored / 2 ** 20).toFixed(1)} MiB more`);
    return [measurement, stored];
  };
  const [holdfast, holdfastBytes] = await measured("holdfast");
  const [restic, resticBytes] = await measured("restic");
  return { backup: { holdfast, restic }, storedBytes: { holdfast: holdfastBytes, restic: resticBytes } };
}

async function pagesOf(path: string): Promise<Set<string>> {
  const pages = new Set<string>();
  for await (const piece of createReadStream(path, { highWaterMark: pieceBytes }) as AsyncIterable<Buffer>) {
    for (let at = 0; at < piece.length; at += pageBytes)
      pages.add(hash("sha1", piece.subarray(at, at + pageBytes), "base64url").slice(0, 16));
  }
  return pages;
}

async function requireReadsBack(workshop: Workshop, places: Places, name: ToolName, path: string): Promise<void> {
  const [stored, original] = [createHash("sha256"), createHash("sha256")];
  await workshop.readBack(places[name], pathInSnapshot(workshop.tools[name], path), stored);
  await pipeline(createReadStream(path, { highWaterMark: pieceBytes }), original);
  if (stored.digest("hex") !== original.digest("hex")) throw new Error(`${name} stored something else than ${path}`);
}
