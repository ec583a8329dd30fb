// Faults before any work: wrong password, no repository, locks of others, wrong words and options, no cache.
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Repository, openStorage, parseLocation } from "@holdfast/repository";
import { expectStatus, jsonLines, mainFile, message, programPath, run } from "./support/programs.ts";
import { makeOrdinaryTree } from "./support/sample-tree.ts";
import { password, Workplace } from "./support/workplace.ts";

describe("opening a repository", () => {
  const place = new Workplace("opening");
  before(() => {
    place.write("source/file", "content");
    expectStatus(place.holdfast(["init"]), 0); // with a key as costly as a person's
    place.backup("source");
  });
  after(() => place[Symbol.dispose]());

  it("R191: ends with 12 for a wrong password, in under two seconds, and touches no target", () => {
    const environment = { ...place.environment, RESTIC_PASSWORD: "wrong" };
    for (const words of [
      ["snapshots"],
      ["backup", "source"],
      ["restore", "latest", "--target", place.at("untouched")],
    ]) {
      const outcome = expectStatus(place.holdfast(words, { environment }), 12);
      assert.match(outcome.stderr, /wrong password/);
      assert.ok(outcome.seconds < 2, `${words.join(" ")} took ${outcome.seconds} s`);
    }
    assert.throws(() => chmodSync(place.at("untouched"), 0o700), { code: "ENOENT" });
    assert.equal(place.storeFiles("locks").length, 0);
  });

  it("ends with 10 where there is no repository, by path and by address", () => {
    mkdirSync(place.at("empty"));
    for (const repository of [place.at("nothing"), place.at("empty")]) {
      const outcome = expectStatus(place.holdfast(["-r", repository, "snapshots"]), 10);
      assert.match(outcome.stderr, /no repository at/);
      assert.ok(outcome.stderr.includes(repository));
    }
  });

  it("ends with 1 where a repository is made a second time, and leaves it alone", () => {
    const files = place.storeFiles();
    expectStatus(place.holdfast(["init"]), 1);
    assert.deepEqual(place.storeFiles(), files);
  });

  it("ends with 2 for words and options that mean nothing, before anything is tried", () => {
    const wrong: readonly (readonly string[])[] = [
      ["backup"],
      ["backup", "--no-such-option", "source"],
      ["backup", "--stdin", "source"],
      ["backup", "--exclude-larger-than", "many", "source"],
      ["backup", "--time", "yesterday-ish", "source"],
      ["restore", "latest"],
      ["restore", "--target", "x"],
      ["restore", "latest", "--target", "x", "--overwrite", "sometimes"],
      ["dump", "latest"],
      ["diff", "latest"],
      ["list", "potatoes"],
      ["nonsense"],
    ];
    for (const words of wrong) {
      const outcome = expectStatus(place.holdfast(words), 2);
      assert.match(outcome.stderr, /^holdfast: .+\n {2}→ ./, outcome.command);
    }
    const nowhere = run(process.execPath, [mainFile, "repo", "snapshots"], { environment: place.environment });
    expectStatus(nowhere, 2);
    assert.equal(place.storeFiles("locks").length, 0);
  });

  it("ends with 2 when the password cannot be had, and names no secret", () => {
    const environment = { ...place.environment, RESTIC_PASSWORD: undefined };
    const commands = ["false --secret-word", "sh -c 'exit 3'", "/no/such/program --secret-word", "echo ''"];
    for (const command of commands) {
      const outcome = expectStatus(place.holdfast(["snapshots", "--password-command", command], { environment }), 2);
      assert.match(outcome.stderr, /password/);
      assert.ok(!outcome.stderr.includes("secret-word"));
    }
    expectStatus(place.holdfast(["snapshots", "--password-file", place.at("no file")], { environment }), 2);
    expectStatus(place.holdfast(["snapshots", "--password-command", `echo '${password}'`], { environment }), 0);
  });

  it("works without a cache where none can be written", () => {
    place.write("cache blocked", "a file in the way");
    const environment = { ...place.environment, XDG_CACHE_HOME: place.at("cache blocked") };
    for (const words of [["backup", "source"], ["ls", "latest"], ["check"], ["snapshots"]]) {
      expectStatus(place.holdfast(words, { environment }), 0);
    }
  });

  it("works on when the cache is deleted or damaged between runs", () => {
    place.backup("source");
    const listed = place.done("ls", "latest").stdout;
    const cached = run("find", [place.cacheDirectory, "-type", "f"]).stdout.toString().trim().split("\n");
    assert.ok(cached.length > 1, "something is cached");
    for (const file of cached) if (!file.endsWith("CACHEDIR.TAG")) writeFileSync(file, "garbage");
    assert.deepEqual(place.done("ls", "latest").stdout, listed);
    rmSync(place.cacheDirectory, { recursive: true });
    assert.deepEqual(place.done("ls", "latest").stdout, listed);
  });
});

