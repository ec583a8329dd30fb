// Faults of the source: files that cannot be read, vanish, or change while they are read.
import assert from "node:assert/strict";
import { appendFileSync, chmodSync, mkdirSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { expectStatus, jsonLines, mainFile, message, run, Running } from "./support/programs.ts";
import type { Outcome } from "./support/programs.ts";
import { makeOrdinaryTree, noise } from "./support/sample-tree.ts";
import { assertSameTree, sha256Of } from "./support/tree-facts.ts";
import { Workplace } from "./support/workplace.ts";

const nobody = 65534;

describe("a source with files that this user may not read", () => {
  const place = new Workplace("unreadable");
  const repository = place.at("nobody", "repository");

  /** Holdfast as a user without rights: its code is loaded before the rights are given away. */
  function asNobody(...words: string[]): Outcome {
    const start = `
      await import("@holdfast/repository");
      process.setgroups([]);
      process.setgid(${nobody});
      process.setuid(${nobody});
      process.argv.splice(1, process.argv.length, ${JSON.stringify(mainFile)}, ...${JSON.stringify(words)});
      await import(${JSON.stringify(mainFile)});`;
    place.write(
      "nobody.mjs",
      start.replace('"@holdfast/repository"', JSON.stringify(import.meta.resolve("@holdfast/repository"))),
    );
    const environment = { ...place.environment, HOME: place.at("nobody"), XDG_CACHE_HOME: place.at("nobody", "cache") };
    return run(process.execPath, [place.at("nobody.mjs")], { cwd: place.at("source"), environment });
  }

  before(() => {
    mkdirSync(place.at("nobody"));
    run("chown", [String(nobody), place.at("nobody")]);
    place.write("source/readable", "everybody's");
    place.write("source/secret", "root's");
    place.write("source/closed folder/inside", "root's");
    chmodSync(place.at("source", "secret"), 0o600);
    chmodSync(place.at("source", "closed folder"), 0o700);
    expectStatus(asNobody("repo", "-r", repository, "init"), 0);
  });
  after(() => place[Symbol.dispose]());

  it("ends with 3, names each of them, and stores the others", () => {
    const outcome = expectStatus(asNobody("repo", "-r", repository, "backup", "--json", place.at("source")), 3);
    const items = jsonLines(outcome.stderr)
      .filter((line) => line["message_type"] === "error")
      .map((line) => String(line["item"]));
    assert.deepEqual(items.toSorted(), [place.at("source", "closed folder"), place.at("source", "secret")]);
    const id = String(message(outcome, "summary")["snapshot_id"]);
    const listed = expectStatus(asNobody("repo", "-r", repository, "ls", id), 0).stdout.toString();
    assert.ok(listed.includes("/source/readable"));
    assert.ok(!listed.includes("inside"));
    place.repository = repository;
    place.resticChecks();
  });

  it("ends with 3 for a path that is not there, and with 1 when nothing is", () => {
    const some = expectStatus(asNobody("repo", "-r", repository, "backup", "readable", "no such path"), 3);
    assert.match(some.stderr, /no such path/);
    const none = asNobody("repo", "-r", repository, "backup", "no such path");
    assert.match(none.stderr, /no such path/);
    assert.equal(none.status, 1);
  });

  it("ends with 1 when the target may not be written", () => {
    const closed = place.at("closed target");
    mkdirSync(closed, { mode: 0o700 });
    const outcome = expectStatus(asNobody("repo", "-r", repository, "restore", "latest", "--target", `${closed}/x`), 1);
    assert.match(outcome.stderr, /closed target/);
  });
});

describe("a source that does not stand still", () => {
  const place = new Workplace("moving");
  before(() => place.init());
  after(() => place[Symbol.dispose]());

  it("R059: flags a file that never stands still, with exit 3, and stores a state of it", async () => {
    const file = place.write("log/growing", noise("growing", 30_000_000));
    place.write("log/quiet", "quiet");
    const script = `const { appendFileSync } = require("node:fs");
      for (;;) appendFileSync(${JSON.stringify(file)}, "x".repeat(100));`;
    const writer = new Running(process.execPath, ["-e", script], {});
    try {
      const outcome = expectStatus(place.holdfast(["backup", "--json", "log"]), 3);
      const flagged = jsonLines(outcome.stderr).filter((line) => line["during"] === "changed");
      assert.deepEqual(
        flagged.map((line) => line["item"]),
        [path.join(place.directory, "log", "growing")],
      );
      assert.match(String(message(outcome, "summary")["snapshot_id"]), /^[0-9a-f]{64}$/);
    } finally {
      writer.kill("SIGKILL");
      await writer.ended();
    }
    const stored = place.done("dump", "latest", "/log/growing").stdout;
    assert.ok(stored.length >= 30_000_000);
    assert.ok(stored.subarray(0, 30_000_000).equals(noise("growing", 30_000_000)));
    assert.ok(stored.subarray(30_000_000).every((byte) => byte === 0x78));
  });

  it("R059: reads again a file that changed once while it was read, and stores its last state", async () => {
    const file = place.write("once/large", noise("once", 60_000_000));
    const running = place.start(["backup", "--json", "once"]);
    // Opened is soon enough: the read of so large a file takes longer than the change.
    await opened(running, file);
    appendFileSync(file, "one line more\n");
    const outcome = await running.ended();
    expectStatus(outcome, 0);
    const target = place.at("restored once");
    place.done("restore", "latest", "--target", target);
    assert.equal(sha256Of(path.join(target, "once", "large")), sha256Of(file));
  });

  it("says what vanished while the backup ran, and stores the rest", async () => {
    makeOrdinaryTree(place.at("vanishing"));
    for (let file = 0; file < 3000; file++) place.write(`vanishing/zz/many/file ${file}`, noise(`${file}`, 2000));
    const running = place.start(["backup", "--json", "vanishing"]);
    await opened(running, place.at("vanishing"));
    rmSync(place.at("vanishing", "zz"), { recursive: true });
    const outcome = await running.ended();
    assert.ok(outcome.status === 0 || outcome.status === 3, outcome.stderr);
    const named = jsonLines(outcome.stderr).filter((line) => line["message_type"] === "error");
    assert.equal(outcome.status === 3, named.length > 0, "what is missing is named");
    place.done("restore", "latest", "--target", place.at("restored vanishing"));
    rmSync(place.at("restored vanishing", "vanishing", "zz"), { recursive: true, force: true });
    assertSameTree(place.at("restored vanishing", "vanishing", "folder 1"), place.at("vanishing", "folder 1"));
    place.resticChecks();
  });
});

/** Resolves when a process has a file, or something below a folder, open. */
async function opened(running: Running, file: string): Promise<void> {
  const folder = `/proc/${running.pid}/fd`;
  for (const start = performance.now(); performance.now() - start < 20_000;) {
    try {
      if (readdirSync(folder).some((name) => linkOf(`${folder}/${name}`).startsWith(file))) return;
    } catch {
      // it has not begun, or it is over
    }
    if (running.child.exitCode !== null) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.fail(`${file} is never opened`);
}

function linkOf(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    return "";
  }
}
