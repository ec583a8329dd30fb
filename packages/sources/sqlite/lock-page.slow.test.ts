// A database beyond 1 GiB: the page with SQLite's lock bytes is part of the file and of no table.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, openSync, readSync, statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { after, describe, it } from "node:test";
import { lockPage } from "./database-file.ts";
import { capture, compareCopy, Workplace } from "./sqlite-fixture.ts";

const workplace = new Workplace();
after(() => workplace[Symbol.dispose]());
const pageBytes = 65_536;

describe("a database of more than 1 GiB", () => {
  it("R002: comes back page by page around the lock page, and with what only the log has", async () => {
    const path = workplace.path();
    const writer = new DatabaseSync(path);
    writer.exec(`PRAGMA page_size = ${pageBytes}; PRAGMA journal_mode = off; PRAGMA synchronous = off;
      CREATE TABLE blob (id INTEGER PRIMARY KEY, bytes BLOB);
      WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1100)
        INSERT INTO blob SELECT i, zeroblob(1000000) FROM n;
      PRAGMA journal_mode = wal;
      INSERT INTO blob SELECT NULL, randomblob(50000) FROM blob LIMIT 20;`);
    assert.ok(statSync(path).size > 2 ** 30 && statSync(`${path}-wal`).size > 1_000_000);
    const copy = workplace.path();
    const { witnessed, sizeBytes } = await capture(path, copy);
    assert.deepEqual(witnessed.damage, []);
    assert.deepEqual(witnessed.facts["integrity"], ["ok"]);
    assert.deepEqual(await compareCopy(path, witnessed, copy), []);
    assert.equal(sizeBytes % pageBytes, 0);
    const locked = Buffer.alloc(pageBytes, 1);
    const descriptor = openSync(copy, "r");
    readSync(descriptor, locked, 0, pageBytes, (lockPage(pageBytes) - 1) * pageBytes);
    closeSync(descriptor);
    assert.ok(locked.equals(Buffer.alloc(pageBytes)));
    // When the application has ended, its file is the captured state.
    writer.close();
    execFileSync("cmp", ["--bytes", String(2 ** 30), "--ignore-initial", String(pageBytes), path, copy]);
  });
});
