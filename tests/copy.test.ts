// Copies between repositories, both ways with restic: everything arrives once, nothing is removed, faults are survived.
import assert from "node:assert/strict";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { MeddlingProxy } from "./support/meddling-proxy.ts";
import type { Outcome } from "./support/programs.ts";
import { expectStatus, message } from "./support/programs.ts";
import { RestServer } from "./support/rest-server.ts";
import { changeOrdinaryTree, makeOrdinaryTree, noise } from "./support/sample-tree.ts";
import { until } from "./support/stack-place.ts";
import { SmallFileSystem } from "./support/small-file-system.ts";
import { assertSameTree } from "./support/tree-facts.ts";
import { password, Workplace } from "./support/workplace.ts";

const mebibyte = 1024 * 1024;

interface Source {
  readonly from: "holdfast" | "restic" | "resticOld";
  readonly version?: 1 | 2;
}

/** Places that were made once, to be cloned. */
const made = new Map<string, Workplace>();
after(() => made.forEach((place) => place[Symbol.dispose]()));

/** A place with a source repository of two snapshots, and no destination yet, which is the repository of the place. */
function makePlace(name: string, source: Source): Workplace {
  const key = JSON.stringify(source);
  if (!made.has(key)) made.set(key, fill(new Workplace("copy-template"), source));
  const place = new Workplace(name);
  place.environment["RESTIC_FROM_PASSWORD"] = password;
  for (const part of ["source", "from"]) cpSync(made.get(key)!.at(part), place.at(part), { recursive: true });
  place.repository = place.at("to");
  return place;
}

function fill(place: Workplace, { from, version = 2 }: Source): Workplace {
  makeOrdinaryTree(place.at("source"));
  place.repository = place.at("from");
  place.init(from, version);
  for (const tag of ["one", "two"]) {
    if (from === "holdfast") place.backup("--tag", tag, "source");
    else place.resticBackup(from, "--tag", tag, "source");
    changeOrdinaryTree(place.at("source"), tag);
  }
  return place;
}

function copied(outcome: Outcome): { copied: unknown; present: unknown; blobs: unknown } {
  const summary = message(expectStatus(outcome, 0), "summary");
  return { copied: summary["snapshots_copied"], present: summary["snapshots_present"], blobs: summary["blobs"] };
}

const copyIn = (place: Workplace, from = place.at("from"), ...words: string[]): Outcome =>
  place.holdfast(["copy", "--from-repo", from, "--json", ...words]);

/** Every snapshot of the source, compared by what restic restores of it and of its copy. */
function assertSameSnapshots(place: Workplace): void {
  const listed = (repository: string): Record<string, unknown>[] => {
    const own = place.repository;
    place.repository = repository;
    const list = JSON.parse(place.resticDone("snapshots", "--json").stdout.toString()) as Record<string, unknown>[];
    place.repository = own;
    return list;
  };
  const facts = ({ time, hostname, paths, tags, tree, username }: Record<string, unknown>): unknown => ({
    time,
    hostname,
    paths,
    tags,
    tree,
    username,
  });
  const [here, there] = [listed(place.at("from")), listed(place.repository)];
  assert.deepEqual(there.map(facts), here.map(facts));
  assert.deepEqual(
    there.map(({ original }) => original),
    here.map(({ original, id }) => original ?? id),
  );
}

describe("R154: a copy", () => {
  for (const from of ["restic", "holdfast"] as const) {
    it(`of what ${from} stored is restic's and ours, and a second copy by either adds nothing`, () => {
      using place = makePlace(`copy-${from}`, { from });
      place.init(from === "restic" ? "holdfast" : "restic");
      assert.equal(copied(copyIn(place)).copied, 2);
      assertSameSnapshots(place);
      place.resticChecks(from === "restic" ? "restic" : "resticOld");
      assert.equal(place.check("--read-data").verdict, "clean");
      const before = place.storeFiles().map(({ name }) => name);
      assert.deepEqual(copied(copyIn(place)), { copied: 0, present: 2, blobs: 0 });
      place.resticDone("copy", "--from-repo", place.at("from"));
      assert.deepEqual(
        place.storeFiles().map(({ name }) => name),
        before,
      );
      place.resticDone("restore", "latest:/source", "--target", place.at("restored"));
      place.repository = place.at("from");
      place.resticDone("restore", "latest:/source", "--target", place.at("original"));
      assertSameTree(place.at("restored"), place.at("original"));
    });
  }

  it("that restic made is a copy to Holdfast", () => {
    using place = makePlace("copy-by-restic", { from: "holdfast" });
    place.init("restic");
    place.resticDone("copy", "--from-repo", place.at("from"));
    assertSameSnapshots(place);
    assert.equal(place.check("--read-data").verdict, "clean");
    assert.deepEqual(copied(copyIn(place)), { copied: 0, present: 2, blobs: 0 });
  });

  it("from version 1, cut by another polynomial, is whole; and with the chunker of the source, data is shared", () => {
    using place = makePlace("copy-version", { from: "resticOld", version: 1 });
    place.init();
    const other = place.backup("source");
    assert.equal(copied(copyIn(place)).copied, 2);
    place.resticChecks();
    assert.ok(other.dataBlobs > 0);
    place.repository = place.at("second");
    place.done("init", "--copy-chunker-params", "--from-repo", place.at("from"));
    copyIn(place);
    place.done("restore", "latest:/source", "--target", place.at("latest"));
    assert.equal(place.backup("--force", "latest").dataBlobs, 0, "files are cut as the source cuts them");
    place.resticChecks();
  });

  it("of chosen snapshots takes those, with each repository's own password", () => {
    using place = makePlace("copy-chosen", { from: "holdfast" });
    place.repository = place.at("from");
    const [first = ""] = place.snapshots();
    place.repository = place.at("to");
    place.environment = { ...place.environment, RESTIC_FROM_PASSWORD: undefined, RESTIC_PASSWORD: "quite another one" };
    place.done("init");
    const words = ["--from-password-file", place.write("from-key", `${password}\n`)];
    assert.equal(copied(copyIn(place, undefined, "--tag", "two", ...words)).copied, 1);
    assert.equal(copied(copyIn(place, undefined, first.slice(0, 8), ...words)).copied, 1);
    expectStatus(copyIn(place, undefined, "--from-password-file", place.write("wrong", "x")), 12);
    expectStatus(place.holdfast(["copy"]), 2);
    expectStatus(copyIn(place, place.at("nowhere"), ...words), 10);
  });

  it("leaves a damaged snapshot out, names it with 1, and copies the others", () => {
    using place = makePlace("copy-damaged", { from: "holdfast" });
    place.init();
    place.repository = place.at("from");
    place.write("source/last", noise("only in the last", 2 * mebibyte));
    const before = new Set(place.storeFiles("data").map(({ name }) => name));
    const hurt = place.backup("source");
    for (const { name, path: file, sizeBytes } of place.storeFiles("data"))
      if (!before.has(name) && sizeBytes > mebibyte) writeFileSync(file, readFileSync(file).fill(0, 2000, 3000));
    place.repository = place.at("to");
    const outcome = expectStatus(copyIn(place), 1);
    assert.equal(message(outcome, "summary")["snapshots_copied"], 2);
    assert.match(outcome.stderr, new RegExp(`${hurt.snapshotId}.*cannot be copied`));
    assert.equal(place.snapshots().length, 2);
    place.resticChecks();
  });
});

