// The cases that measure how much backups of a database store that changes from day to day.
import { copyFileSync } from "node:fs";
import { backUpDays, comparisonOf, type Day, type DaysPlan } from "./database-days.ts";
import { type OrdersDatabase, pageBytes } from "./orders-database.ts";
import { type Row, sizeRow, spread, usualRows } from "./results.ts";
import type { ToolName } from "./tools.ts";
import type { Workshop } from "./workshop.ts";

/** Of each GiB that the database has at first, in a day. */
const transactionsPerDay = 2000;
/** The second backup, and any later one: percent of the database. */
const dayBar = 9;
/** Ten days, of what restic stores. */
const daysBar = 0.25;
const vacuumDay = 5;

export async function secondBackup(workshop: Workshop): Promise<Row[]> {
  return secondRows(workshop, {
    label: "sqlite-second",
    days: 2,
    make: copyOf(workshop, 1024),
    change: usualDay(workshop, 1024),
  });
}

/** Made where it is measured, so that it lies on the disk once. */
export async function secondBackupOfTen(workshop: Workshop): Promise<Row[]> {
  workshop.requireFree(workshop.directory, 45);
  const make = (path: string): void => workshop.dataSets.makeOrdersDatabase(path, 10 * 1024);
  return secondRows(workshop, { label: "sqlite-second-10g", days: 2, make, change: usualDay(workshop, 1024) });
}

export async function tenDays(workshop: Workshop): Promise<Row[]> {
  const plan = { label: "sqlite-ten-days", days: 10, make: copyOf(workshop, 1024), change: usualDay(workshop, 1024) };
  return daysRows(workshop, plan, () => true);
}

/** Smaller, as many backups take their time: nothing here depends on the size. */
export async function tenDaysWithVacuum(workshop: Workshop): Promise<Row[]> {
  const usual = usualDay(workshop, 256);
  const change = (database: OrdersDatabase, day: number): void => {
    usual(database);
    if (day === vacuumDay) database.vacuum();
  };
  const plan = { label: "sqlite-vacuumed", days: 10, make: copyOf(workshop, 256), change };
  return daysRows(workshop, plan, (day) => day !== vacuumDay);
}

/** Beyond 1 GiB on the way, where longer runs of pages begin. */
export async function tenDaysOfGrowth(workshop: Workshop): Promise<Row[]> {
  const usual = usualDay(workshop, 1024);
  const change = (database: OrdersDatabase): void => {
    usual(database);
    database.growBy(database.sizeBytes() * 0.03);
  };
  const plan = { label: "sqlite-growing", days: 10, make: copyOf(workshop, 900), change };
  return daysRows(workshop, plan, () => true);
}

function usualDay(workshop: Workshop, mebibytes: number): (database: OrdersDatabase) => void {
  const transactions = workshop.dataSets.scaled((transactionsPerDay * mebibytes) / 1024);
  return (database) => database.updateMany(transactions);
}

function copyOf(workshop: Workshop, mebibytes: number): (path: string) => void {
  return (path) => copyFileSync(workshop.dataSets.ordersDatabase(mebibytes), path);
}

async function secondRows(workshop: Workshop, plan: DaysPlan): Promise<Row[]> {
  const { days, blobs } = await backUpDays(workshop, plan);
  const [first, second] = days as [Day, Day];
  return [
    { ...sizeRow(first.storedBytes.holdfast, first.storedBytes.restic, null), measure: "first backup stores" },
    { ...sizeRow(second.storedBytes.holdfast, second.storedBytes.restic, null), measure: "second backup stores" },
    partRow(`of the database, of which ${newPart(second).toFixed(1)} % changed`, [second], dayBar),
    ofFirstRow(first, second),
    ...usualRows(comparisonOf([second]), {}, blobs),
  ];
}

/** `usual`: days of which each is held to the bar, by number. */
async function daysRows(workshop: Workshop, plan: DaysPlan, usual: (day: number) => boolean): Promise<Row[]> {
  const { days, blobs } = await backUpDays(workshop, plan);
  const sum = (name: ToolName): number => days.reduce((bytes, day) => bytes + day.storedBytes[name], 0);
  const later = days.slice(1);
  const held = later.filter((_, index) => usual(index + 2));
  const others = later.filter((_, index) => !usual(index + 2));
  return [
    { ...sizeRow(sum("holdfast"), sum("restic"), daysBar), measure: "all days store" },
    partRow("a later day, of the database", held, dayBar),
    ...others.map((day) => partRow(`the other day, ${newPart(day).toFixed(1)} % changed`, [day], null)),
    ...usualRows(comparisonOf(later), {}, blobs),
  ];
}

/** What the backups of these days stored, in percent of the database. */
function partRow(measure: string, days: readonly Day[], limit: number | null): Row {
  const parts = (name: ToolName): number[] => days.map((day) => (100 * day.storedBytes[name]) / day.databaseBytes);
  return {
    measure,
    unit: "%",
    holdfast: spread(parts("holdfast")),
    restic: spread(parts("restic")),
    bar: limit === null ? null : { kind: "value", limit },
  };
}

/** Nothing that can be compressed makes this part smaller. */
function ofFirstRow(first: Day, second: Day): Row {
  const part = (name: ToolName): number => (100 * second.storedBytes[name]) / first.storedBytes[name];
  return {
    measure: "of what the first backup stored",
    unit: "%",
    holdfast: spread([part("holdfast")]),
    restic: spread([part("restic")]),
    bar: null,
  };
}

function newPart({ newPages, databaseBytes }: Day): number {
  return (100 * newPages * pageBytes) / databaseBytes;
}
