// Many programs on one repository at once: they wait for or refuse each other, and never harm one another.
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { expectStatus, isLong, message, programPath, run } from "./support/programs.ts";
import type { Outcome, Running } from "./support/programs.ts";
import { RestServer } from "./support/rest-server.ts";
import { noise, prose } from "./support/sample-tree.ts";
import { until } from "./support/stack-place.ts";
import { assertSameFacts, treeFacts } from "./support/tree-facts.ts";
import { countsOf, password, Workplace } from "./support/workplace.ts";

const rounds = isLong ? 30 : 1;
const writers = ["one", "two", "three", "four"] as const;

/** The writers' trees share most of their content, so that each needs what another one has stored, or has removed. */
function changeTrees(place: Workplace, round: number): void {
  for (const [number, writer] of writers.entries()) {
    for (let file = 0; file < 5; file++) {
      place.write(`${writer}/shared ${file}`, noise(`shared ${file} ${(round + number) % 3}`, 700_000));
      place.write(`${writer}/own ${file}`, prose(`${writer} ${file} ${round}`, 30_000));
    }
  }
}

/** restic beside the test, without a cache. */
function startRestic(place: Workplace, ...words: string[]): Running {
  return place.startProgram(programPath("restic"), ["-r", place.repository, "--no-cache", ...words]);
}

/** Those that are there under their final name. */
function locksIn(place: Workplace): number {
  return readdirSync(path.join(place.repository, "locks")).filter((name) => /^[0-9a-f]{64}$/.test(name)).length;
}

/** What was captured, by snapshot. */
type Facts = Map<string, readonly string[]>;

/** restic reads everything, and every snapshot comes back as it was. */
function assertAllWhole(place: Workplace, facts: Facts, round: string): void {
  place.resticChecks();
  const present = place.snapshots();
  assert.ok(present.length >= writers.length);
  for (const id of present) {
    const target = place.at(`restored ${round} ${id.slice(0, 8)}`);
    place.done("restore", id, "--target", target);
    assertSameFacts(treeFacts(target), facts.get(id) ?? assert.fail(`nobody made the snapshot ${id}`));
    run("rm", ["-r", target]);
  }
}

describe("many at once", () => {
  for (const [turn, storage] of (["directory", "rest-server"] as const).entries()) {
    it(`R061 R064: back up, list, check, forget and prune in one ${storage}, both programs, and nothing is lost`, async () => {
      using place = new Workplace("many");
      place.init();
      await using server = await RestServer.start(place.directory);
      if (storage === "rest-server") place.repository = server.address("repository");
      const facts: Facts = new Map();
      for (let round = turn; round < turn + rounds; round++) {
        changeTrees(place, round);
        await oneRound(place, facts, round);
        assertAllWhole(place, facts, String(round));
      }
      assert.deepEqual(place.done("list", "locks").stdout.toString(), "");
    });
  }

  async function oneRound(place: Workplace, facts: Facts, round: number): Promise<void> {
    const wait = ["--retry-lock", "5m"];
    const backups = writers.map((writer, number): [writer: string, running: Running] => {
      const words = ["backup", "--json", "--tag", writer, ...wait, writer];
      return [writer, number % 2 === 0 ? place.start(words) : startRestic(place, ...words)];
    });
    const forget = ["forget", "--group-by", "tags", "--keep-last", "1", "--prune", "--max-unused", "0", ...wait];
    const others = [
      round % 2 === 0 ? place.start(forget) : startRestic(place, ...forget),
      round % 2 === 0 ? startRestic(place, "prune", ...wait) : place.start(["prune", ...wait]),
      place.start(["check", ...wait]),
      place.start(["snapshots", ...wait]),
    ];
    for (const [writer, running] of backups) {
      const { snapshotId } = countsOf(expectStatus(await running.ended(), 0));
      facts.set(
        snapshotId,
        treeFacts(place.directory).filter((line) => line.startsWith(`/"${writer}"`)),
      );
    }
    for (const running of others) expectStatus(await running.ended(), 0);
  }
});

