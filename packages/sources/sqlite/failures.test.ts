// What cannot be captured, what is damaged, and what a comparison has to find.
import assert from "node:assert/strict";
import { copyFileSync, existsSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { after, describe, it } from "node:test";
import { HoldfastError } from "@holdfast/repository";
import { sqlite } from "./sqlite.ts";
import { capture, compareCopy, dump, makeDatabase, testContext, Workplace, writeStream } from "./sqlite-fixture.ts";

const workplace = new Workplace();
after(() => workplace[Symbol.dispose]());

const items = `CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, maker INTEGER REFERENCES maker (id));
  CREATE TABLE maker (id INTEGER PRIMARY KEY, name TEXT);
  CREATE INDEX item_name ON item (name); CREATE INDEX maker_name ON maker (name);
  INSERT INTO maker VALUES (1, 'one'), (2, 'two');
  WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
    INSERT INTO item SELECT i, 'item ' || i, 1 + i % 2 FROM n;`;

function madeWith(sql: string): string {
  const path = workplace.path();
  makeDatabase(path, sql);
  return path;
}

async function assertRefused(path: string, message: RegExp, busyTimeout = "200ms"): Promise<void> {
  await assert.rejects(
    capture(path, workplace.path(), () => undefined, busyTimeout),
    (error) => {
      assert.ok(error instanceof HoldfastError, String(error));
      assert.equal(error.code, "source");
      assert.match(error.message, message);
      assert.ok(error.message.includes(path), error.message);
      assert.ok(error.hint.length > 20);
      return true;
    },
  );
}

/** Writes bytes over the middle of page `page` (from 1) of 4096. */
function overwrite(path: string, page: number, offset: number, bytes: Buffer): void {
  const file = readFileSync(path);
  bytes.copy(file, (page - 1) * 4096 + offset);
  writeFileSync(path, file);
}

/** As a later version of an application may have made it, or a hand that was too bold. */
function rewriteSchema(path: string, sql: string): void {
  const database = new DatabaseSync(path);
  database.enableDefensive(false);
  database.exec(`PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = ${sql}`);
  database.close();
}

/** The page on which the b-tree `name` begins. */
function rootOf(path: string, name: string): number {
  const database = new DatabaseSync(path, { readOnly: true });
  const row = database.prepare("SELECT rootpage FROM sqlite_schema WHERE name = ?").get(name);
  database.close();
  return Number(row?.["rootpage"]);
}

describe("what cannot be captured", () => {
  for (const journal of ["wal", "delete"]) {
    it(`an exclusively locked database is waited for, and then named (${journal})`, async () => {
      const path = madeWith(`PRAGMA journal_mode = ${journal}; ${items}`);
      const other = new DatabaseSync(path);
      other.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; DELETE FROM item WHERE id = 1");
      const start = performance.now();
      await assertRefused(path, /kept it locked for 400ms/, "400ms");
      assert.ok(performance.now() - start > 400);
      other.exec("COMMIT");
      other.close();
      await capture(path, workplace.path());
    });
  }

  it("a database that is locked for a moment is waited for", async () => {
    const path = madeWith(items);
    const other = new DatabaseSync(path);
    other.exec("BEGIN EXCLUSIVE; DELETE FROM item WHERE id = 1");
    setTimeout(() => other.exec("COMMIT"), 700);
    const copy = workplace.path();
    await capture(path, copy);
    other.close();
    assert.equal(dump(copy), dump(path));
  });

  it("R205: what is no database, or an encrypted one", async () => {
    const path = workplace.path();
    writeFileSync(path, Buffer.alloc(8192, "secret "));
    await assertRefused(path, /not a SQLite database, or it is encrypted/);
    assert.equal(existsSync(`${path}-journal`), false);
  });

  it("R008: nothing there, and a folder", async () => {
    const missing = workplace.path("missing.db");
    assert.equal((await sqlite.preflight(sqlite.options.parse(missing), testContext())).present, false);
    await assertRefused(missing, /does not exist/);
    assert.equal(existsSync(missing), false);
    await assertRefused(workplace.directory, /is not a file/);
  });

  it("R004: the size is known before", async () => {
    const path = madeWith(items);
    const found = await sqlite.preflight(sqlite.options.parse(path), testContext());
    assert.deepEqual(found, { present: true, sizeBytes: readFileSync(path).length, warnings: [] });
  });

  it("a file that was cut off", async () => {
    const path = madeWith(items);
    truncateSync(path, readFileSync(path).length - 5000);
    await assertRefused(path, /damaged/);
    truncateSync(path, 50);
    await assertRefused(path, /damaged/);
  });

  it("a damaged log", async () => {
    const source = workplace.path();
    const path = workplace.path();
    const writer = new DatabaseSync(source);
    writer.exec(`PRAGMA journal_mode = wal; PRAGMA wal_autocheckpoint = 0; ${items}`);
    for (const ending of ["", "-wal", "-shm"]) copyFileSync(source + ending, path + ending);
    writer.close();
    // Another connection keeps the index that was made when the log was whole.
    const other = new DatabaseSync(path);
    other.prepare("SELECT count(*) FROM item").get();
    const log = readFileSync(`${path}-wal`);
    log[log.length - 100]! ^= 1;
    writeFileSync(`${path}-wal`, log);
    await assertRefused(path, /write-ahead log .* is damaged at frame/);
    other.close();
  });

  it("a capture that was not read to its end", async () => {
    const path = madeWith(items);
    await using open = await sqlite.open(sqlite.options.parse(path), testContext());
    const entry = open.entries[0];
    assert.ok(entry?.kind === "stream");
    await entry.read(Buffer.alloc(5000));
    await assert.rejects(entry.finish(), /not whole: 5000 of \d+ bytes/);
  });

  it("a file that somebody writes without asking for locks", async () => {
    const path = madeWith(items);
    await using open = await sqlite.open(sqlite.options.parse(path), testContext());
    const file = readFileSync(path);
    file.writeUInt32BE(file.readUInt32BE(24) + 1, 24);
    const entry = open.entries[0];
    assert.ok(entry?.kind === "stream");
    const copy = workplace.path();
    await assert.rejects(
      writeStream(open, copy, () => writeFileSync(path, file)),
      /cannot be trusted: it was written/,
    );
  });
});

describe("what a crash left", () => {
  it("a hot journal is rolled back, as SQLite does, and said", async () => {
    const source = madeWith(items);
    const path = workplace.path();
    const writer = new DatabaseSync(source);
    const before = dump(source);
    // A cache of no pages makes changes reach the file before the commit.
    writer.exec("PRAGMA cache_size = 1; BEGIN; UPDATE item SET name = 'half done'");
    for (const ending of ["", "-journal"]) copyFileSync(source + ending, path + ending);
    writer.exec("ROLLBACK");
    writer.close();
    assert.notEqual(Buffer.compare(readFileSync(path), readFileSync(source)), 0);
    const copy = workplace.path();
    const { warnings } = await capture(path, copy);
    assert.match(warnings.join(), /rolled back/);
    assert.equal(dump(copy), before);
  });

  it("a log without its index, with a torn transaction at its end", async () => {
    const source = workplace.path();
    const path = workplace.path();
    const writer = new DatabaseSync(source);
    writer.exec(`PRAGMA journal_mode = wal; PRAGMA wal_autocheckpoint = 0; ${items}`);
    const before = dump(source);
    writer.exec("DELETE FROM item");
    for (const ending of ["", "-wal"]) copyFileSync(source + ending, path + ending);
    writer.close();
    truncateSync(`${path}-wal`, readFileSync(`${path}-wal`).length - 100);
    const copy = workplace.path();
    await capture(path, copy);
    assert.equal(dump(copy, "immutable"), before);
  });
});

describe("damage in the content", () => {
  it("R194: an overwritten page of a table is said, with the table", async () => {
    const path = madeWith(items);
    overwrite(path, rootOf(path, "item"), 0, Buffer.alloc(4096, 0xee));
    const { witnessed } = await capture(path, workplace.path());
    assert.match(witnessed.damage.join("\n"), /table item cannot be read/);
    assert.match(witnessed.damage.join("\n"), /integrity check: /);
  });

  it("R194: an index that has lost a row is said, though every table can be read", async () => {
    const path = madeWith(`PRAGMA journal_mode = wal; ${items}`);
    rewriteSchema(path, "replace(sql, 'item (name)', 'item (maker)')");
    const { witnessed } = await capture(path, workplace.path());
    assert.match(witnessed.damage.join("\n"), /integrity check: .*item_name/);
    // Without a log the full check would keep writers waiting: the comparison makes it.
    makeDatabase(path, "PRAGMA journal_mode = delete");
    const copy = workplace.path();
    const quick = await capture(path, copy);
    assert.deepEqual(quick.witnessed.damage, []);
    assert.match(JSON.stringify(await compareCopy(path, quick.witnessed, copy)), /integrity check.*item_name/);
  });

  it("tables that need what only their application has are read, and what cannot be checked is said", async () => {
    const path = workplace.path();
    const other = new DatabaseSync(path);
    other.function("app", { deterministic: true }, (value) => value);
    other.exec(`${items} CREATE TABLE own (a, b AS (app(a)) VIRTUAL, CHECK (app(a) > 0)); INSERT INTO own VALUES (1)`);
    other.close();
    rewriteSchema(path, "replace(sql, 'name TEXT)', 'name TEXT COLLATE app)')");
    rewriteSchema(path, "replace(sql, 'maker (name)', 'maker (name COLLATE app)')");
    const copy = workplace.path();
    const { witnessed } = await capture(path, copy);
    assert.deepEqual(witnessed.damage, []);
    assert.match(JSON.stringify(witnessed.facts["unchecked"]), /"maker".*no such collation sequence: app/);
    assert.match(JSON.stringify(witnessed.facts["tables"]), /"name":"own","rows":1/);
    assert.match(JSON.stringify(witnessed.facts["tables"]), /"name":"maker","rows":2/);
    assert.deepEqual(await compareCopy(path, witnessed, copy), []);
  });

  it("foreign keys that point nowhere are counted", async () => {
    const path = madeWith(`PRAGMA foreign_keys = OFF; ${items} DELETE FROM maker WHERE id = 2;`);
    const { witnessed } = await capture(path, workplace.path());
    assert.equal(witnessed.facts["foreignKeyViolations"], 1000);
    assert.deepEqual(witnessed.damage, []);
  });
});

describe("a comparison", () => {
  const changes: Record<string, [string, RegExp]> = {
    "a changed row": ["UPDATE item SET name = 'other' WHERE id = 7", /^table item: its 2000 rows differ/m],
    "a changed type": ["UPDATE maker SET name = CAST(name AS BLOB) WHERE id = 1", /^table maker: its 2 rows differ/m],
    "a row too few": ["DELETE FROM item WHERE id = 2000", /^table item: it had 2000 rows at capture and has 1999/m],
    "another table": ["CREATE TABLE more (a)", /^table more: it was not there at capture/m],
    "a table too few": ["PRAGMA foreign_keys = OFF; DROP TABLE maker", /^table maker: it is missing/m],
    "another index": ["CREATE INDEX more ON item (maker)", /^schema: /m],
    "another user_version": ["PRAGMA user_version = 9", /^userVersion: it was 0 at capture and is 9/m],
    "another journal": ["PRAGMA journal_mode = wal", /^journal: it was rollback at capture and is wal/m],
  };
  for (const [name, [sql, expected]] of Object.entries(changes)) {
    it(`finds ${name}, and leaves nothing beside the copy`, async () => {
      const path = madeWith(items);
      const copy = workplace.path();
      const { witnessed } = await capture(path, copy);
      makeDatabase(copy, sql);
      const before = readFileSync(copy);
      const found = await compareCopy(path, witnessed, copy);
      assert.match(found.map(({ what, problem }) => `${what}: ${problem}`).join("\n"), expected);
      assert.ok(readFileSync(copy).equals(before));
      for (const ending of ["-wal", "-shm", "-journal"]) assert.equal(existsSync(copy + ending), false);
    });
  }

  it("finds a damaged copy, a copy that is no database, and an empty one", async () => {
    const path = madeWith(items);
    const copy = workplace.path();
    const { witnessed } = await capture(path, copy);
    overwrite(copy, rootOf(copy, "item_name"), 0, Buffer.alloc(4096, 0xee));
    assert.match(JSON.stringify(await compareCopy(path, witnessed, copy)), /integrity check/);
    writeFileSync(copy, Buffer.alloc(8192, "x"));
    assert.match(JSON.stringify(await compareCopy(path, witnessed, copy)), /cannot be read/);
    writeFileSync(copy, "");
    assert.match(JSON.stringify(await compareCopy(path, witnessed, copy)), /table item.*it is missing/);
  });

  it("finds a log beside the copy, and a witness without facts", async () => {
    const path = madeWith(items);
    const copy = workplace.path();
    const { witnessed } = await capture(path, copy);
    writeFileSync(`${copy}-wal`, "stale");
    assert.match(JSON.stringify(await compareCopy(path, witnessed, copy)), /write-ahead log stands beside/);
    assert.match(JSON.stringify(await compareCopy(path, { ...witnessed, facts: {} }, copy)), /no facts/);
  });
});
