// Runs at once: two of one stack exclude each other, stacks in one repository do not, readers disturb nobody.
import assert from "node:assert/strict";
import { mkdirSync, rmSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { inCopy } from "./support/application.ts";
import { expectStatus, jsonLines } from "./support/programs.ts";
import type { Outcome, Running } from "./support/programs.ts";
import { noise } from "./support/sample-tree.ts";
import { StackPlace, until } from "./support/stack-place.ts";

/** Keeps a database locked, so that a backup of it stays where it is until this is disposed of. */
class Held implements Disposable {
  readonly #database: DatabaseSync;

  constructor(file: string) {
    this.#database = new DatabaseSync(file);
    this.#database.exec("PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE");
  }

  [Symbol.dispose](): void {
    if (this.#database.isOpen) this.#database.close();
  }
}

describe("two runs of one stack at once", () => {
  const place = new StackPlace("stack-two-runs");
  before(() => {
    place.application.make("one");
    place.configure({
      ...place.sources,
      database: { sqlite: { path: place.application.database, busy_timeout: "60s" } },
    });
    place.environment["RESTIC_PASSWORD"] = "three words and 7 numbers";
    place.init();
  });
  after(() => place[Symbol.dispose]());

  /** A backup that has its locks and waits for the database. */
  async function waiting(): Promise<Running> {
    const running = place.startVerb(["backup", "app", "--json"]);
    await until("the first run's lock", () => place.isLocked());
    await sleep(100);
    return running;
  }

  function refused(outcome: Outcome, holder: Running): void {
    expectStatus(outcome, 11);
    assert.match(
      outcome.stderr,
      new RegExp(`the stack app is locked by process ${holder.pid} \\(backup\\) since \\d{4}-`),
    );
    assert.match(outcome.stderr, /--wait/);
  }

  it("the second backup, restore, drill and undo are refused with 11, naming the holder, and harm nothing", async () => {
    place.point();
    using held = new Held(place.application.database);
    const first = await waiting();
    for (const words of [
      ["backup", "app"],
      ["restore", "app"],
      ["drill", "app"],
      ["undo", "app", "--yes"],
    ]) {
      refused(place.verb(words), first);
    }
    refused(place.verb(["restore", "app", "--in-place", "--yes", "--source", "settings"]), first);
    assert.equal(first.child.exitCode, null);
    held[Symbol.dispose]();
    expectStatus(await first.ended(), 0);
    assert.equal(place.snapshots().length, 2, "the refused ones stored nothing");
    assert.deepEqual(place.application.generations(), ["one"]);
    assert.deepEqual(place.storeFiles("locks"), []);
  });

  it("a check that wants the repository alone is refused, and whoever only looks is not", async () => {
    using held = new Held(place.application.database);
    const first = await waiting();
    expectStatus(place.holdfast(["check"]), 11);
    assert.notEqual(place.check("--no-lock").verdict, "damaged");
    place.done("snapshots");
    place.done("ls", "latest");
    assert.equal(first.child.exitCode, null);
    held[Symbol.dispose]();
    expectStatus(await first.ended(), 0);
  });

  it("the second waits with --wait, and is refused when that is too short", async () => {
    using held = new Held(place.application.database);
    const first = await waiting();
    const second = place.startVerb(["backup", "app", "--wait", "1m"]);
    const restore = place.startVerb(["restore", "app", "--wait", "1m", "--to", place.at("restored")]);
    const started = performance.now();
    refused(place.verb(["backup", "app", "--wait", "1s"]), first);
    assert.ok(performance.now() - started > 1000, "it waited that long");
    assert.deepEqual([first.child.exitCode, second.child.exitCode, restore.child.exitCode], [null, null, null]);
    const before = place.snapshots().length;
    held[Symbol.dispose]();
    for (const running of [first, second, restore]) expectStatus(await running.ended(), 0);
    assert.equal(place.snapshots().length, before + 2);
    inCopy(place.at("restored", "database", place.application.database), (database) =>
      assert.equal(database.prepare("SELECT count(*) AS n FROM fact").get()?.["n"], 4000),
    );
  });

  it("a run that waits ends at once when it is interrupted", async () => {
    using held = new Held(place.application.database);
    const first = await waiting();
    const second = place.startVerb(["backup", "app", "--wait", "1m"]);
    await sleep(1500);
    second.kill("SIGINT");
    const outcome = expectStatus(await second.ended(5000), 130);
    assert.match(outcome.stderr, /interrupted/);
    held[Symbol.dispose]();
    expectStatus(await first.ended(), 0);
  });
});

describe("stacks that share a repository", () => {
  const place = new StackPlace("stack-shared");
  const other = place.at("other");
  before(() => {
    place.application.make("one");
    mkdirSync(other);
    for (let file = 0; file < 20; file++) place.write(`other/${file}`, noise(`other ${file}`, 400_000));
    place.prepare();
    const stack = { sources: { files: { files: [other] } }, plans: { daily: { to: { local: {} } } } };
    place.configure(undefined, {}, { other: stack });
  });
  after(() => place[Symbol.dispose]());

  it("are captured at once, from the first run of this host on", async () => {
    for (let turn = 0; turn < 2; turn++) {
      place.write("other/0", noise(`turn ${turn}`, 3_000_000));
      if (turn === 0) rmSync(place.stateDirectory, { recursive: true, force: true });
      const running = ["app", "other"].map((stack) => place.startVerb(["backup", stack, "--json"]));
      for (const each of running) {
        const outcome = expectStatus(await each.ended(), 0);
        assert.deepEqual(jsonLines(outcome.stderr), [], "nothing is warned of");
      }
    }
    assert.equal(place.snapshots().length, 4);
    assert.equal(place.check("--read-data").verdict, "clean");
    place.resticChecks();
    assert.deepEqual(place.storeFiles("locks"), []);
    for (const stack of ["app", "other"]) place.ends(0, "drill", stack);
  });

  it("one is restored in place while the other is captured and a third run only reads", async () => {
    place.application.become("two");
    const running = [
      place.startVerb(["backup", "other"]),
      place.startVerb(["restore", "app", "--in-place", "--yes"]),
      place.start(["snapshots"]),
      place.start(["ls", "latest"]),
    ];
    for (const each of running) expectStatus(await each.ended(), 0);
    assert.deepEqual(place.application.generations(), ["one"]);
    assert.equal(place.check("--read-data").verdict, "clean");
  });

  it("two drills at once do not remove each other's sandbox", async () => {
    const sandbox = place.at("sandbox");
    const running = ["app", "other"].map((stack) => place.startVerb(["drill", stack, "--sandbox", sandbox]));
    for (const each of running) expectStatus(await each.ended(), 0);
  });
});
