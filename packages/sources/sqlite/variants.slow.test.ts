// Captures of all the shapes that a database can have, held against a dump of the original.
import assert from "node:assert/strict";
import { chmodSync, readFileSync, statSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, describe, it } from "node:test";
import fc from "fast-check";
import { databaseUri, parseHeader } from "./database-file.ts";
import { sqlite } from "./sqlite.ts";
import { capture, compareCopy, dump, makeDatabase, testContext, Workplace } from "./sqlite-fixture.ts";

const workplace = new Workplace();
after(() => workplace[Symbol.dispose]());

const rows = (count: number): string =>
  `CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT UNIQUE, body BLOB, price REAL, any);
   WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
     INSERT INTO item SELECT i, 'item ' || i, randomblob(i % 900), i / 7.0, iif(i % 3, 9007199254740993 + i, 'ü') FROM n;`;

const richSchema = `
  PRAGMA application_id = 1213481028; PRAGMA user_version = 42;
  ${rows(500)}
  CREATE TABLE "odd ""name" (k TEXT, n INTEGER, v, PRIMARY KEY (k, n)) WITHOUT ROWID;
  INSERT INTO "odd ""name" VALUES ('b', 2, NULL), ('a', 1, x'00ff00'), ('a', 0, 'with' || char(0) || 'zero');
  CREATE TABLE shadowed (rowid TEXT, oid TEXT); INSERT INTO shadowed VALUES ('x', 'y');
  CREATE TABLE sequenced (id INTEGER PRIMARY KEY AUTOINCREMENT, a); INSERT INTO sequenced (a) VALUES (1), (2);
  DELETE FROM sequenced WHERE a = 2;
  CREATE TABLE made (a INTEGER, b INTEGER GENERATED ALWAYS AS (a * 2) VIRTUAL, c TEXT AS (a || '!') STORED);
  INSERT INTO made (a) VALUES (1), (2), (3);
  CREATE VIRTUAL TABLE note USING fts5 (title, body); INSERT INTO note VALUES ('one', 'first note'), ('two', 'second');
  CREATE VIRTUAL TABLE place USING rtree (id, x0, x1); INSERT INTO place VALUES (1, 0.5, 1.5);
  CREATE INDEX item_price ON item (price) WHERE price > 3;
  CREATE VIEW cheap AS SELECT * FROM item WHERE price < 3;
  CREATE TRIGGER item_gone AFTER DELETE ON item BEGIN INSERT INTO sequenced (a) VALUES (old.id); END;
  DELETE FROM item WHERE id % 5 = 0;
  ANALYZE;`;

/** Captures and holds the copy against dump and witness, and for equal pages against the file. */
async function assertCaptured(path: string): Promise<string> {
  const copy = workplace.path();
  const { witnessed } = await capture(path, copy);
  assert.deepEqual(witnessed.damage, []);
  assert.deepEqual(await compareCopy(path, witnessed, copy), []);
  assert.equal(dump(copy, "immutable"), dump(path));
  return copy;
}

