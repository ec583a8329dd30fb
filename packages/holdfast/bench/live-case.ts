// The case that measures a capture while another process writes: its time and memory, and what the writer feels.
import { copyFileSync, createWriteStream, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout } from "node:timers/promises";
import { databaseBackup, pathInSnapshot } from "./database-backup.ts";
import { LiveLoad, type Period } from "./live-load.ts";
import { measure, type Measurement, settle } from "./measure.ts";
import { memoryLimitBytes, type Row, spread, type Unit } from "./results.ts";
import { brief, type Workshop } from "./workshop.ts";

const mebibyte = 2 ** 20;
const commitsPerSecond = 200;
const quietMs = 10_000;
/** For the first checkpoint that is not kept from ending. */
const afterwardsMs = 1000;

interface LiveRun {
  readonly capture: Measurement;
  readonly quiet: Period;
  readonly during: Period;
}

/** A first backup of 1 GiB each time. restic has nothing to compare: it copies a file that changes under it. */
export async function captureUnderLoad(workshop: Workshop): Promise<Row[]> {
  const directory = join(workshop.directory, "sqlite-live-data");
  mkdirSync(directory, { recursive: true });
  const runs: LiveRun[] = [];
  for (let number = 0; number < workshop.runs; number++) {
    const path = join(directory, "orders.db");
    copyFileSync(workshop.dataSets.ordersDatabase(1024), path);
    const run = await captureOnce(workshop, path, join(directory, "copy.db"));
    runs.push(run);
    workshop.say(`sqlite-live, run ${number + 1} of ${workshop.runs}: ${brief(run.capture)}; ${describe(run)}`);
    rmSync(directory, { recursive: true });
    mkdirSync(directory);
  }
  return rowsOf(runs);
}

async function captureOnce(workshop: Workshop, path: string, copy: string): Promise<LiveRun> {
  const places = workshop.newRepositories("sqlite-live");
  const command = databaseBackup(workshop.tools.holdfast, places.holdfast, path);
  let run: LiveRun;
  let acknowledged: number;
  {
    settle();
    await using load = await LiveLoad.start(path, commitsPerSecond);
    const quietFromMs = Date.now();
    await setTimeout(quietMs);
    const startedAtMs = Date.now();
    const quiet = load.period(quietFromMs, startedAtMs);
    acknowledged = load.acknowledgedEvent();
    const capture = await measure(command);
    await setTimeout(afterwardsMs);
    run = { capture, quiet, during: load.period(startedAtMs, Date.now()) };
  }
  const stored = pathInSnapshot(workshop.tools.holdfast, path);
  await workshop.readBack(places.holdfast, stored, createWriteStream(copy));
  requireWhole(copy, acknowledged);
  workshop.removeRepositories({ places });
  return run;
}

/** Every row that was acknowledged before the capture began is in its copy, and nothing is torn. */
function requireWhole(copy: string, acknowledged: number): void {
  const database = new DatabaseSync(copy, { readOnly: true });
  const row = database.prepare("SELECT count(*) AS found FROM events WHERE id <= ?").get(acknowledged);
  if (Number(row?.["found"]) !== acknowledged)
    throw new Error(`of ${acknowledged} acknowledged rows the copy has ${String(row?.["found"])}`);
  const state = database.prepare("PRAGMA integrity_check").get()?.["integrity_check"];
  database.close();
  if (state !== "ok") throw new Error(`the copy is damaged: ${String(state)}`);
}

function rowsOf(runs: readonly LiveRun[]): Row[] {
  const captures = runs.map(({ capture }) => capture);
  const peak = ownRow("peak memory", "MiB", captures, ({ peakBytes }) => peakBytes / mebibyte);
  return [
    ownRow("wall time", "s", captures, ({ wallMs }) => wallMs / 1000),
    ownRow("CPU time", "s", captures, ({ cpuMs }) => cpuMs / 1000),
    { ...peak, bar: { kind: "value", limit: memoryLimitBytes(0) / mebibyte } },
    ...writerRows(
      "without a backup",
      runs.map(({ quiet }) => quiet),
    ),
    ...writerRows(
      "during and a second after",
      runs.map(({ during }) => during),
    ),
  ];
}

function writerRows(when: string, periods: readonly Period[]): Row[] {
  return [
    ownRow(`median commit ${when}`, "ms", periods, ({ medianMs }) => medianMs),
    ownRow(`99 % of commits ${when}`, "ms", periods, ({ p99Ms }) => p99Ms),
    ownRow(`slowest commit ${when}`, "ms", periods, ({ slowestMs }) => slowestMs),
    ownRow(`slowest checkpoint ${when}`, "ms", periods, ({ slowestCheckpointMs }) => slowestCheckpointMs),
    ownRow(`write-ahead log ${when}`, "MiB", periods, ({ logBytes }) => logBytes / mebibyte),
  ];
}

/** Holdfast alone. */
function ownRow<T>(measure: string, unit: Unit, measured: readonly T[], value: (one: T) => number): Row {
  return { measure, unit, holdfast: spread(measured.map(value)), restic: null, bar: null };
}

function describe({ quiet, during }: LiveRun): string {
  const times = ({ commits, medianMs, p99Ms, slowestMs, slowestCheckpointMs, logBytes }: Period): string =>
    `${commits} commits, ${medianMs.toFixed(2)}/${p99Ms.toFixed(2)}/${slowestMs.toFixed(2)} ms, checkpoint ${slowestCheckpointMs.toFixed(0)} ms, log ${Math.round(logBytes / mebibyte)} MiB`;
  return `before ${times(quiet)}; during ${times(during)}`;
}
