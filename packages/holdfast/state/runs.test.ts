// The list of runs: round trips, filters, processes that are gone, damaged and newer files, full disks.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { hasCode } from "@holdfast/repository";
import type { RunResult } from "./runs.ts";
import { LazyDatabase } from "./lazy-database.ts";
import { Runs } from "./runs.ts";
import { OtherProcess, Scratch } from "./state-fixture.ts";

const good: RunResult = {
  outcome: "good",
  exitCode: 0,
  snapshotIds: ["a".repeat(64)],
  counts: { files: 3 },
  bytes: 2 ** 45,
  message: null,
};

function clock(): () => Date {
  let ms = Date.UTC(2026, 10, 21);
  return () => new Date((ms += 1000));
}

test("a run is there while it runs and after it has ended, with what it said", () => {
  using scratch = new Scratch();
  using lazy = new LazyDatabase(join(scratch.path, "state.db"));
  const runs = new Runs(lazy, { now: clock() });
  const id = runs.beginRun({ operation: "backup", stack: "mist", plan: "daily" });
  assert.deepEqual(runs.listRuns(), [
    {
      id,
      operation: "backup",
      stack: "mist",
      plan: "daily",
      startedAt: new Date("2026-11-21T00:00:01Z"),
      endedAt: null,
      outcome: "running",
      exitCode: null,
      snapshotIds: [],
      counts: {},
      bytes: null,
      message: null,
      pid: process.pid,
    },
  ]);
  runs.endRun(id, good);
  const [ended] = runs.listRuns();
  assert.deepEqual({ ...ended }, { ...ended, ...good, endedAt: new Date("2026-11-21T00:00:02Z") });
  assert.throws(
    () => runs.endRun(id, { ...good, outcome: "failed" }),
    (error) => hasCode(error, "internal"),
  );
  assert.equal(runs.listRuns()[0]?.outcome, "good");
});

test("filters choose, the newest comes first, and a limit counts what was chosen", () => {
  using scratch = new Scratch();
  using lazy = new LazyDatabase(join(scratch.path, "state.db"));
  const runs = new Runs(lazy, { now: clock() });
  const begin = (operation: "backup" | "drill", stack: string, result: Partial<RunResult> | null): string => {
    const id = runs.beginRun({ operation, stack, plan: null });
    if (result !== null) runs.endRun(id, { ...good, ...result });
    return id;
  };
  const a = begin("backup", "mist", {});
  const b = begin("drill", "mist", { outcome: "failed", exitCode: 1 });
  const c = begin("backup", "wiki", { outcome: "failed", exitCode: 1 });
  const d = begin("backup", "mist", null);
  const ids = (filter: Parameters<Runs["listRuns"]>[0]): string[] => runs.listRuns(filter).map(({ id }) => id);
  assert.deepEqual(ids({}), [d, c, b, a]);
  assert.deepEqual(ids({ stack: "mist" }), [d, b, a]);
  assert.deepEqual(ids({ stack: "mist", operation: "backup" }), [d, a]);
  assert.deepEqual(ids({ outcome: "failed" }), [c, b]);
  assert.deepEqual(ids({ outcome: "good", limit: 1 }), [a]);
  assert.deepEqual(ids({ limit: 2 }), [d, c]);
});

test("the newest is the one that was noted last, whatever the clock said", () => {
  using scratch = new Scratch();
  using lazy = new LazyDatabase(join(scratch.path, "state.db"));
  const times = [Date.UTC(2036, 0, 1), Date.UTC(2026, 0, 1)];
  const runs = new Runs(lazy, { now: () => new Date(times.shift() ?? 0) });
  const [early, late] = [0, 1].map(() => runs.beginRun({ operation: "backup", stack: "mist", plan: null }));
  assert.deepEqual(
    runs.listRuns().map(({ id }) => id),
    [late, early],
  );
});

test("a run whose process was killed is shown as interrupted, and one that goes on as running", async () => {
  using scratch = new Scratch();
  const path = join(scratch.path, "state.db");
  await using other = new OtherProcess(`
    import { LazyDatabase } from "./lazy-database.ts";
    import { Runs } from "./runs.ts";
    const runs = new Runs(new LazyDatabase(${JSON.stringify(path)}), { now: () => new Date() });
    runs.beginRun({ operation: "restore", stack: "mist", plan: null });
    console.log("begun");
    setInterval(() => {}, 1000);
  `);
  await other.said("begun");
  using lazy = new LazyDatabase(path);
  const runs = new Runs(lazy, { now: clock() });
  assert.equal(runs.listRuns()[0]?.outcome, "running");
  assert.equal(runs.listRuns()[0]?.pid, other.child.pid);
  await other.kill();
  assert.equal(runs.listRuns()[0]?.outcome, "interrupted");
  assert.equal(runs.listRuns({ outcome: "interrupted" }).length, 1);
  assert.equal(runs.listRuns({ outcome: "running" }).length, 0);
});

