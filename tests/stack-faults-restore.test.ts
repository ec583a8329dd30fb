// Restores that must not harm: damaged points, programs that run, stale logs, kept copies, data that is not what it was.
import assert from "node:assert/strict";
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, it } from "node:test";
import { inCopy } from "./support/application.ts";
import { expectStatus, message } from "./support/programs.ts";
import { noise } from "./support/sample-tree.ts";
import { StackPlace, until } from "./support/stack-place.ts";
import { assertSameFacts, treeFacts } from "./support/tree-facts.ts";
import { password } from "./support/workplace.ts";

let place: StackPlace;

function atStart(): void {
  place = new StackPlace("stack-restore");
  place.application.make("old");
  place.prepare();
}

const inPlace = (...words: string[]): string[] => ["restore", ...words, "--in-place", "--yes"];

/** Names in the application's directory, without those of the application itself. */
function others(): string[] {
  return readdirSync(place.application.directory).filter(
    (name) => !["app.db", "uploads", "settings.json"].includes(name),
  );
}

/** Nothing that a restore makes is left, neither there nor in the journal. */
function nothingLeft(): void {
  assert.deepEqual([others(), place.journal()], [[], []]);
}

describe("a recovery point that is damaged", () => {
  beforeEach(atStart);
  afterEach(() => place[Symbol.dispose]());

  it("R334: is refused before anything is touched, leaves no copies, and a drill of it proves nothing", () => {
    place.write("app/uploads/large", noise("large", 6_000_000));
    const id = place.point();
    rmSync(place.at("app", "uploads", "large"));
    place.application.become("new");
    const facts = treeFacts(place.application.directory);
    // One that holds content of the last source, so that much is restored before it is found.
    const packs = place.storeFiles("data").toSorted((left, right) => right.sizeBytes - left.sizeBytes);
    for (const pack of packs.slice(0, 2)) {
      const bytes = readFileSync(pack.path);
      bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 0x10;
      writeFileSync(pack.path, bytes, { mode: 0o600 });
    }
    const restored = expectStatus(place.verb(inPlace(id)), 1);
    assert.match(restored.stderr, /does not match its authentication code/);
    assertSameFacts(treeFacts(place.application.directory), facts);
    nothingLeft();
    expectStatus(place.verb(["restore", id, "--to", place.at("to")]), 1);
    const files = readdirSync(place.at("to"), { recursive: true, withFileTypes: true }).filter((each) => each.isFile());
    assert.deepEqual(files, []);
    const drill = expectStatus(place.verb(["drill", "app", "--json"]), 1);
    assert.equal(message(drill, "summary")["result"], "failed");
    assert.match(String(message(drill, "summary")["failure"]), /does not match its authentication code/);
    assert.deepEqual(readdirSync(path.join(place.stateDirectory, "sandbox")), []);
    expectStatus(place.verb(["undo", "app", "--yes"]), 1);
  });

  /** As if something had lost data on the way: a point of the same stack whose record tells of other rows. */
  function forged(change: string): string {
    const id = place.point();
    const folder = place.at("forged");
    place.ends(0, "restore", id, "--to", folder);
    writeFileSync(path.join(folder, "holdfast.json"), place.done("dump", id, "/holdfast.json").stdout);
    using database = new DatabaseSync(path.join(folder, "database", place.application.database));
    database.exec(`PRAGMA journal_mode = DELETE; ${change}`);
    database.close();
    const tags = ["holdfast", "stack:app", "plan:daily"].flatMap((tag) => ["--tag", tag]);
    const environment = { ...place.environment, RESTIC_PASSWORD: password };
    const options = { cwd: folder, environment };
    expectStatus(place.restic(["backup", ...tags, "database", "uploads", "settings", "holdfast.json"], options), 0);
    return place.snapshots().at(-1) ?? "";
  }

  for (const [what, change] of [
    ["has no rows any more", "DELETE FROM fact; DELETE FROM account; DELETE FROM move; VACUUM"],
    ["has one row changed", "UPDATE fact SET content = 'x' || substr(content, 2) WHERE id = 77"],
  ] as const) {
    it(`R335: a database that ${what} never passes, is named by table, and nothing is replaced by it`, () => {
      const id = forged(change);
      const facts = treeFacts(place.application.directory);
      const restored = expectStatus(place.verb(inPlace(id)), 1);
      assert.match(restored.stderr, /database: [^;]*fact/);
      assertSameFacts(treeFacts(place.application.directory), facts);
      nothingLeft();
      const drill = expectStatus(place.verb(["drill", "app"]), 1);
      assert.match(drill.stdout.toString(), /database: .*fact[^]*NOT proven/);
    });
  }
});

