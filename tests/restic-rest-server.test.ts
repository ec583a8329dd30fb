// Both ways with restic over its REST server: the same repository by address and by path, and append-only.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { expectStatus } from "./support/programs.ts";
import { RestServer } from "./support/rest-server.ts";
import { changeOrdinaryTree, makeOrdinaryTree } from "./support/sample-tree.ts";
import { assertSameTree } from "./support/tree-facts.ts";
import { Workplace } from "./support/workplace.ts";

describe("a repository on a REST server", () => {
  const place = new Workplace("rest");
  const local = place.at("served", "both");
  const source = place.at("source");
  let server: RestServer;
  before(async () => {
    mkdirSync(place.at("served"));
    makeOrdinaryTree(source);
    server = await RestServer.start(place.at("served"));
    place.repository = server.address("both");
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
    place[Symbol.dispose]();
  });

  it("is made, filled, checked and restored by address", () => {
    place.done("init");
    place.backup("source");
    assert.equal(place.check("--read-data").verdict, "clean");
    place.done("restore", "latest", "--target", place.at("by address"));
    assertSameTree(place.at("by address", "source"), source);
  });

  it("is sound to both versions of restic by address, and to both programs by path", () => {
    for (const which of ["restic", "resticOld"] as const) place.resticChecks(which);
    const address = place.repository;
    place.repository = local;
    place.resticChecks();
    assert.equal(place.check("--read-data").verdict, "clean");
    place.repository = address;
  });

  it("takes forced backups by each of what the other stored, without data", () => {
    assert.equal(place.resticBackup("restic", "--force", "source").bytesAdded, 0);
    changeOrdinaryTree(source);
    assert.ok(place.resticBackup("restic", "source").dataBlobs > 0);
    assert.equal(place.backup("--force", "source").bytesAdded, 0);
  });

  it("gives restic's snapshot back through Holdfast", () => {
    place.done("restore", "latest", "--target", place.at("restic's"), "--verify");
    assertSameTree(place.at("restic's", "source"), source);
  });
});

describe("an append-only REST server", () => {
  const place = new Workplace("append-only");
  let server: RestServer;
  before(async () => {
    mkdirSync(place.at("served"));
    makeOrdinaryTree(place.at("source"));
    server = await RestServer.start(place.at("served"), "--append-only");
    place.repository = server.address("kept");
    place.done("init");
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
    place[Symbol.dispose]();
  });

  it("takes backups, and the locks are given back", () => {
    const first = place.backup("source");
    changeOrdinaryTree(place.at("source"));
    const second = place.backup("source");
    assert.ok(first.dataBlobs > 0 && second.dataBlobs > 0);
    assert.equal(place.done("list", "locks").stdout.toString(), "");
    assert.equal(place.check("--read-data").verdict, "clean");
    place.resticChecks();
  });

  it("refuses that anything but a lock is removed, and stays whole", () => {
    place.write("new password", "another one of 4 words\n");
    place.done("key", "add", "--new-password-file", place.at("new password"));
    const list = JSON.parse(place.done("key", "list", "--json").stdout.toString()) as {
      id: string;
      current: boolean;
    }[];
    assert.equal(list.length, 2);
    const other = list.find(({ current }) => !current)?.id ?? assert.fail("no other key");
    const outcome = expectStatus(place.holdfast(["key", "remove", other]), 1);
    assert.match(outcome.stderr, /append-only|refuse|not allow/);
    assert.equal(place.done("list", "keys").stdout.toString().trim().split("\n").length, 2);
    assert.equal(place.check("--read-data").verdict, "clean");
  });
});
