// Faults around a stack: keys, configuration, locks of the repository, full disks. Each is said, and harms nothing.
import assert from "node:assert/strict";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { expectStatus, jsonLines } from "./support/programs.ts";
import { noise } from "./support/sample-tree.ts";
import { SmallFileSystem } from "./support/small-file-system.ts";
import { StackPlace, until } from "./support/stack-place.ts";
import { assertSameFacts, treeFacts } from "./support/tree-facts.ts";

const mebibyte = 1024 * 1024;
let place: StackPlace;

function atStart(): void {
  place = new StackPlace("stack-faults");
  place.application.make("one");
  place.prepare();
}

const everyVerb = (): string[][] => [
  ["backup", "app"],
  ["restore", "app"],
  ["restore", "app", "--in-place", "--yes"],
  ["drill", "app"],
];

/** Each verb ends so, says what was wrong and what to do, and changes nothing of the application. */
function allRefuse(status: number, said: RegExp, facts: readonly string[]): void {
  for (const words of everyVerb()) {
    const outcome = expectStatus(place.verb(words), status);
    assert.match(outcome.stderr, said);
    assert.match(outcome.stderr, /\n {2}→ /, "it says what to do");
    assert.ok(outcome.seconds < 20);
    assertSameFacts(treeFacts(place.application.directory), facts);
  }
  assert.deepEqual(place.journal(), []);
}

describe("a stack whose repository cannot be opened", () => {
  beforeEach(atStart);
  afterEach(() => place[Symbol.dispose]());

  it("R191 R334: a wrong password is 12, soon, before anything is touched", () => {
    place.point();
    place.application.become("two");
    const facts = treeFacts(place.application.directory);
    writeFileSync(place.passwordFile, "some other words and 8 numbers\n");
    allRefuse(12, /wrong password/i, facts);
  });

  it("a missing one is 10, and nothing is made in its place", () => {
    place.point();
    rmSync(place.repository, { recursive: true });
    allRefuse(10, /repository/, treeFacts(place.application.directory));
    assert.throws(() => readdirSync(place.repository), { code: "ENOENT" });
  });

  it("R114 R332: a password file that is missing or empty is 2, and named", () => {
    place.point();
    const facts = treeFacts(place.application.directory);
    rmSync(place.passwordFile);
    allRefuse(2, /password/, facts);
    writeFileSync(place.passwordFile, "\n");
    allRefuse(2, /empty/, facts);
  });

  it("one that another process has for itself is 11, and --retry-lock waits for it", async () => {
    place.write("app/uploads/large", noise("large", 30 * mebibyte));
    place.point();
    const checking = place.start(["check", "--read-data"]);
    await until("the lock of the check", () => place.isLocked());
    checking.kill("SIGSTOP");
    try {
      const refused = expectStatus(place.verb(["backup", "app"]), 11);
      assert.match(refused.stderr, new RegExp(`${checking.pid}`), "it names who has it");
      const waiting = place.startVerb(["backup", "app", "--retry-lock", "1m"]);
      await new Promise((resolve) => setTimeout(resolve, 1500));
      assert.equal(waiting.child.exitCode, null);
      checking.kill("SIGCONT");
      expectStatus(await checking.ended(), 0);
      expectStatus(await waiting.ended(), 0);
    } finally {
      checking.kill("SIGKILL");
    }
  });
});

describe("a configuration that is wrong", () => {
  beforeEach(atStart);
  afterEach(() => place[Symbol.dispose]());

  it("is 2 with file, line and nearest name, whatever the verb, and nothing is done", () => {
    const text = readFileSync(place.configurationFile, "utf8");
    const wrong: [string, RegExp][] = [
      [text.replace('"uploads": {', '"uploads": { "optinal": true,'), /holdfast\.yml:\d+.*optinal[^]*optional/],
      [text.replace('"password_file"', '"password"'), /password/],
      [text.replace(/"local": \{\}/, '"lokal": {}'), /lokal[^]*local/],
      [text.slice(0, -20), /holdfast\.yml/],
    ];
    const facts = treeFacts(place.application.directory);
    const verbs = [...everyVerb(), ["undo", "app", "--yes"]];
    for (const [at, [content, said]] of wrong.entries()) {
      writeFileSync(place.configurationFile, content);
      for (const words of [verbs[at] ?? [], verbs[at + 1] ?? []]) {
        assert.match(expectStatus(place.verb(words), 2).stderr, said);
      }
    }
    assertSameFacts(treeFacts(place.application.directory), facts);
    assert.deepEqual(place.snapshots(), []);
    writeFileSync(place.configurationFile, text);
    assert.match(place.ends(2, "backup", "ap").stderr, /"ap"[^]*app/);
    place.point();
    assert.match(place.ends(2, "restore", "app", "--in-place").stderr, /--yes/);
    assert.match(place.ends(2, "restore", "app", "--in-place", "--yes", "--to", "/x").stderr, /--to/);
    rmSync(place.configurationFile);
    assert.match(place.ends(2, "backup", "app").stderr, /holdfast\.yml/);
  });
});