describe("a restore in place", () => {
  beforeEach(atStart);
  afterEach(() => place[Symbol.dispose]());

  it("is refused while a program has a file of it open, and names the program and its number", async () => {
    const id = place.point();
    place.application.become("new");
    const facts = treeFacts(place.application.directory);
    for (const file of [place.application.database, place.at("app", "uploads", "7")]) {
      const program = place.startProgram("tail", ["-f", file]);
      await until("the output of the program", () => program.stdoutSoFar !== "");
      const outcome = expectStatus(place.verb(inPlace(id)), 1);
      assert.match(outcome.stderr, new RegExp(`in use by tail \\(process ${program.pid}\\)`));
      assertSameFacts(treeFacts(place.application.directory), facts);
      nothingLeft();
      program.kill("SIGTERM");
      await program.ended();
    }
    place.ends(0, ...inPlace(id));
    assert.deepEqual(place.application.generations(), ["old"]);
    const program = place.startProgram("tail", ["-f", place.application.settings]);
    await until("the output of the program", () => program.stdoutSoFar !== "");
    const undo = expectStatus(place.verb(["undo", "app", "--yes"]), 1);
    assert.match(undo.stderr, new RegExp(`in use by tail \\(process ${program.pid}\\)`));
    assert.deepEqual(place.application.generations(), ["old"]);
    program.kill("SIGTERM");
    await program.ended();
    place.ends(0, "undo", "app", "--yes");
    assert.deepEqual(place.application.generations(), ["new"]);
  });

  it("B2: stale -wal, -shm and -journal files are moved aside with the old database, and come back with it", () => {
    const id = place.point();
    place.application.become("new", { crashed: true });
    const database = place.application.database;
    const log = readFileSync(`${database}-wal`);
    assert.ok(log.length > 10_000);
    // Everything is gone but the log, which fits to the restored database all too well.
    for (const file of [database, place.application.settings]) rmSync(file);
    rmSync(place.application.uploads, { recursive: true });
    for (const ending of ["-shm", "-journal"]) writeFileSync(database + ending, noise(ending, 5000));
    place.ends(0, ...inPlace(id));
    for (const ending of ["-wal", "-shm", "-journal"]) {
      assert.ok(!existsSync(database + ending), ending);
      assert.equal(others().filter((name) => name.startsWith(`app.db${ending}.before-`)).length, 1, ending);
    }
    assert.deepEqual(place.application.generations(), ["old"]);
    using opened = new DatabaseSync(database);
    assert.deepEqual(
      { ...opened.prepare("SELECT count(*) AS n FROM fact WHERE generation = 'old'").get() },
      { n: 4000 },
    );
    opened.close();
    place.ends(0, "undo", "app", "--yes");
    assert.deepEqual(readFileSync(`${database}-wal`), log);
    assert.ok(!existsSync(database));
  });

  it("B25: a second one never overwrites what the first has kept, and undo takes them back one by one", () => {
    const id = place.point();
    const generations = ["first", "second", "third"];
    for (const generation of generations) {
      place.application.become(generation);
      place.ends(0, ...inPlace(id));
    }
    const kept = others().filter((name) => name.startsWith("app.db.before-"));
    const seen = kept.map((name) =>
      inCopy(place.at("app", name), (database) =>
        String(database.prepare("SELECT generation FROM fact").get()?.["generation"]),
      ),
    );
    assert.deepEqual(seen.toSorted(), generations.toSorted());
    for (const generation of generations.toReversed()) {
      place.ends(0, "undo", "app", "--yes");
      assert.deepEqual(place.application.generations(), [generation]);
    }
    assert.match(
      expectStatus(place.verb(["undo", "app", "--yes"]), 1).stderr,
      /no restore of app that could be undone/,
    );
  });

  it("B25: takes another name for what it keeps where the names of this second are taken", () => {
    const id = place.point();
    place.application.become("new");
    const seconds = Array.from({ length: 60 }, (_, at) => new Date(Date.now() + at * 1000));
    const taken = seconds.map((time) => `settings.json.before-${time.toISOString().replaceAll(/[-:]|\.\d+/g, "")}`);
    for (const name of taken) writeFileSync(place.at("app", name), "kept long ago");
    place.ends(0, ...inPlace(id));
    for (const name of taken) assert.equal(readFileSync(place.at("app", name), "utf8"), "kept long ago");
    const [kept = "", ...more] = others().filter((name) => name.endsWith("Z-2") && name.startsWith("settings.json"));
    assert.deepEqual(more, []);
    assert.match(readFileSync(place.at("app", kept), "utf8"), /new/);
    place.ends(0, "undo", "app", "--yes");
    assert.deepEqual(place.application.generations(), ["new"]);
  });

  it("that is interrupted ends with 130, touches nothing and leaves nothing", async () => {
    place.write("app/uploads/large", noise("large", 20_000_000));
    const id = place.point();
    const facts = treeFacts(place.application.directory);
    const running = place.startVerb(inPlace(id));
    await until("its journal", () => place.journal().some((name) => name.endsWith(".json")));
    running.kill("SIGINT");
    expectStatus(await running.ended(), 130);
    assertSameFacts(treeFacts(place.application.directory), facts);
    nothingLeft();
    assert.deepEqual(place.storeFiles("locks"), []);
  });
});