describe("a repository that is locked", () => {
  const place = new Workplace("locked");
  before(() => {
    place.write("source/file", "content");
    place.init();
    place.backup("source");
  });
  after(() => place[Symbol.dispose]());

  /** Holds a lock as somebody else would, until it is disposed. */
  async function lockOf(host: string, pid: number, exclusive: boolean, ageMinutes = 0): Promise<AsyncDisposable> {
    const identity = { hostname: host, username: "somebody", uid: 1000, gid: 1000, pid };
    const storage = openStorage(parseLocation(place.repository));
    const repository = await Repository.open({ storage, password, now: () => new Date(), identity });
    const time = new Date(Date.now() - ageMinutes * 60_000).toISOString();
    const json = JSON.stringify({ time, exclusive, hostname: host, username: "somebody", pid, uid: 1000, gid: 1000 });
    const name = await repository.saveUnpacked("lock", Buffer.from(json));
    return {
      async [Symbol.asyncDispose]() {
        await storage.remove("lock", name).catch(() => {}); // it may have been taken for stale, which a test says
        await repository[Symbol.asyncDispose]();
      },
    };
  }

  it("ends with 11 for an exclusive lock of another host, and names who holds it", async () => {
    await using locks = new AsyncDisposableStack();
    locks.use(await lockOf("far-away.example", 4711, true));
    for (const words of [
      ["backup", "source"],
      ["restore", "latest", "--target", place.at("x")],
      ["check"],
      ["ls", "latest"],
    ]) {
      const outcome = expectStatus(place.holdfast(words), 11);
      assert.match(outcome.stderr, /far-away\.example/);
      assert.match(outcome.stderr, /4711/);
    }
    expectStatus(place.restic(["backup", "source"]), 11); // restic understands the same lock
    expectStatus(place.holdfast(["ls", "latest", "--no-lock"]), 0);
    assert.equal(place.storeFiles("locks").length, 1, "only the other's lock is left");
  });

  it("shares with the shared lock of another host, and refuses what needs the repository alone", async () => {
    await using locks = new AsyncDisposableStack();
    locks.use(await lockOf("far-away.example", 4711, false));
    place.backup("source");
    expectStatus(place.holdfast(["check"]), 11);
  });

  it("waits with --retry-lock until the lock is given back", async () => {
    const lock = await lockOf("far-away.example", 4711, true);
    const running = place.start(["backup", "--retry-lock", "1m", "source"]);
    await sleep(2500);
    assert.equal(running.child.exitCode, null, "it waits");
    await lock[Symbol.asyncDispose]();
    expectStatus(await running.ended(), 0);
  });

  it("removes locks whose process is gone or that are too old, when they are in the way, and with unlock", async () => {
    await using locks = new AsyncDisposableStack();
    locks.use(await lockOf(hostname(), 4_194_000, true));
    locks.use(await lockOf("far-away.example", 1, true, 31));
    place.backup("source");
    assert.equal(place.storeFiles("locks").length, 0);
    locks.use(await lockOf(hostname(), 4_194_000, true));
    locks.use(await lockOf("far-away.example", 1, true, 31));
    assert.equal(message(place.done("unlock", "--json"), "summary")["locks_removed"], 2);
    assert.equal(place.storeFiles("locks").length, 0);
  });

  it("understands restic's locks", async () => {
    // restic waits for its standard input while it holds its lock.
    place.write("password", password);
    const words = ["-r", place.repository, "--no-cache", "--password-file", place.at("password"), "backup", "--stdin"];
    const running = place.startProgram(programPath("restic"), words, { RESTIC_PASSWORD: undefined });
    for (let turn = 0; place.storeFiles("locks").length === 0; turn++) {
      assert.ok(turn < 200, "restic takes its lock");
      await sleep(50);
    }
    const outcome = expectStatus(place.holdfast(["check"]), 11);
    assert.ok(outcome.stderr.includes(String(running.pid)));
    running.child.stdin?.end("the input");
    expectStatus(await running.ended(), 0);
    assert.equal(place.check().verdict, "clean");
  });
});

describe("two runs at once", () => {
  it("R090: makes two snapshots of two backups in one second", async () => {
    using place = new Workplace("two-runs");
    makeOrdinaryTree(place.at("source"));
    place.init();
    const running = [0, 1].map(() => place.start(["backup", "--json", "source"]));
    const outcomes = await Promise.all(running.map((one) => one.ended()));
    const ids = outcomes.map((outcome) => String(message(expectStatus(outcome, 0), "summary")["snapshot_id"]));
    assert.equal(new Set(ids).size, 2);
    const fixed = ["--time", "2026-01-02 03:04:05"];
    const same = [0, 1].map(() => place.backup("--force", ...fixed, "source").snapshotId);
    assert.deepEqual(place.snapshots().toSorted(), [...ids, ...new Set(same)].toSorted());
    const times = jsonLines(place.done("ls", "--json", same[0] ?? "").stdout)[0]?.["time"];
    assert.match(String(times), /^2026-01-02T03:04:05/);
    assert.notEqual(place.check("--read-data").verdict, "damaged");
    place.resticChecks();
  });
});
