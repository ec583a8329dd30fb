// Holds the shop's database: the same in every run, changed as said, and a writer whose word can be trusted.
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, describe, it } from "node:test";
import { setTimeout } from "node:timers/promises";
import { LiveLoad } from "./live-load.ts";
import { OrdersDatabase } from "./orders-database.ts";

const mebibyte = 2 ** 20;
const directory = mkdtempSync(join(tmpdir(), "holdfast-orders-test-"));
after(() => rmSync(directory, { recursive: true }));

function made(name: string, change: (database: OrdersDatabase) => void): string {
  const path = join(directory, name);
  OrdersDatabase.make(path, mebibyte);
  using database = new OrdersDatabase(path, 2);
  change(database);
  return path;
}

function ask(path: string, sql: string, ...values: number[]): unknown {
  const database = new DatabaseSync(path, { readOnly: true });
  const row = database.prepare(sql).get(...values);
  database.close();
  return Object.values(row ?? {})[0];
}

describe("the shop's database", () => {
  it("is the same in every run, after the same changes too", () => {
    const [one, other] = ["one.db", "other.db"].map((name) => made(name, (database) => database.updateMany(20)));
    assert.ok(one && other);
    assert.ok(readFileSync(one).equals(readFileSync(other)));
    assert.deepEqual(
      readdirSync(directory).filter((name) => !name.endsWith(".db")),
      [],
    );
  });

  it("has the size that was asked for, grows by what is asked for, and survives VACUUM", () => {
    const path = made("grown.db", () => {});
    const sizeBytes = statSync(path).size;
    assert.ok(sizeBytes >= mebibyte && sizeBytes < 1.02 * mebibyte, `${sizeBytes} bytes`);
    const orders = Number(ask(path, "SELECT count(*) FROM orders"));
    {
      using database = new OrdersDatabase(path, 3);
      database.growBy(mebibyte / 2);
      database.vacuum();
    }
    assert.ok(statSync(path).size > 1.4 * mebibyte && statSync(path).size < 1.6 * mebibyte);
    assert.ok(Number(ask(path, "SELECT count(*) FROM orders")) > 1.3 * orders);
    assert.equal(ask(path, "PRAGMA integrity_check"), "ok");
  });

  it("is written by another process, which acknowledges what is committed, and times it", async () => {
    const path = made("live.db", () => {});
    const fromMs = Date.now();
    let acknowledged = 0;
    {
      await using load = await LiveLoad.start(path, 100);
      for (let tries = 0; load.acknowledgedEvent() === 0 && tries < 100; tries++) await setTimeout(20);
      await setTimeout(500);
      acknowledged = load.acknowledgedEvent();
      assert.equal(ask(path, "SELECT count(*) FROM events WHERE id <= ?", acknowledged), acknowledged);
      const { commits, medianMs, p99Ms, slowestMs, logBytes } = load.period(fromMs, Date.now());
      assert.ok(commits > 10 && medianMs > 0 && medianMs <= p99Ms && p99Ms <= slowestMs && logBytes > 0);
      assert.equal(load.period(0, fromMs).commits, 0);
    }
    assert.ok(Number(ask(path, "SELECT count(*) FROM events")) >= acknowledged);
  });

  it("tells when the writer cannot start", async () => {
    await assert.rejects(LiveLoad.start(join(directory, "nothing", "here.db"), 100), /the writer ended with 1/);
  });
});
