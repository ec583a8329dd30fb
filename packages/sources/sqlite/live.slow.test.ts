// Captures of databases that another process writes all the time.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, describe, it } from "node:test";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { sqlite } from "./sqlite.ts";
import { capture, compareCopy, makeDatabase, testContext, Workplace, Writer, writeStream } from "./sqlite-fixture.ts";

const workplace = new Workplace();
after(() => workplace[Symbol.dispose]());

/** Accounts with 1000 each, and some MiB beside them that make a capture last. */
function makeBank(path: string, journal: string): void {
  makeDatabase(
    path,
    `PRAGMA journal_mode = ${journal};
     CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL);
     CREATE TABLE move (id INTEGER PRIMARY KEY, giver INTEGER REFERENCES account (id),
       taker INTEGER REFERENCES account (id), amount INTEGER, memo TEXT);
     CREATE INDEX move_giver ON move (giver);
     CREATE TABLE filler (id INTEGER PRIMARY KEY, bytes BLOB);
     WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
       INSERT INTO account SELECT i, 1000 FROM n;
     WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500)
       INSERT INTO filler SELECT i, randomblob(4000) FROM n;`,
  );
}

/** Nothing torn: every move changed both accounts, and all moves up to the last are there. */
function assertWholeBank(path: string, acknowledged: number): void {
  const database = new DatabaseSync(path, { readOnly: true });
  const row = database
    .prepare(
      `SELECT (SELECT count(*) FROM move) AS moves, (SELECT max(id) FROM move) AS last,
         (SELECT sum(balance) FROM account) AS total,
         (SELECT count(*) FROM account AS a WHERE balance <> 1000
            + coalesce((SELECT sum(amount) FROM move WHERE taker = a.id), 0)
            - coalesce((SELECT sum(amount) FROM move WHERE giver = a.id), 0)) AS wrong`,
    )
    .get() as { moves: number; last: number; total: number; wrong: number };
  const integrity = database.prepare("PRAGMA integrity_check").get();
  database.close();
  assert.deepEqual({ ...integrity }, { integrity_check: "ok" });
  assert.equal(row.total, 1_000_000);
  assert.equal(row.wrong, 0);
  assert.equal(row.moves, row.last);
  assert.ok(row.last >= acknowledged, `${row.last} moves are there, ${acknowledged} were acknowledged before`);
}

/** Waits for the writer up to `waitMs`: without a reader it always gets its turn in that time. */
function checkpointTruncate(path: string, waitMs: number): { busy: number } {
  const other = new DatabaseSync(path, { timeout: waitMs });
  try {
    return other.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get() as { busy: number };
  } finally {
    other.close();
  }
}

