// The check of the shop's database finds each kind of harm, and nothing in a database that is whole.

import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { rawPath } from "../filesystem/raw-path.ts";
import { inspectShop, makeShopDatabase, ShopConnection } from "./shop-database.ts";

const base = mkdtempSync(join(tmpdir(), "holdfast-shop-"));
const whole = join(base, "whole.db");
const path = join(base, "shop.db");
before(() => makeShopDatabase(rawPath(whole), 2000));
beforeEach(() => copyFileSync(whole, path));
afterEach(() => {
  for (const ending of ["", "-wal", "-shm"]) rmSync(path + ending, { force: true });
});
after(() => rmSync(base, { recursive: true }));

function change(statement: string): void {
  using database = new DatabaseSync(path);
  assert.ok(database.prepare(statement).run().changes > 0);
}

function assertFound(pattern: RegExp, least = 2000): void {
  const { problems } = inspectShop(rawPath(path), least);
  assert.ok(
    problems.some((problem) => pattern.test(problem)),
    problems.join("\n"),
  );
}

describe("the check of the shop's database", () => {
  it("finds nothing in what the application wrote", () => {
    {
      using shop = new ShopConnection(rawPath(path));
      for (let id = 2001; id <= 2010; id++) assert.equal(shop.transfer(), id);
    }
    assert.deepEqual(inspectShop(rawPath(path), 2010), { rows: 2010, problems: [] });
  });

  it("finds that there are too few rows, though they agree", () => assertFound(/2000 transfers instead of 2001/, 2001));

  it("finds rows that were deleted", () => {
    using shop = new ShopConnection(rawPath(path));
    assert.equal(shop.deleteTransfers(), 1000);
    assertFound(/1000 transfers instead/);
    assertFound(/transfer 2 is missing/, 0);
  });

  it("finds a row that was changed", () => {
    change("UPDATE transfer SET memo = memo || ' ' WHERE id = 1234");
    assertFound(/transfer 1234 is missing, or not what was written/);
  });

  it("finds a transaction that is there by half", () => {
    change("UPDATE account SET balance = balance - 1 WHERE id = 77");
    assertFound(/1 balances are not/);
  });

  it("finds a page of garbage, an end that is missing, an empty file, and none", () => {
    const garbage = Buffer.alloc(4096, 0xa5);
    for (const page of [2, 5, 20]) {
      copyFileSync(whole, path);
      writePage(page, garbage);
      assertFound(/integrity_check|cannot be read/);
    }
    copyFileSync(whole, path);
    truncateSync(path, statSync(path).size - 4096);
    assertFound(/integrity_check|cannot be read/);
    writeFileSync(path, "");
    assertFound(/cannot be read/);
    rmSync(path);
    assertFound(/missing/);
  });
});

function writePage(page: number, content: Buffer): void {
  const bytes = readFileSync(path);
  content.copy(bytes, page * content.length);
  writeFileSync(path, bytes);
}