describe("a writer that holds its lock", () => {
  const place = new Workplace("lock-holder");
  const locks = (): number => locksIn(place);
  before(() => {
    place.write("source/file", prose("source", 100_000));
    place.init();
    place.backup("source");
  });
  after(() => place[Symbol.dispose]());

  /** A backup that has its lock, and goes on when its input ends. */
  async function waiting(start: (words: string[]) => Running): Promise<{ running: Running; end(): Promise<Outcome> }> {
    const running = start(["backup", "--json", "--stdin", "--stdin-filename", "stream"]);
    running.child.stdin?.write("first part, ");
    await until("the lock of the backup", () => locks() === 1);
    const end = (): Promise<Outcome> => {
      running.child.stdin?.end("second part");
      return running.ended();
    };
    return { running, end };
  }

  /** Who wants the repository alone is refused, and nobody else. */
  function assertExclusiveRefused(verbs: readonly (readonly string[])[]): void {
    for (const words of verbs) {
      const outcome = expectStatus(place.holdfast(words), 11);
      assert.match(outcome.stderr, /the repository is locked by process \d+ of .* on .* since \d{4}-/);
    }
    place.done("backup", "source");
    place.done("ls", "latest");
    assert.equal(locks(), 1, "nobody but the holder has left a lock");
  }

  it("Holdfast: prune, forget, check and key passwd are refused, by both programs; the rest goes on", async () => {
    const { end } = await waiting((words) => place.start(words));
    assertExclusiveRefused([["prune"], ["forget", "--keep-last", "1"], ["check"], ["key", "passwd"]]);
    expectStatus(place.restic(["prune"]), 11);
    expectStatus(place.restic(["prune"], { which: "resticOld" }), 1);
    for (const which of ["restic", "resticOld"] as const) expectStatus(place.restic(["unlock"], { which }), 0);
    assert.equal(place.done("unlock", "--json").stdout.toString().includes('"locks_removed":0'), true);
    const { snapshotId } = countsOf(expectStatus(await end(), 0));
    assert.equal(place.done("dump", snapshotId, "/stream").stdout.toString(), "first part, second part");
    assert.equal(locks(), 0);
  });

  it("restic: the same are refused by Holdfast", async () => {
    const { end } = await waiting((words) => startRestic(place, ...words));
    assertExclusiveRefused([["prune"]]);
    expectStatus(await end(), 0);
    place.resticChecks();
  });

  it("alone: everybody else is refused, or waits with --retry-lock", async () => {
    const running = place.start(["key", "passwd"]);
    await until("the exclusive lock", () => locks() === 1);
    for (const words of [["backup", "source"], ["snapshots"], ["prune"]]) {
      assert.match(expectStatus(place.holdfast(words), 11).stderr, /exclusively locked by process/);
      expectStatus(place.restic(words), 11);
    }
    assert.ok(place.done("list", "locks").stdout.length > 0);
    place.done("snapshots", "--no-lock");
    const patient = place.start(["backup", "source", "--retry-lock", "1m"]);
    await until("the news that it waits", () => patient.stderrSoFar.includes("waiting up to 60 s for the lock"));
    running.kill("SIGINT");
    expectStatus(await running.ended(), 130);
    expectStatus(await patient.ended(), 0);
  });

  it("and loses it to `unlock --remove-all`, makes no snapshot and says why", async () => {
    for (const remove of [
      () => place.done("unlock", "--remove-all"),
      () => place.resticDone("unlock", "--remove-all"),
    ]) {
      const { end } = await waiting((words) => place.start(words));
      const earlier = place.snapshots();
      remove();
      assert.equal(locks(), 0);
      const outcome = expectStatus(await end(), 11);
      assert.match(outcome.stderr, /the lock of the repository was removed by somebody else/);
      assert.deepEqual(place.snapshots(), earlier);
      place.resticChecks();
    }
  });
});