describe("a restore to a folder", () => {
  beforeEach(atStart);
  afterEach(() => place[Symbol.dispose]());

  it("leaves what it finds there as it is, even when it is killed and another run clears up", async () => {
    place.write("app/uploads/large", noise("large", 20_000_000));
    const id = place.point();
    const there = place.at("to", "settings", place.application.settings);
    mkdirSync(path.dirname(there), { recursive: true });
    copyFileSync(place.application.settings, there);
    writeFileSync(there, "somebody's own work");
    const refused = expectStatus(place.verb(["restore", id, "--to", place.at("to")]), 1);
    assert.match(refused.stderr, /settings\.json exists already/);
    const running = place.startVerb(["restore", id, "--to", place.at("to")]);
    await Promise.race([
      until("its journal", () => place.journal().some((name) => name.endsWith(".json"))).catch(() => {}),
      running.ended(),
    ]);
    running.kill("SIGKILL");
    await running.ended();
    place.ends(0, "drill", "app");
    assert.equal(readFileSync(there, "utf8"), "somebody's own work");
    assert.deepEqual(place.journal(), []);
    const files = readdirSync(place.at("to"), { recursive: true, withFileTypes: true }).filter((each) => each.isFile());
    assert.deepEqual(
      files.map(({ name }) => name),
      ["settings.json"],
    );
  });

  it("R334: that cannot be a folder is refused and named, and so is one on a disk that may not be written", () => {
    const id = place.point();
    const file = place.write("no folder", "x");
    assert.match(expectStatus(place.verb(["restore", id, "--to", file]), 1).stderr, /no folder/);
    const outcome = expectStatus(place.verb(["restore", id, "--to", "/proc/holdfast"]), 1);
    assert.match(outcome.stderr, /\/proc\/holdfast/);
    assert.equal(readFileSync(file, "utf8"), "x");
    nothingLeft();
  });

  it("works from a copy of the repository on a host that knows nothing of the stack", () => {
    const id = place.point();
    cpSync(place.repository, place.at("elsewhere", "repository"), { recursive: true });
    place.repository = place.at("elsewhere", "repository");
    place.stateDirectory = place.at("elsewhere", "state");
    rmSync(place.application.directory, { recursive: true });
    place.configure({ none: { files: ["/none"] } });
    place.ends(0, ...inPlace(id));
    assert.deepEqual(place.application.generations(), ["old"]);
  });
});