describe("every kind of database", () => {
  for (const pageBytes of [512, 1024, 4096, 32768, 65536]) {
    for (const journal of ["wal", "delete"]) {
      it(`R002: pages of ${pageBytes} bytes, ${journal}`, async () => {
        const path = workplace.path();
        makeDatabase(path, `PRAGMA page_size = ${pageBytes}; PRAGMA journal_mode = ${journal}; ${richSchema}`);
        const writer = new DatabaseSync(path);
        writer.exec("UPDATE item SET price = price + 1 WHERE id % 3 = 0; INSERT INTO note VALUES ('three', 'third')");
        const copy = await assertCaptured(path);
        assert.equal(parseHeader(readFileSync(copy))?.journal, journal === "wal" ? "wal" : "rollback");
        writer.close();
        // Nobody has it open now and the log is in the file: the stream is the file, byte for byte.
        await assertCaptured(path);
        const last = workplace.path();
        await capture(path, last);
        assert.ok(readFileSync(last).equals(readFileSync(path)));
      });
    }
  }

  const shapes: Record<string, string> = {
    "UTF-16 little-endian": `PRAGMA encoding = 'UTF-16le'; ${richSchema}`,
    "UTF-16 big-endian": `PRAGMA encoding = 'UTF-16be'; ${richSchema}`,
    "auto_vacuum full": `PRAGMA auto_vacuum = 1; ${richSchema}`,
    "auto_vacuum incremental": `PRAGMA auto_vacuum = 2; ${richSchema} PRAGMA incremental_vacuum (3);`,
    "after VACUUM": `${richSchema} VACUUM;`,
    "no tables": "PRAGMA user_version = 3;",
  };
  for (const [name, sql] of Object.entries(shapes)) {
    it(`R002: ${name}`, async () => {
      const path = workplace.path();
      makeDatabase(path, sql);
      await assertCaptured(path);
    });
  }

  for (const name of [`quote ' " and space.db`, "per%41cent?x=1#y.db", "ünï ;&$(x).db", "new\nline.db"]) {
    it(`R002: the path ${JSON.stringify(name)}`, async () => {
      const path = workplace.path(name);
      makeDatabase(path, `PRAGMA journal_mode = wal; ${rows(10)}`);
      await assertCaptured(path);
    });
  }

  it("a path that is no UTF-8, with every byte that a URI could mistake", () => {
    const path = Buffer.concat([Buffer.from(workplace.path("%41?#&")), Buffer.from([0xff, 0x0a, 0x25, 0xc3])]);
    makeDatabase(path, rows(10));
    const database = new DatabaseSync(databaseUri(path, "ro"), { readOnly: true });
    assert.equal(database.prepare("SELECT count(*) AS count FROM item").get()?.["count"], 10);
    database.close();
    assert.throws(() => new DatabaseSync(databaseUri(Buffer.from(workplace.path("none")), "rw")));
  });

  it("journal modes that leave no file: memory and off", async () => {
    for (const journal of ["memory", "off"]) {
      const path = workplace.path();
      const writer = new DatabaseSync(path);
      writer.exec(`PRAGMA journal_mode = ${journal}; ${rows(100)}`);
      // Begun and not committed: none of it may show.
      writer.exec("BEGIN; DELETE FROM item");
      const copy = workplace.path();
      await capture(path, copy);
      writer.exec("ROLLBACK");
      writer.close();
      assert.equal(dump(copy), dump(path));
    }
  });

  it("a log larger than the database file, with pages that only the log has", async () => {
    const path = workplace.path();
    const writer = new DatabaseSync(path);
    writer.exec(`PRAGMA journal_mode = wal; PRAGMA wal_autocheckpoint = 0; ${rows(5000)} UPDATE item SET price = -1;`);
    assert.ok(statSync(`${path}-wal`).size > 20 * statSync(path).size);
    await assertCaptured(path);
    writer.close();
  });

  it("a log of which a reader keeps a part from going back", async () => {
    const path = workplace.path();
    const writer = new DatabaseSync(path);
    writer.exec(`PRAGMA journal_mode = wal; PRAGMA wal_autocheckpoint = 0; ${rows(500)}`);
    const reader = new DatabaseSync(path);
    reader.exec("BEGIN; SELECT * FROM item");
    reader.prepare("SELECT count(*) FROM item").get();
    writer.exec("UPDATE item SET price = -1");
    writer.exec("PRAGMA wal_checkpoint(PASSIVE)");
    await assertCaptured(path);
    reader.exec("COMMIT");
    writer.exec("PRAGMA wal_checkpoint(RESTART); DELETE FROM item WHERE id = 7");
    // The log begins anew: behind its one transaction lie old frames with other salts.
    assert.ok(statSync(`${path}-wal`).size > 100_000);
    await assertCaptured(path);
    reader.close();
    writer.close();
  });

  it("R205: owner, mode and time of the file come with the stream", async () => {
    const path = workplace.path();
    makeDatabase(path, rows(3));
    chmodSync(path, 0o640);
    utimesSync(path, 1_600_000_000, 1_600_000_000);
    await using open = await sqlite.open(sqlite.options.parse(path), testContext());
    const entry = open.entries[0];
    assert.ok(entry?.kind === "stream");
    assert.equal(entry.mode, 0o640);
    assert.equal(entry.uid, statSync(path).uid);
    assert.equal(entry.mtimeNs, 1_600_000_000n * 1_000_000_000n);
    assert.deepEqual(entry.hint, { kind: "pages", runBytes: 4096, doublesAtBytes: 2 ** 30 });
    assert.equal(open.consistency, "transaction");
    assert.deepEqual(sqlite.companions(Buffer.from("/x/y.db")).map(String), [
      "/x/y.db-wal",
      "/x/y.db-shm",
      "/x/y.db-journal",
    ]);
  });

  it("an empty file is an empty database, and said to be one", async () => {
    const path = workplace.path();
    makeDatabase(path, "");
    assert.equal(statSync(path).size, 0);
    const copy = workplace.path();
    const { witnessed, warnings, sizeBytes } = await capture(path, copy);
    assert.equal(sizeBytes, 0);
    assert.match(warnings[0] ?? "", /is empty/);
    assert.deepEqual(await compareCopy(path, witnessed, copy), []);
  });

  it("property: any small history, in any mode, with the log at any length", { timeout: 120_000 }, async () => {
    const value = fc.oneof(fc.integer(), fc.double({ noNaN: true }), fc.string(), fc.constant(null), fc.uint8Array());
    const step = fc.oneof(
      fc.record({ kind: fc.constant("put" as const), table: fc.nat(2), id: fc.nat(40), value }),
      fc.record({ kind: fc.constant("delete" as const), table: fc.nat(2), id: fc.nat(40) }),
      fc.record({ kind: fc.constant("checkpoint" as const), how: fc.constantFrom("PASSIVE", "RESTART", "TRUNCATE") }),
      fc.record({ kind: fc.constant("vacuum" as const) }),
    );
    const history = fc.record({
      journal: fc.constantFrom("wal", "delete", "persist"),
      pageBytes: fc.constantFrom(512, 4096, 65536),
      autoVacuum: fc.nat(2),
      steps: fc.array(step, { maxLength: 60 }),
    });
    const run = async ({
      journal,
      pageBytes,
      autoVacuum,
      steps,
    }: typeof history extends fc.Arbitrary<infer T> ? T : never) => {
      const path = workplace.path();
      const writer = new DatabaseSync(path);
      writer.exec(
        `PRAGMA page_size = ${pageBytes}; PRAGMA auto_vacuum = ${autoVacuum}; PRAGMA journal_mode = ${journal};`,
      );
      for (const table of [0, 1, 2]) {
        const ending = table === 2 ? "WITHOUT ROWID" : "";
        writer.exec(
          `CREATE TABLE t${table} (id INTEGER PRIMARY KEY, v) ${ending}; CREATE INDEX i${table} ON t${table} (v)`,
        );
      }
      for (const each of steps) {
        if (each.kind === "checkpoint") writer.exec(`PRAGMA wal_checkpoint(${each.how})`);
        else if (each.kind === "vacuum") writer.exec("VACUUM");
        else if (each.kind === "delete") writer.prepare(`DELETE FROM t${each.table} WHERE id = ?`).run(each.id);
        else writer.prepare(`INSERT OR REPLACE INTO t${each.table} VALUES (?, ?)`).run(each.id, each.value);
      }
      await assertCaptured(path);
      writer.close();
    };
    await fc.assert(fc.asyncProperty(history, run), { numRuns: 25 });
  });

  it("options: a path, or path and busy_timeout; anything else is refused", () => {
    const file = join(workplace.directory, "x.db");
    assert.deepEqual(sqlite.options.parse(file), { path: file, busy_timeout: "30s" });
    assert.deepEqual(sqlite.options.parse({ path: file }), { path: file, busy_timeout: "30s" });
    const refused = [
      "x.db",
      "",
      { path: file, busy_timeout: 30 },
      { path: file, busy_timeout: "30" },
      { path: file, busy_timeout: "61m" },
      { path: file, timeout: "3s" },
      { path: "/a\0b" },
    ];
    for (const bad of refused) assert.equal(sqlite.options.safeParse(bad).success, false, JSON.stringify(bad));
  });
});
