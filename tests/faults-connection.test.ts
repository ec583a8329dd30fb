// Faults on the way to a REST server: cut connections, a server that comes back, one that does not, one that lies.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { MeddlingProxy } from "./support/meddling-proxy.ts";
import { countsOf, Workplace } from "./support/workplace.ts";
import { expectStatus } from "./support/programs.ts";
import { RestServer } from "./support/rest-server.ts";
import { makeOrdinaryTree, noise } from "./support/sample-tree.ts";
import { assertSameTree } from "./support/tree-facts.ts";

describe("a connection that breaks", () => {
  const place = new Workplace("connection");
  const source = place.at("source");
  let server: RestServer;
  before(async () => {
    mkdirSync(place.at("served"));
    makeOrdinaryTree(source);
    place.write("source/large", noise("large", 40_000_000));
    server = await RestServer.start(place.at("served"));
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
    place[Symbol.dispose]();
  });

  it("in the middle of uploads and downloads, is tried again until all is right", async () => {
    place.repository = server.address("cut");
    place.done("init");
    const seen = new Map<string, number>();
    const firstTime = (key: string): boolean => {
      seen.set(key, (seen.get(key) ?? 0) + 1);
      return seen.get(key) === 1;
    };
    await using proxy = await MeddlingProxy.start(server.port, {
      cutsUpload: ({ url = "" }, bytes) => bytes > 10 && url.includes("/data/") && firstTime(url),
      cutsAnswer: ({ method, url = "", headers }) =>
        method === "GET" && url.includes("/data/") && firstTime(`${url} ${headers.range}`),
    });
    place.repository = proxy.address("cut");
    const backup = expectStatus(await place.start(["backup", "--json", "source"]).ended(), 0);
    assert.ok(proxy.cuts >= 2, `${proxy.cuts} uploads were cut`);
    assert.match(backup.stderr, /trying again/);
    const cutsBefore = proxy.cuts;
    const words = ["restore", "latest", "--target", place.at("restored"), "--no-cache"];
    expectStatus(await place.start(words).ended(), 0);
    assert.ok(proxy.cuts > cutsBefore, "downloads were cut");
    assertSameTree(place.at("restored", "source"), source);
    place.repository = server.address("cut");
    assert.equal(place.check("--read-data").verdict, "clean");
    place.resticChecks();
  });

  it("because the server is killed in the middle, goes on when it is back", async () => {
    place.repository = server.address("killed");
    place.done("init");
    const running = place.start(["backup", "--limit-upload", "8000", "source"]);
    await sleep(2500);
    await server.kill();
    await sleep(1500);
    assert.equal(running.child.exitCode, null, "it waits for the server");
    await server.start();
    const outcome = expectStatus(await running.ended(), 0);
    assert.match(outcome.stderr, /trying again/);
    assert.notEqual(place.check("--read-data").verdict, "damaged");
    place.done("restore", "latest", "--target", place.at("after kill"));
    assertSameTree(place.at("after kill", "source"), source);
  });

  it("for good from the start, ends with a clear error and no endless waiting", async () => {
    place.repository = server.address("dead");
    place.done("init");
    await server.kill();
    const running = place.start(["backup", "source"]);
    await sleep(6000);
    running.kill("SIGINT"); // a person's patience ends before the time for retries does
    const outcome = expectStatus(await running.ended(15_000), 130);
    assert.match(outcome.stderr, /trying again in \d+ s/);
    assert.match(outcome.stderr, new RegExp(`127\\.0\\.0\\.1:${server.port}|ECONNREFUSED`));
    await server.start();
  });
});

describe("a server that damages what it has just stored", () => {
  it("R193: fails the run with --read-back, and no snapshot is written", async () => {
    using place = new Workplace("lying");
    mkdirSync(place.at("served"));
    place.write("source/file", noise("lying", 3_000_000));
    await using server = await RestServer.start(place.at("served"));
    place.repository = server.address("store");
    place.done("init");
    const damage = ({ url = "" }: { url?: string | undefined }): void => {
      const [, name] = /\/data\/([0-9a-f]{64})$/.exec(url) ?? [];
      if (name === undefined) return;
      const file = place.at("served", "store", "data", name.slice(0, 2), name);
      const bytes = readFileSync(file);
      bytes[1_000] = (bytes[1_000] ?? 0) ^ 1;
      writeFileSync(file, bytes);
    };
    await using proxy = await MeddlingProxy.start(server.port, { stored: damage });
    place.repository = proxy.address("store");
    const trusting = expectStatus(await place.start(["backup", "--json", "source"]).ended(), 0);
    assert.match(countsOf(trusting).snapshotId, /^[0-9a-f]{64}$/, "without it nobody looks");
    place.write("source/file", noise("lying again", 3_000_000));
    const outcome = await place.start(["backup", "--read-back", "source"]).ended();
    expectStatus(outcome, 1);
    assert.match(outcome.stderr, /pack [0-9a-f]{64}/);
    place.repository = server.address("store");
    assert.equal(place.snapshots().length, 1);
    assert.equal(place.check("--read-data").verdict, "damaged");
  });

  it("R193: passes a run with --read-back when the server is honest", async () => {
    using place = new Workplace("honest");
    mkdirSync(place.at("served"));
    makeOrdinaryTree(place.at("source"));
    await using server = await RestServer.start(place.at("served"));
    place.repository = server.address("store");
    place.done("init");
    place.backup("--read-back", "source");
    assert.equal(place.check("--read-data").verdict, "clean");
  });
});
