// `repo prune` beside restic's: the same decisions, repositories that both go on with, refusals that remove nothing.
import assert from "node:assert/strict";
import { cpSync, readdirSync, rmSync } from "node:fs";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { expectStatus, message } from "./support/programs.ts";
import { RestServer } from "./support/rest-server.ts";
import { makeOrdinaryTree, noise } from "./support/sample-tree.ts";
import { SmallFileSystem } from "./support/small-file-system.ts";
import { assertSameFacts, treeFacts } from "./support/tree-facts.ts";
import { Workplace } from "./support/workplace.ts";

const mebibyte = 1024 * 1024;

/** Backups of a tree that changes, by this program; all but the newest are forgotten. */
function makeHistory(place: Workplace, by: "holdfast" | "restic" | "resticOld", version: 1 | 2): void {
  makeOrdinaryTree(place.at("source"));
  place.init(by, version);
  const backUp = (): unknown => (by === "holdfast" ? place.backup("source") : place.resticBackup(by, "source"));
  for (let file = 0; file < 14; file++)
    place.write(`source/noise/${file}`, noise(`${by} ${file}`, 400_000 + file * 170_000));
  backUp();
  for (let file = 0; file < 14; file += 3) rmSync(place.at("source", "noise", String(file)));
  backUp();
  for (let file = 1; file < 14; file += 3) place.write(`source/noise/${file}`, noise(`${by} new ${file}`, 300_000));
  backUp();
  expectStatus(place.restic(["forget", "--keep-last", "1"], { which: by === "resticOld" ? by : "restic" }), 0);
}

/** The lines with figures, which restic words alike. */
function figuresOf(output: Buffer): string[] {
  return output
    .toString()
    .split("\n")
    .map((line) => line.trim().replace(/ +/g, " "))
    .filter((line) => /^(used|duplicates|unused|unreferenced|total|to|this|remaining|totally|partly)\b.*: /.test(line));
}

function assertComesBack(place: Workplace, name: string): void {
  place.done("restore", "latest", "--target", place.at(name));
  assertSameFacts(treeFacts(place.at(name, "source")), treeFacts(place.at("source")));
  rmSync(place.at(name), { recursive: true });
}

describe("prune", () => {
  const place = new Workplace("prune");
  const original = place.at("original");
  before(() => {
    makeHistory(place, "restic", 2);
    cpSync(place.repository, original, { recursive: true });
  });
  after(() => place[Symbol.dispose]());

  for (const words of [
    "",
    "--max-unused 0",
    "--max-unused 30%",
    "--max-unused 0 --max-repack-size 9M",
    "--repack-smaller-than 3M",
  ]) {
    it(`decides as restic does${words === "" ? "" : `, with ${words}`}`, () => {
      const given = ["--dry-run", "-v", "-v", ...words.split(" ").filter(Boolean)];
      const ours = figuresOf(place.done("prune", ...given).stdout);
      const theirs = figuresOf(place.resticDone("prune", ...given).stdout);
      assert.ok(ours.length > 12, ours.join("\n"));
      assert.deepEqual(ours, theirs);
    });
  }

  it("leaves a repository that both go on with, and a cache without what is gone", () => {
    const { stdout } = place.done("prune", "--max-unused", "0", "-v", "-v");
    assert.match(stdout.toString(), /^unused size after prune: 0 B \(0\.00% of remaining size\)$/m);
    assert.match(stdout.toString(), /^repack [0-9a-f]{64} \(partly-used\)$/m);
    assert.match(stdout.toString(), /^\d+ packs? removed, \d+ new packs? written/m);
    place.resticChecks();
    place.resticChecks("resticOld");
    assertComesBack(place, "after our prune");
    const theirs = figuresOf(place.resticDone("prune", "--max-unused", "0", "--dry-run", "-v").stdout);
    assert.ok(theirs.includes("to repack: 0 blobs / 0 B"), "restic finds nothing to repack");
    const stored = new Set(place.storeFiles("data").map((file) => path.basename(file.name)));
    const cached = readdirSync(place.cacheDirectory, { recursive: true, encoding: "utf8" })
      .filter((name) => /\/data\/[0-9a-f]{2}\/[0-9a-f]{64}$/.test(name))
      .map((name) => path.basename(name));
    assert.deepEqual(
      cached.filter((name) => !stored.has(name)),
      [],
    );
  });

  it("keeps to what it promises: by default at most 5 % unused", () => {
    rmSync(place.repository, { recursive: true });
    cpSync(original, place.repository, { recursive: true });
    place.done("prune");
    const { outcome } = place.check();
    const found = message(outcome, "summary");
    const [unused, total] = [Number(found["unused_bytes"]), Number(found["pack_bytes"])];
    assert.ok(unused <= total * 0.05, `${unused} of ${total}`);
    place.resticDone("prune", "--max-unused", "0");
    assert.equal(place.check("--read-data").verdict, "clean");
    assertComesBack(place, "after restic's prune");
  });

  it("needs the repository alone, and waits for it when told to", async () => {
    const reader = place.start(["backup", "--stdin", "--stdin-filename", "slow"]);
    reader.child.stdin?.write("begun\n");
    while (readdirSync(path.join(place.repository, "locks")).length === 0) await sleep(20);
    const refused = expectStatus(place.holdfast(["prune"]), 11);
    assert.match(refused.stderr, /locked/);
    const waiting = place.start(["prune", "--retry-lock", "2m"]);
    reader.child.stdin?.end();
    expectStatus(await reader.ended(), 0);
    expectStatus(await waiting.ended(), 0);
  });

  it("refuses what it does not understand", () => {
    for (const words of [["--max-unused", "100%"], ["--repack-smaller-than", "1G"], ["--no-lock"]])
      expectStatus(place.holdfast(["prune", ...words]), 2);
  });
});

