// kill -9 at random moments of backups under writing: no lock stays, what was stored is whole, the next one is good.
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { writerFile } from "./support/application-writer.ts";
import { inCopy } from "./support/application.ts";
import { expectStatus, isLong } from "./support/programs.ts";
import type { Running } from "./support/programs.ts";
import { killAtRandom, PinWatch } from "./support/killing.ts";
import { noise } from "./support/sample-tree.ts";
import { pinProcessesOf, StackPlace, until } from "./support/stack-place.ts";

const kills = isLong ? 60 : 8;
describe("a backup of a stack under writing that is killed", () => {
  const place = new StackPlace("stack-kill-backup");
  const { application } = place;
  let writer: Running;
  let backupMs = 0;
  before(async () => {
    application.make("one", 20_000);
    place.write("app/uploads/large", noise("large", 8_000_000));
    place.prepare();
    writer = place.startProgram(process.execPath, [writerFile, application.database]);
    await until("the first transactions", () => acknowledged() > 20);
    const started = performance.now();
    place.point();
    backupMs = performance.now() - started;
  });
  after(() => place[Symbol.dispose]());

  function acknowledged(): number {
    return Number(writer.stdoutSoFar.trimEnd().split("\n").at(-1) || 0);
  }

  /** As another program would: at once, while the writer goes on. */
  function checkpoint(why: string): void {
    using database = new DatabaseSync(application.database, { timeout: 2000 });
    const row = database.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get();
    assert.equal(row?.["busy"], 0, `${why}: a reader still holds the log`);
  }

  /** The newest point comes back, with all that was acknowledged before it was made, and nothing torn. */
  function comesBack(snapshot: string, atLeast: number, folder: string): void {
    place.ends(0, "restore", snapshot, "--to", place.at(folder));
    inCopy(place.at(folder, "database", application.database), (database) => {
      const one = (sql: string): unknown => Object.values(database.prepare(sql).get() ?? {})[0];
      assert.equal(one("PRAGMA integrity_check"), "ok");
      assert.equal(one("SELECT sum(balance) FROM account"), 0);
      assert.equal(one("SELECT count(*) - max(id) FROM move"), 0, "no transaction is missing in between");
      assert.ok(Number(one("SELECT max(id) FROM move")) >= atLeast, "what was acknowledged before is there");
    });
  }

  it(`${kills} times, harms nothing: no lock, no pin stays, earlier points are whole, the next is good`, async () => {
    let killed = 0;
    let pinned = 0;
    for (let turn = 0; turn < kills; turn++) {
      place.write(`app/uploads/turn ${turn}`, noise(`turn ${turn} ${Math.random()}`, 3_000_000));
      const running = place.startVerb(["backup", "app"]);
      await using watch = new PinWatch(running.pid);
      const isPinned = (): boolean => watch.seen.size > 0;
      const { outcome, waitMs } =
        turn % 2 === 0 ? await killAtRandom(running, backupMs) : await killAtRandom(running, backupMs / 4, isPinned);
      if (outcome.signal === "SIGKILL") killed++;
      if (watch.seen.size > 0) pinned++;
      const why = `turn ${turn}, killed after ${waitMs} ms`;
      await watch.gone();
      checkpoint(why);
      const { verdict, findings } = place.check();
      assert.notEqual(verdict, "damaged", `${why}: ${JSON.stringify(findings)}`);
      if (turn % 4 !== 3) continue;
      const before = acknowledged();
      const id = place.point();
      comesBack(id, before, `back ${turn}`);
      assert.notEqual(place.check("--read-data").verdict, "damaged", why);
      expectStatus(place.restic(["unlock"]), 0);
      place.resticChecks();
    }
    assert.ok(killed > kills / 3, `only ${killed} of ${kills} were killed in time`);
    assert.ok(pinned > 0, "none was killed while it held the database");
    assert.equal(writer.child.exitCode, null, "the writer was never disturbed");
  });

  it("because its pin process was killed, says so, fails with 1, and calls no database good that is not", async () => {
    let failed = 0;
    for (let turn = 0; turn < (isLong ? 20 : 4); turn++) {
      const running = place.startVerb(["backup", "app", "--json"]);
      await until("the process that holds the database", () => pinProcessesOf(running.pid).length > 0);
      const waitMs = Math.floor(Math.random() * 500 * (turn / 2));
      await sleep(waitMs);
      const [pin] = pinProcessesOf(running.pid);
      if (pin !== undefined) process.kill(pin, "SIGKILL");
      const outcome = await running.ended();
      const { database, uploads } = place.sourcesOf(outcome);
      const { snapshot_id: id } = JSON.parse(outcome.stdout.toString().trim().split("\n").at(-1) ?? "{}") as {
        snapshot_id: string;
      };
      if (outcome.status === 0) {
        comesBack(id, 0, `pinless ${turn}`); // it had been released before
        continue;
      }
      failed++;
      expectStatus(outcome, 1);
      assert.match(String(database?.["reason"]), /process that holds the database/);
      assert.equal(uploads?.["outcome"], "good", "the rest is stored");
      assert.equal(place.manifest(id).outcome, "partial");
      expectStatus(place.verb(["restore", id, "--source", "database", "--to", place.at("none")]), 1);
    }
    assert.ok(failed > 0);
    checkpoint("after all");
  });
});