/** Processes that hold a database for a capture of this process or of `parent`. */
function holders(parent: number): number[] {
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const command = readFileSync(`/proc/${name}/cmdline`, "utf8");
      const parentId = Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${name}/status`, "utf8"))?.[1]);
      return command.includes("process-main.ts") && parentId === parent ? [Number(name)] : [];
    } catch {
      return []; // it has ended meanwhile
    }
  });
}

describe("a live database", () => {
  for (const journal of ["wal", "delete", "truncate", "persist"]) {
    it(`R040, R068, R069, B3: ${journal}: every acknowledged row is captured, and nothing is torn`, async () => {
      const path = workplace.path();
      makeBank(path, journal);
      await using writer = await Writer.start(path);
      for (let round = 0; round < 3; round++) {
        const copy = workplace.path();
        const acknowledged = writer.acknowledged;
        const { witnessed } = await capture(path, copy, async () => {
          // In WAL mode writers go on; the others wait for the reader.
          if (journal === "wal") await writer.until(writer.acknowledged + 20);
        });
        assert.deepEqual(witnessed.damage, []);
        assert.deepEqual(await compareCopy(path, witnessed, copy), []);
        assertWholeBank(copy, acknowledged);
        await writer.until(writer.acknowledged + 5);
      }
    });
  }

  it("keeps a foreign TRUNCATE checkpoint busy until the last page is read, and no longer", async () => {
    const path = workplace.path();
    makeBank(path, "wal");
    await using writer = await Writer.start(path);
    await using open = await sqlite.open(sqlite.options.parse(path), testContext());
    // Descriptors of the same files come and go in this process: that must not matter.
    readFileSync(path);
    readFileSync(`${path}-shm`);
    let looks = 0;
    const copy = workplace.path();
    await writeStream(open, copy, () => {
      if (looks++ % 20 === 0) assert.equal(checkpointTruncate(path, 200).busy, 1);
    });
    assert.ok(looks > 10);
    assert.equal(checkpointTruncate(path, 200).busy, 1);
    await open[Symbol.asyncDispose]();
    assert.equal(checkpointTruncate(path, 10_000).busy, 0);
    assertWholeBank(copy, 20);
    assert.ok(writer.acknowledged > 20);
  });

  it("R069: does not write back, shorten or remove the log of the user", async () => {
    const path = workplace.path();
    makeBank(path, "wal");
    const crashed = workplace.path("crashed.db");
    const application = new DatabaseSync(path);
    application.exec("PRAGMA wal_autocheckpoint = 0; INSERT INTO move VALUES (1, 1, 2, 0, 'only in the log')");
    // As a crash leaves them: the log has rows that the file has not, and no connection is open.
    for (const ending of ["", "-wal"]) copyFileSync(path + ending, crashed + ending);
    application.close();
    const before = ["", "-wal"].map((ending) => readFileSync(crashed + ending));
    const copy = workplace.path();
    await capture(crashed, copy);
    assert.deepEqual(
      ["", "-wal"].map((ending) => readFileSync(crashed + ending)),
      before,
    );
    const restored = new DatabaseSync(copy);
    assert.equal(restored.prepare("SELECT memo FROM move").get()?.["memo"], "only in the log");
    restored.close();
  });

  it("leaves no files beside a database that nobody has open", async () => {
    const path = workplace.path("closed.db");
    makeBank(path, "wal");
    const before = readFileSync(path);
    await capture(path, workplace.path());
    const beside = readdirSync(workplace.directory).filter((name) => name.startsWith(basename(path)));
    assert.deepEqual(beside, [basename(path)]);
    assert.deepEqual(readFileSync(path), before);
  });

  it("lets writers go on as soon as it is read and its witness is taken, whatever else is still to be read", async () => {
    const path = workplace.path();
    makeBank(path, "delete");
    const other = new DatabaseSync(path);
    await using open = await sqlite.open(sqlite.options.parse(path), testContext());
    const witness = open.witness();
    witness.catch(() => undefined);
    assert.throws(() => other.exec("UPDATE account SET balance = 1"), /locked/);
    await writeStream(open, workplace.path());
    await witness;
    other.exec("PRAGMA busy_timeout = 1000; UPDATE account SET balance = 1");
    other.close();
  });

  it("kill -9 of the capturing process leaves no process and no lock, however busy the holder is", async () => {
    const path = workplace.path();
    makeBank(path, "wal");
    const application = new DatabaseSync(path);
    application.enableDefensive(false);
    // Checking the rows against this index takes longer than the test, and nothing else is done meanwhile.
    const slowly = "length(replace(hex(zeroblob(30000000 + id)), ''00'', ''a''))";
    application.exec(`CREATE INDEX slow ON filler (id); PRAGMA writable_schema = ON;
      UPDATE sqlite_schema SET sql = 'CREATE INDEX slow ON filler (${slowly})' WHERE name = 'slow'`);
    const script = fileURLToPath(new URL("capturer-fixture.ts", import.meta.url));
    const flags = ["--disable-warning=ExperimentalWarning"];
    const child = spawn(process.execPath, [...flags, script, path], { stdio: ["ignore", "pipe", "inherit"], env: {} });
    const ended = once(child, "exit");
    await once(child.stdout, "data");
    const held = holders(child.pid!);
    assert.equal(held.length, 1);
    assert.equal(checkpointTruncate(path, 0).busy, 1);
    await setTimeout(500);
    child.kill("SIGKILL");
    await ended;
    for (let tries = 0; existsSync(`/proc/${held[0]}`) && tries < 500; tries++) await setTimeout(10);
    assert.equal(existsSync(`/proc/${held[0]}`), false);
    assert.equal(checkpointTruncate(path, 0).busy, 0);
    application.close();
  });

  it("ends the process that holds the locks when the run is interrupted", async () => {
    const path = workplace.path();
    makeBank(path, "wal");
    const controller = new AbortController();
    await using open = await sqlite.open(sqlite.options.parse(path), testContext(controller.signal));
    const witness = open.witness();
    witness.catch(() => undefined);
    assert.equal(holders(process.pid).length, 1);
    controller.abort();
    await assert.rejects(witness);
    await assert.rejects(writeStream(open, workplace.path()));
    assert.equal(holders(process.pid).length, 0);
  });

  it("a capture whose holder has died fails at its end", async () => {
    const path = workplace.path();
    makeBank(path, "wal");
    await using open = await sqlite.open(sqlite.options.parse(path), testContext());
    for (const id of holders(process.pid)) process.kill(id, "SIGKILL");
    await assert.rejects(writeStream(open, workplace.path()), { code: "source" });
    assert.equal(statSync(path).size > 0, true);
  });
});
