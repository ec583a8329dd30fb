// Runs that are told to end: signals, readers that go away, a cache that is deleted while it is used.
import assert from "node:assert/strict";
import { readdirSync, rmSync } from "node:fs";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { expectStatus, mainFile } from "./support/programs.ts";
import type { Running } from "./support/programs.ts";
import { makeOrdinaryTree, noise } from "./support/sample-tree.ts";
import { until } from "./support/stack-place.ts";
import { assertSameTree } from "./support/tree-facts.ts";
import { Workplace } from "./support/workplace.ts";

describe("a run that is told to end", () => {
  const place = new Workplace("ending");
  const source = place.at("source");
  before(() => {
    makeOrdinaryTree(source);
    place.write("source/large", noise("ending", 60_000_000));
    place.init();
  });
  after(() => place[Symbol.dispose]());

  /** The run holds its lock: it has begun its work. */
  async function locked(running: Running): Promise<void> {
    for (let turn = 0; place.storeFiles("locks").length === 0; turn++) {
      assert.ok(turn < 1000 && running.child.exitCode === null, "it takes its lock");
      await sleep(10);
    }
  }

  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    it(`by ${signal}, ends a backup with 130, without a snapshot, and gives its lock back`, async () => {
      const running = place.start(["backup", "--force", "source"]);
      await locked(running);
      await sleep(100);
      running.kill(signal);
      const outcome = expectStatus(await running.ended(), 130);
      assert.match(outcome.stderr, new RegExp(`interrupted by ${signal}`));
      assert.ok(outcome.seconds < 10);
      assert.equal(place.storeFiles("locks").length, 0);
      assert.deepEqual(place.snapshots(), []);
    });
  }

  it("by its terminal going away, ends a backup without a snapshot, and gives its lock back", async () => {
    const words = [process.execPath, mainFile, "repo", "-r", place.repository, "backup", "--force", "source"];
    const terminal = place.startProgram("script", ["--quiet", "--command", words.join(" "), "/dev/null"]);
    await locked(terminal);
    await sleep(100);
    terminal.kill("SIGKILL");
    await until("the end of the backup", () => readdirSync(place.at("repository", "locks")).length === 0, 10_000);
    assert.deepEqual(place.snapshots(), []);
  });

  it("by its terminal going away, is not ended when nohup has started it", async () => {
    const launcher = path.resolve(mainFile, "../../../holdfast");
    const words = ["nohup", launcher, "repo", "-r", place.repository, "backup", "--force", "source"];
    const terminal = place.startProgram("script", ["--quiet", "--command", words.join(" "), "/dev/null"]);
    await locked(terminal);
    terminal.kill("SIGKILL");
    await until("the end of the backup", () => readdirSync(place.at("repository", "locks")).length === 0, 20_000);
    const made = place.snapshots();
    assert.equal(made.length, 1);
    place.done("forget", ...made);
  });

  it("not by SIGHUP from a program: that is how `restic unlock` asks whether the owner of a lock lives", async () => {
    const running = place.start(["backup", "--force", "source"]);
    await locked(running);
    for (const which of ["restic", "resticOld"] as const) expectStatus(place.restic(["unlock"], { which }), 0);
    running.kill("SIGHUP");
    assert.equal(place.storeFiles("locks").length, 1, "it runs on, and its lock is still there");
    expectStatus(await running.ended(), 0);
  });

  it("by SIGINT, ends a restore with 130, and gives its lock back", async () => {
    place.backup("source");
    const running = place.start(["restore", "latest", "--target", place.at("interrupted")]);
    await locked(running);
    running.kill("SIGINT");
    expectStatus(await running.ended(), 130);
    assert.equal(place.storeFiles("locks").length, 0);
    place.done("restore", "latest", "--target", place.at("interrupted"));
    assertSameTree(place.at("interrupted", "source"), source);
  });

  it("because nobody reads its output any more, ends without a word and gives its lock back", async () => {
    for (const words of [
      ["dump", "latest", "/source/large"],
      ["ls", "-l", "latest"],
    ]) {
      const running = place.start(words);
      running.child.stdout?.once("data", () => running.child.stdout?.destroy());
      if (words[0] === "ls") running.child.stdout?.destroy();
      const outcome = await running.ended(20_000);
      assert.equal(outcome.status, 1);
      assert.equal(outcome.stderr, "");
      assert.equal(place.storeFiles("locks").length, 0);
    }
  });

  it("finishes though its cache is deleted while it works", async () => {
    const running = place.start(["backup", "--force", "source"]);
    await locked(running);
    let deletions = 0;
    while (running.child.exitCode === null && deletions < 2000) {
      rmSync(place.cacheDirectory, { recursive: true, force: true, maxRetries: 3 });
      deletions++;
      await sleep(3);
    }
    expectStatus(await running.ended(), 0);
    const restore = place.start(["restore", "latest", "--target", place.at("restored")]);
    while (restore.child.exitCode === null) {
      rmSync(place.cacheDirectory, { recursive: true, force: true, maxRetries: 3 });
      await sleep(3);
    }
    expectStatus(await restore.ended(), 0);
    assertSameTree(place.at("restored", "source"), source);
    assert.notEqual(place.check("--read-data").verdict, "damaged");
  });
});
