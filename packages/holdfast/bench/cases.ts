// The cases that are measured, and what each is held to.
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { copyMixed } from "./copy-case.ts";
import { secondBackup, secondBackupOfTen, tenDays, tenDaysOfGrowth, tenDaysWithVacuum } from "./database-cases.ts";
import { captureUnderLoad } from "./live-case.ts";
import { run } from "./measure.ts";
import { prune } from "./prune-case.ts";
import { memoryGrowthRow, type Row, sizeRow, usualRows } from "./results.ts";
import { manyBlobs, manySnapshots, oneDirectory } from "./scale-cases.ts";
import type { Backups, Workshop } from "./workshop.ts";

export interface Case {
  readonly name: string;
  readonly title: string;
  /** Takes so long that it runs only when it is asked for. */
  readonly long: boolean;
  /** Each of its backups is another one, so that none is repeated, whatever `--runs` says. */
  readonly once?: true;
  measure(workshop: Workshop): Promise<Row[]>;
}

export const cases: readonly Case[] = [
  { name: "fresh", title: "1.5 GiB of mixed files, first backup", long: false, measure: fresh },
  {
    name: "unchanged-100k",
    title: "100,000 files, nothing changed",
    long: false,
    measure: (shop) => unchanged(shop, 1),
  },
  {
    name: "unchanged-200k",
    title: "200,000 files, nothing changed",
    long: false,
    measure: (shop) => unchanged(shop, 2),
  },
  { name: "stdin", title: "1 GiB of SQL through a pipe", long: false, measure: standardInput },
  { name: "restore-memory", title: "restore of 1.5 GiB to memory", long: false, measure: restoreToMemory },
  { name: "restore-disk", title: "restore of 1.5 GiB to disk", long: false, measure: restoreToDisk },
  { name: "check", title: "check --read-data of 1.5 GiB", long: false, measure: check },
  { name: "check-structure", title: "check of 100,000 files, no contents read", long: false, measure: checkStructure },
  { name: "copy", title: "copy of 1.5 GiB into an empty repository", long: false, measure: copyMixed },
  { name: "prune", title: "prune of 1.5 GiB, of which a part is forgotten", long: false, measure: prune },
  {
    name: "sqlite-second",
    title: "1 GiB database, after 2,000 transactions",
    long: false,
    once: true,
    measure: secondBackup,
  },
  { name: "sqlite-ten-days", title: "1 GiB database, ten days", long: false, once: true, measure: tenDays },
  {
    name: "sqlite-vacuumed",
    title: "256 MiB database, ten days, VACUUM on the fifth",
    long: false,
    once: true,
    measure: tenDaysWithVacuum,
  },
  {
    name: "sqlite-growing",
    title: "900 MiB database, ten days, 3 % more each day",
    long: false,
    once: true,
    measure: tenDaysOfGrowth,
  },
  {
    name: "sqlite-live",
    title: "1 GiB, another process commits 200 times a second",
    long: false,
    measure: captureUnderLoad,
  },
  {
    name: "sqlite-10g",
    title: "10 GiB database, after 2,000 transactions",
    long: true,
    once: true,
    measure: secondBackupOfTen,
  },
  {
    name: "snapshots-100k",
    title: "100,000 snapshots",
    long: false,
    measure: (shop) => manySnapshots(shop, 100_000),
  },
  { name: "blobs-1m", title: "1,000,000 blobs", long: false, measure: (shop) => manyBlobs(shop, 1_000_000) },
  { name: "blobs-5m", title: "5,000,000 blobs", long: true, measure: (shop) => manyBlobs(shop, 5_000_000) },
  {
    name: "directory-1m",
    title: "1,000,000 empty files in one directory",
    long: true,
    measure: (shop) => oneDirectory(shop, 1_000_000),
  },
  { name: "memory-15g", title: "15 GiB of mixed files, first backup", long: true, measure: largeMemory },
];

async function fresh(workshop: Workshop): Promise<Row[]> {
  const { comparison, bytes, blobs } = await workshop.mixedBackups();
  return [...usualRows(comparison, { wall: 0.6, cpu: 0.6 }, blobs), sizeRow(bytes.holdfast, bytes.restic, 1)];
}

async function unchanged(workshop: Workshop, folders: number): Promise<Row[]> {
  const paths = workshop.dataSets.smallFiles(folders);
  const backups = await workshop.freshBackups(`small-files-${folders}00k`, paths, undefined, 1);
  const comparison = await workshop.compareUse(`unchanged ${folders}00k`, backups.places, ["backup", ...paths]);
  workshop.removeRepositories(backups);
  return usualRows(comparison, { wall: 0.6 }, backups.blobs);
}

async function standardInput(workshop: Workshop): Promise<Row[]> {
  const backups = await workshop.freshBackups("stdin", [], workshop.dataSets.sqlDump());
  workshop.removeRepositories(backups);
  const { comparison, bytes, blobs } = backups;
  return [...usualRows(comparison, { wall: 0.55 }, blobs), sizeRow(bytes.holdfast, bytes.restic, null)];
}

async function restoreToMemory(workshop: Workshop): Promise<Row[]> {
  workshop.requireFree("/dev/shm", 3);
  return restore(workshop, workshop.memoryDirectory, "restore to memory", 0.7);
}

async function restoreToDisk(workshop: Workshop): Promise<Row[]> {
  return restore(workshop, join(workshop.directory, "restored"), "restore to disk", 1);
}

/** Every tree that Holdfast restores is compared with what was backed up. */
async function restore(workshop: Workshop, target: string, label: string, bar: number): Promise<Row[]> {
  const source = workshop.dataSets.mixed(1);
  const backups = await workshop.mixedBackups();
  mkdirSync(target, { recursive: true });
  const words = ["restore", "latest", "--target", target];
  const comparison = await workshop.compareUse(label, backups.places, words, (tool) => {
    const compare = ["-rq", "--no-dereference", source, join(target, source)];
    if (tool.name === "holdfast") run({ program: "diff", words: compare, environment: process.env });
    rmSync(target, { recursive: true });
    mkdirSync(target);
  });
  rmSync(target, { recursive: true });
  return usualRows(comparison, { wall: bar }, backups.blobs);
}

async function check(workshop: Workshop): Promise<Row[]> {
  const backups = await workshop.mixedBackups();
  const comparison = await workshop.compareUse("check", backups.places, ["check", "--read-data"]);
  return usualRows(comparison, { wall: 1 }, backups.blobs);
}

async function checkStructure(workshop: Workshop): Promise<Row[]> {
  const backups = await workshop.freshBackups("check-structure", workshop.dataSets.smallFiles(1), undefined, 1);
  const comparison = await workshop.compareUse("check of structure", backups.places, ["check"]);
  workshop.removeRepositories(backups);
  return usualRows(comparison, { wall: 1 }, backups.blobs);
}

async function largeMemory(workshop: Workshop): Promise<Row[]> {
  workshop.requireFree(workshop.directory, 50);
  const smaller = await workshop.mixedBackups();
  const larger: Backups = await workshop.freshBackups("mixed-15g", [workshop.dataSets.mixed(10)], undefined, 1);
  workshop.removeRepositories(larger);
  const { comparison, bytes, blobs } = larger;
  return [
    ...usualRows(comparison, {}, blobs),
    memoryGrowthRow(smaller.comparison, comparison, blobs),
    sizeRow(bytes.holdfast, bytes.restic, 1),
  ];
}