describe("a full disk", () => {
  beforeEach(atStart);
  afterEach(() => place[Symbol.dispose]());

  /** Fills what is left. */
  function fill(directory: string): void {
    try {
      writeFileSync(path.join(directory, "filler"), Buffer.alloc(512 * mebibyte));
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, "ENOSPC");
    }
  }

  it("under the repository, is a clean failure: the points before are whole, and with space the next is good", () => {
    using disk = new SmallFileSystem(place.at("disk"), 16 * mebibyte);
    cpSync(place.repository, path.join(disk.directory, "repository"), { recursive: true });
    place.repository = path.join(disk.directory, "repository");
    place.configure();
    const good = place.point();
    place.write("app/uploads/large", noise("large", 30 * mebibyte));
    const outcome = expectStatus(place.verb(["backup", "app"]), 1);
    assert.match(outcome.stderr, /space/);
    assert.match(outcome.stderr, /\n {2}→ /);
    assert.deepEqual(place.snapshots(), [good]);
    assert.notEqual(place.check("--no-lock").verdict, "damaged");
    disk.resize(100 * mebibyte);
    place.point();
    assert.notEqual(place.check("--read-data").verdict, "damaged");
    place.ends(0, "drill", "app");
  });

  it("R334: under the target, is seen before anything is written there, and said with both sizes", () => {
    place.write("app/uploads/large", noise("large", 10 * mebibyte));
    const id = place.point();
    using disk = new SmallFileSystem(place.at("disk"), 8 * mebibyte);
    const target = expectStatus(place.verb(["restore", id, "--to", path.join(disk.directory, "target")]), 1);
    assert.match(target.stderr, /MiB are needed in .*disk.*, and .* are free/);
    const sandbox = expectStatus(place.verb(["drill", "app", "--sandbox", path.join(disk.directory, "sandbox")]), 1);
    assert.match(sandbox.stderr, /are needed in/);
    const left = readdirSync(disk.directory, { recursive: true, withFileTypes: true }).filter((each) => each.isFile());
    assert.deepEqual(left, []);
    assert.deepEqual(place.journal(), []);
  });

  it("R334: under one of several targets, is seen as well, and nothing in place is touched", () => {
    using disk = new SmallFileSystem(place.at("disk"), 8 * mebibyte);
    const folder = path.join(disk.directory, "folder");
    mkdirSync(folder);
    writeFileSync(path.join(folder, "large"), noise("large", 5 * mebibyte));
    place.configure({ ...place.sources, folder: { files: [folder] } });
    const id = place.point();
    place.application.become("two");
    const outcome = expectStatus(place.verb(["restore", id, "--in-place", "--yes"]), 1);
    assert.match(outcome.stderr, /5\.\d+ MiB are needed in .*disk/);
    assert.deepEqual(place.application.generations(), ["two"]);
    assert.deepEqual([place.journal(), place.restoreRemains(), readdirSync(disk.directory)], [[], [], ["folder"]]);
    disk.resize(20 * mebibyte);
    place.ends(0, "restore", id, "--in-place", "--yes");
    assert.deepEqual(place.application.generations(), ["one"]);
  });

  it("under the state directory: a backup is made all the same, with a warning; nothing is replaced", () => {
    place.point();
    using disk = new SmallFileSystem(place.at("disk"), 2 * mebibyte);
    place.stateDirectory = path.join(disk.directory, "state");
    place.configure();
    place.point();
    fill(disk.directory);
    const outcome = expectStatus(place.verb(["backup", "app", "--json"]), 0);
    const warnings = jsonLines(outcome.stderr).map((line) => String(line["message"]));
    assert.ok(
      warnings.some((text) => /space|full/.test(text)),
      JSON.stringify(warnings),
    );
    const id = place.snapshots().at(-1) ?? "";
    assert.equal(place.manifest(id).outcome, "good");
    place.application.become("two");
    const refused = expectStatus(place.verb(["restore", id, "--in-place", "--yes"]), 1);
    assert.match(refused.stderr, /space/);
    assert.deepEqual(place.application.generations(), ["two"]);
    assert.deepEqual(place.restoreRemains(), []);
    rmSync(path.join(disk.directory, "filler"));
    place.ends(0, "restore", id, "--in-place", "--yes");
    fill(disk.directory);
    const undone = place.verb(["undo", "app", "--yes"]);
    assert.match(undone.stderr, /space/);
    assert.equal(undone.status, 1);
    assert.deepEqual(place.application.generations(), ["one"]);
    rmSync(path.join(disk.directory, "filler"));
    place.ends(0, "undo", "app", "--yes");
    assert.deepEqual(place.application.generations(), ["two"]);
  });

  it("under a state directory that has to be made, keeps no backup from being made", () => {
    using disk = new SmallFileSystem(place.at("disk"), 1 * mebibyte);
    fill(disk.directory);
    place.stateDirectory = path.join(disk.directory, "state");
    place.configure();
    const outcome = place.verb(["backup", "app", "--json"]);
    expectStatus(outcome, 0);
    assert.ok(jsonLines(outcome.stderr).some((line) => line["message_type"] === "warning"));
  });
});