describe("the verbs", () => {
  const place = new Workplace("lock-verbs");
  before(() => {
    place.write("source/file", prose("source", 10_000));
    place.write("password", password);
    mkdirSync(place.at("unpacked"));
    place.init();
    place.backup("source");
  });
  after(() => place[Symbol.dispose]());

  const verbs = [
    ["snapshots", "ls latest", "find file", "stats", "cat config", "list snapshots", "list locks", "key list"],
    ["dump latest /source/file", "restore latest --target unpacked", "diff latest latest", "check", "unlock"],
    ["check --no-lock", "backup --dry-run source", "backup source", "tag --add x latest", "repair index", "recover"],
    ["forget --keep-last 9", "forget --keep-last 9 --dry-run", "forget --keep-last 9 --dry-run --no-lock"],
    ["prune", "prune --dry-run", "prune --dry-run --no-lock", "repair snapshots", "repair snapshots --dry-run"],
    ["rewrite --exclude nothing", "rewrite --exclude nothing --dry-run", "rewrite --exclude nothing --forget"],
    ["key passwd --new-password-file password"],
  ].flatMap((some) => some.map((words) => words.split(" ")));

  /** What an exclusive lock keeps out and a shared one does not, and what neither does. */
  const telling = ["snapshots", "list locks", "unlock", "backup", "backup --dry-run", "check --no-lock", "rewrite"];
  const isTelling = (words: readonly string[]): boolean =>
    telling.includes(words.filter((word) => !["source", "--exclude", "nothing"].includes(word)).join(" "));

  for (const kind of ["shared", "exclusive"] as const) {
    it(`take the lock that restic takes: beside a ${kind} lock the same are refused`, async () => {
      // The test's own process holds it, as far as anybody can tell.
      const holder = kind === "shared" ? place.start(["backup", "--stdin"]) : place.start(["key", "passwd"]);
      await until("the lock", () => locksIn(place) === 1);
      const disagree: string[] = [];
      for (const words of kind === "shared" || isLong ? verbs : verbs.filter(isTelling)) {
        const [ours, theirs] = [place.start(words), startRestic(place, ...words)];
        const [mine, resticOutcome] = [await ours.ended(), await theirs.ended()];
        const refused = [mine.status === 11, resticOutcome.status === 11];
        if (refused[0] !== refused[1])
          disagree.push(`${words.join(" ")}: ${mine.status}, restic ${resticOutcome.status}`);
        if (refused[0] === false) assert.ok(mine.status === 0, `${words.join(" ")}: ${mine.stderr}`);
      }
      holder.kill("SIGINT");
      await holder.ended();
      assert.deepEqual(disagree, []);
    });
  }

  it("that only read, read a read-only place without a lock, and say so without", () => {
    const directory = place.at("read-only");
    mkdirSync(directory);
    expectStatus(run("mount", ["--bind", place.repository, directory]), 0);
    try {
      expectStatus(run("mount", ["-o", "remount,bind,ro", directory]), 0);
      for (const words of [["snapshots"], ["restore", "latest", "--target", place.at("copy")], ["check"]]) {
        const here = ["-r", directory, "--no-cache", ...words];
        const refused = expectStatus(place.holdfast(here), 1);
        assert.match(refused.stderr, /cannot be locked: .*read-only[^]*--no-lock/);
        expectStatus(place.holdfast([...here, "--no-lock"]), 0);
      }
      assert.deepEqual(readFileSync(path.join(place.at("copy"), "source/file")), readFileSync(place.at("source/file")));
      expectStatus(place.holdfast(["-r", directory, "backup", "--dry-run", "source"]), 0);
      assert.equal(
        message(place.holdfast(["-r", directory, "check", "--json", "--no-lock"]), "summary")["verdict"],
        "clean",
      );
    } finally {
      expectStatus(run("umount", ["--lazy", directory]), 0);
    }
  });
});