describe("prune of repositories that others wrote", () => {
  for (const [by, version] of [
    ["resticOld", 1],
    ["holdfast", 1],
  ] as const) {
    it(`works on version ${version} from ${by}`, () => {
      using place = new Workplace(`prune-${by}`);
      makeHistory(place, by, version);
      place.done("prune", "--max-unused", "0");
      assert.equal(place.check("--read-data").verdict, "clean");
      place.resticChecks("resticOld");
      assertComesBack(place, "restored");
      const outcome = place.holdfast(["prune", "--repack-uncompressed"]);
      expectStatus(outcome, version === 1 ? 2 : 0);
    });
  }

  it("compresses what a repository of version 1 brought along", () => {
    using place = new Workplace("prune-migrated");
    makeHistory(place, "restic", 1);
    place.resticDone("migrate", "upgrade_repo_v2");
    place.done("prune", "--repack-uncompressed");
    const summary = message(place.done("prune", "--dry-run", "--json"), "summary");
    const { uncompressed, repack } = summary["bytes"] as { uncompressed: number; repack: number };
    // What does not become smaller stays as it is.
    assert.ok(uncompressed > 0);
    assert.equal(repack, 0, "trees are compressed once");
    place.resticChecks();
    assertComesBack(place, "restored");
  });
});

describe("R327: prune where nothing can be removed or written", () => {
  it("refuses an append-only server, before it writes anything but a trial", async () => {
    using place = new Workplace("prune-append-only");
    makeHistory(place, "restic", 2);
    await using server = await RestServer.start(place.directory, "--append-only");
    const before = place.storeFiles("data").map(({ name }) => name);
    const local = place.repository;
    place.repository = server.address("repository");
    const running = place.start(["prune", "--max-unused", "0"]);
    const outcome = expectStatus(await running.ended(), 1);
    assert.match(outcome.stderr, /nothing can be removed from rest:/);
    assert.match(outcome.stderr, /append-only/);
    place.repository = local;
    assert.deepEqual(
      place.storeFiles("data").map(({ name }) => name),
      before,
    );
    place.resticChecks();
  });

  it("on a full disk leaves everything as it was, and says so; with a little space it frees more", () => {
    using place = new Workplace("prune-full");
    using disk = new SmallFileSystem(place.at("disk"), 64 * mebibyte);
    makeHistory(place, "restic", 2);
    moveAcross(place.repository, path.join(disk.directory, "repository"));
    place.repository = path.join(disk.directory, "repository");
    disk.resize(place.storeBytes() + 2 * mebibyte);
    const before = contentsOf(place);
    const failed = expectStatus(place.holdfast(["prune", "--max-unused", "0"]), 1);
    assert.match(failed.stderr, /space/);
    assert.deepEqual(contentsOf(place), before);
    place.done("prune", "--max-repack-size", "0");
    assert.notEqual(place.check("--read-data").verdict, "damaged");
    disk.resize(64 * mebibyte);
    place.done("prune", "--max-unused", "0");
    assert.equal(place.check("--read-data").verdict, "clean");
    assertComesBack(place, "restored");
    place.resticChecks();
  });
});

function moveAcross(from: string, to: string): void {
  cpSync(from, to, { recursive: true });
  rmSync(from, { recursive: true });
}

/** The files of the repository; what was being written has no such name. */
function contentsOf(place: Workplace): string[] {
  return place
    .storeFiles()
    .filter(({ name }) => !name.includes("-tmp-") && !name.startsWith("locks/"))
    .map((file) => `${file.name} ${file.sizeBytes}`);
}