describe("R154: a copy to an append-only REST server", () => {
  let place: Workplace;
  let server: RestServer;
  before(async () => {
    place = makePlace("copy-append", { from: "holdfast" });
    mkdirSync(place.at("served"));
    server = await RestServer.start(place.at("served"), "--append-only");
    place.repository = server.address("far");
    place.done("init");
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
    place[Symbol.dispose]();
  });

  it("arrives, and stays when the source forgets", () => {
    assert.equal(copied(copyIn(place)).copied, 2);
    assert.equal(copied(copyIn(place)).present, 2);
    rmSync(path.join(place.at("from"), "snapshots", readdirSync(place.at("from", "snapshots"))[0] ?? ""));
    assert.deepEqual(copied(copyIn(place)), { copied: 0, present: 1, blobs: 0 });
    assert.equal(place.snapshots().length, 2);
    place.resticChecks("restic", "--no-lock");
    assert.deepEqual(readdirSync(place.at("served", "far", "locks")), []);
  });
});

describe("a copy on a bad day", () => {
  it("with a full disk at the destination ends cleanly, and goes on where it stopped", () => {
    using place = makePlace("copy-full", { from: "holdfast" });
    place.repository = place.at("from");
    for (let file = 0; file < 5; file++) place.write(`source/large ${file}`, noise(`large ${file}`, 15 * mebibyte));
    place.backup("source");
    using disk = new SmallFileSystem(place.at("disk"), 40 * mebibyte);
    place.repository = path.join(disk.directory, "to");
    place.init();
    const failed = expectStatus(copyIn(place), 1);
    assert.match(failed.stderr, /space/);
    assert.deepEqual(place.snapshots(), []);
    disk.resize(200 * mebibyte);
    assert.equal(copied(copyIn(place)).copied, 3);
    place.resticChecks();
    assertSameSnapshots(place);
  });

  it("over connections that break on both sides tries again until all is there", async () => {
    using place = makePlace("copy-cut", { from: "holdfast" });
    mkdirSync(place.at("served"));
    await using server = await RestServer.start(place.directory);
    const seen = new Set<string>();
    const isFirst = (key: string): boolean => !seen.has(key) && seen.add(key).size > 0;
    await using proxy = await MeddlingProxy.start(server.port, {
      cutsUpload: ({ url = "" }, bytes) => bytes > 10 && url.includes("/data/") && isFirst(url),
      cutsAnswer: ({ method, url = "", headers }) =>
        method === "GET" && url.includes("/data/") && isFirst(`${url} ${headers.range}`),
    });
    place.init();
    place.repository = proxy.address("to");
    const words = ["copy", "--json", "--no-cache", "--from-repo", proxy.address("from")];
    const outcome = await place.start(words).ended();
    assert.equal(copied(outcome).copied, 2);
    assert.ok(proxy.cuts >= 2, `${proxy.cuts} connections were cut`);
    place.repository = place.at("to");
    place.resticChecks();
    assertSameSnapshots(place);
  });

  it("keeps a prune of the source out while it runs", async () => {
    using place = makePlace("copy-prune", { from: "holdfast" });
    place.init();
    const running = place.start(["copy", "--from-repo", place.at("from"), "--limit-upload", "200"]);
    await until("the lock of the copy", () => readdirSync(place.at("from", "locks")).length > 0);
    const pruning = ["-r", place.at("from"), "prune", "--max-unused", "0"];
    expectStatus(place.restic(pruning), 11);
    expectStatus(place.holdfast(pruning), 11);
    assert.equal(running.child.exitCode, null, "the copy is still at work");
    running.kill("SIGINT");
    expectStatus(await running.ended(), 130);
    expectStatus(place.restic(pruning), 0);
    assert.equal(copied(copyIn(place)).copied, 2);
    place.resticChecks();
  });
});