test("a process with the same number that started at another time is another process", () => {
  using scratch = new Scratch();
  const path = join(scratch.path, "state.db");
  using lazy = new LazyDatabase(path);
  const runs = new Runs(lazy, { now: clock() });
  for (const change of ['$.startTicks", 1', '$.bootId", "another']) {
    runs.beginRun({ operation: "backup", stack: "mist", plan: null });
    using database = new DatabaseSync(path);
    const [field, value] = change.split('", ') as [string, string];
    database.prepare("UPDATE runs SET owner = json_set(owner, ?, ?)").run(field, value === "1" ? 1 : value.slice(1));
    assert.equal(runs.listRuns()[0]?.outcome, "interrupted", change);
  }
});

test("two processes make the file at once and write at once, and nothing is lost", async () => {
  using scratch = new Scratch();
  const path = join(scratch.path, "state.db");
  const code = `
    import { LazyDatabase } from "./lazy-database.ts";
    import { Runs } from "./runs.ts";
    const runs = new Runs(new LazyDatabase(${JSON.stringify(path)}), { now: () => new Date() });
    process.stdout.write("ready");
    process.stdin.once("data", () => {
      for (let i = 0; i < 50; i++) {
        const id = runs.beginRun({ operation: "backup", stack: "mist", plan: null });
        runs.endRun(id, ${JSON.stringify(good)});
      }
      process.exit(0);
    });
  `;
  await using one = new OtherProcess(code);
  await using two = new OtherProcess(code);
  await Promise.all([one.said("ready"), two.said("ready")]);
  one.tell("go");
  two.tell("go");
  assert.deepEqual(await Promise.all([one.ended(), two.ended()]), [0, 0]);
  using lazy = new LazyDatabase(path);
  const runs = new Runs(lazy, { now: clock() });
  assert.equal(runs.listRuns({ outcome: "good" }).length, 100);
});

test("a damaged file is said to be damaged, with the way on, and that way works", () => {
  using scratch = new Scratch();
  const path = join(scratch.path, "state.db");
  const fill = (): void => {
    using lazy = new LazyDatabase(path);
    const runs = new Runs(lazy, { now: clock() });
    for (let i = 0; i < 200; i++) runs.beginRun({ operation: "backup", stack: "mist", plan: null });
  };
  fill();
  const whole = readFileSync(path);
  const spoilt = (change: (bytes: Buffer) => void): void => {
    rmSync(`${path}-wal`, { force: true });
    rmSync(`${path}-shm`, { force: true });
    const bytes = Buffer.from(whole);
    change(bytes);
    writeFileSync(path, bytes, { mode: 0o600 });
    using lazy = new LazyDatabase(path);
    const runs = new Runs(lazy, { now: clock() });
    assert.throws(
      () => runs.listRuns(),
      (error) => {
        assert.ok(hasCode(error, "damaged"), String(error));
        assert.match(error.message, /state\.db/);
        assert.match(error.hint, /move .* aside/);
        return true;
      },
    );
    assert.ok(existsSync(path));
  };
  spoilt((bytes) => bytes.fill(0x55, 0, 100));
  spoilt((bytes) => bytes.fill(0x55, 4096));
  spoilt((bytes) => {
    // A value inside a row, where SQLite itself notices nothing.
    for (let at = bytes.indexOf('"pid"'); at >= 0; at = bytes.indexOf('"pid"', at + 1)) bytes.write('"pod"', at);
  });
  renameSync(path, `${path}.damaged`);
  fill();
});

test("a file of a newer version is refused and left as it is", () => {
  using scratch = new Scratch();
  const path = join(scratch.path, "state.db");
  {
    using lazy = new LazyDatabase(path);
    const runs = new Runs(lazy, { now: clock() });
    runs.listRuns();
    using database = new DatabaseSync(path);
    database.exec("PRAGMA user_version = 99");
  }
  const before = readFileSync(path);
  using lazy = new LazyDatabase(path);
  const runs = new Runs(lazy, { now: clock() });
  assert.throws(
    () => runs.listRuns(),
    (error) => hasCode(error, "unsupported") && /newer version/.test(error.message) && /aside/.test(error.hint),
  );
  assert.deepEqual(readFileSync(path), before);
});

test("a full disk is said as such, by the first call as by a later one, and what was there stays", () => {
  using scratch = new Scratch();
  const place = join(scratch.path, "small");
  mkdirSync(place);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=256k,mode=700", "tmpfs", place]);
  try {
    const path = join(place, "state.db");
    const ballast = join(place, "ballast");
    const fill = (): void => {
      try {
        for (let i = 0; ; i++) writeFileSync(`${ballast}${i}`, Buffer.alloc(4096));
      } catch {
        // Full.
      }
    };
    fill();
    {
      using lazy = new LazyDatabase(path);
      const runs = new Runs(lazy, { now: clock() });
      assert.throws(
        () => runs.beginRun({ operation: "backup", stack: "mist", plan: null }),
        (error) => hasCode(error, "no-space"),
      );
      execFileSync("find", [place, "-name", "ballast*", "-delete"]);
      runs.beginRun({ operation: "backup", stack: "mist", plan: null });
      fill();
      assert.throws(
        () => {
          for (let i = 0; i < 1000; i++) runs.beginRun({ operation: "drill", stack: "mist", plan: null });
        },
        (error) => hasCode(error, "no-space"),
      );
      assert.ok(runs.listRuns({ operation: "backup" }).length === 1);
    }
  } finally {
    execFileSync("umount", [place]);
  }
});
