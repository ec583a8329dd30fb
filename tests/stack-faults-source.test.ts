// Faults of the sources of a stack: missing, locked, damaged, unreadable, vanishing, oddly named. Never good by mistake.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, it } from "node:test";
import { overwritePages } from "./support/application.ts";
import { expectStatus, jsonLines, message, run } from "./support/programs.ts";
import type { Outcome } from "./support/programs.ts";
import { noise } from "./support/sample-tree.ts";
import { isAlive, pinProcessesOf, StackPlace, until } from "./support/stack-place.ts";

let place: StackPlace;

function atStart(): void {
  place = new StackPlace("stack-source");
  place.application.make("one");
  place.prepare();
}

const idOf = (outcome: Outcome): string => String(message(outcome, "summary")["snapshot_id"]);

describe("a stack with a source that is missing", () => {
  beforeEach(atStart);
  afterEach(() => place[Symbol.dispose]());

  it("R001 R041 R200: without its database it fails, stores the rest as partial, and is never taken for good", () => {
    const good = place.point();
    renameSync(place.application.database, place.at("moved.db"));
    const outcome = expectStatus(place.verb(["backup", "app", "--json"]), 1);
    assert.equal(message(outcome, "summary")["outcome"], "failed");
    const { database, uploads, settings } = place.sourcesOf(outcome);
    assert.match(String(database?.["reason"]), /app\.db does not exist/);
    assert.deepEqual([uploads?.["outcome"], settings?.["outcome"]], ["good", "good"]);
    assert.match(outcome.stderr, /the source database has failed/);
    const manifest = place.manifest(idOf(outcome));
    assert.equal(manifest.outcome, "partial");
    assert.equal(manifest.sources["database"]?.["outcome"], "failed");
    const listed = place.done("ls", idOf(outcome)).stdout.toString();
    assert.ok(listed.includes(`/uploads${place.application.uploads}/7`));
    assert.ok(!listed.includes("app.db"));
    const restored = place.ends(0, "restore", "app", "--json", "--to", place.at("restored"));
    assert.equal(message(restored, "summary")["snapshot_id"], good, "the newest good one is taken");
    assert.match(restored.stderr, /newer recovery point/);
    expectStatus(place.verb(["restore", idOf(outcome), "--source", "database"]), 1);
    const rest = place.ends(3, "restore", idOf(outcome), "--json", "--to", place.at("rest"));
    assert.equal(message(rest, "summary")["outcome"], "partial", "all that it has is not all of the stack");
    assert.ok(existsSync(place.at("rest", "uploads")));
    place.ends(0, "restore", idOf(outcome), "--source", "uploads", "--to", place.at("chosen"));
    const drill = place.ends(2, "drill", idOf(outcome));
    assert.match(drill.stderr, /is partial: a drill proves only whole ones\n {2}→ .*drill app/);
    assert.equal(message(place.ends(1, "status", "--json"), "stack_status")["proven"], null);
  });

  it("a drill in a place that cannot be made ends at once and names it", () => {
    place.point();
    for (const folder of ["/proc/holdfast", "/proc/holdfast/drills"]) {
      const outcome = place.ends(1, "drill", "app", "--sandbox", folder);
      assert.match(outcome.stderr, /the directory \/proc\/holdfast cannot be made/);
    }
  });

  it("R008: without an optional one it is good, and the manifest says that it was not found", () => {
    place.configure({ ...place.sources, uploads: { files: { paths: [place.application.uploads] }, optional: true } });
    place.point();
    rmSync(place.application.uploads, { recursive: true });
    const outcome = expectStatus(place.verb(["backup", "app", "--json"]), 0);
    const manifest = place.manifest(idOf(outcome));
    assert.equal(manifest.outcome, "good");
    assert.equal(manifest.sources["uploads"]?.["outcome"], "skipped");
    assert.match(String(manifest.sources["uploads"]?.["reason"]), /^not found: /);
  });

  it("R032: one path of a list that is missing is a warning, and the rest is stored", () => {
    const both = { files: [place.application.settings, place.at("app", "never there")] };
    place.configure({ ...place.sources, settings: both });
    const outcome = place.verb(["backup", "app", "--json"]);
    const { settings } = place.sourcesOf(outcome);
    const warnings = (settings ?? {})["warnings"] as string[];
    assert.equal(warnings.length, 1, "counted once");
    assert.match(warnings[0] ?? "", /never there/);
    expectStatus(outcome, 0);
    assert.ok(place.done("ls", idOf(outcome)).stdout.toString().includes("settings.json"));
  });

  it("without any source it says that nothing was stored, and makes no snapshot", () => {
    rmSync(place.application.directory, { recursive: true });
    const outcome = expectStatus(place.verb(["backup", "app"]), 1);
    assert.match(outcome.stderr + outcome.stdout.toString(), /no snapshot was made/);
    assert.deepEqual(place.snapshots(), []);
  });
});

describe("a stack with a database that cannot be captured well", () => {
  beforeEach(atStart);
  afterEach(() => place[Symbol.dispose]());

  it("waits for one that is locked as long as it may, then names it, and stores the rest", () => {
    const database = { sqlite: { path: place.application.database, busy_timeout: "5s" } };
    place.configure({ ...place.sources, database });
    using holder = new DatabaseSync(place.application.database);
    holder.exec("PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE");
    const outcome = expectStatus(place.verb(["backup", "app", "--json"]), 1);
    assert.ok(outcome.seconds > 5 && outcome.seconds < 30, `${outcome.seconds} s`);
    const sources = place.sourcesOf(outcome);
    assert.match(String(sources["database"]?.["reason"]), /app\.db: another program kept it locked for 5s/);
    assert.equal(sources["uploads"]?.["outcome"], "good");
    holder.exec("ROLLBACK");
    holder.close();
    place.point();
  });

  it("R204: a damaged one of three is stored, named by table or page, and the run fails; the others are good", () => {
    const three = ["first", "second", "third"];
    for (const name of three) {
      using made = new DatabaseSync(place.at(`${name}.db`));
      made.exec("CREATE TABLE fact (content)");
      const insert = made.prepare("INSERT INTO fact VALUES (?)");
      made.exec("BEGIN");
      for (let row = 0; row < 1000; row++) insert.run(noise(`${name} ${row}`, 1000));
      made.exec("COMMIT");
    }
    place.configure(Object.fromEntries(three.map((name) => [name, { sqlite: place.at(`${name}.db`) }])));
    place.point();
    overwritePages(place.at("second.db"));
    const outcome = expectStatus(place.verb(["backup", "app", "--json"]), 1);
    const sources = place.sourcesOf(outcome);
    assert.deepEqual(
      three.map((name) => sources[name]?.["outcome"]),
      ["good", "failed", "good"],
    );
    assert.match(String(sources["second"]?.["reason"]), /^the content is damaged: ./);
    const listed = place.done("ls", idOf(outcome)).stdout.toString();
    assert.ok(listed.includes("second.db"), "what there is of it is kept all the same");
    const warned = jsonLines(outcome.stderr).map((line) => String(line["message"]));
    assert.deepEqual(
      warned.filter((text) => /first|third/.test(text)),
      [],
    );
    assert.ok(warned.some((text) => text.includes("second")));
    // The good one before it is what a restore and a drill take.
    assert.match(place.ends(0, "drill", "app").stdout.toString(), /proven/);
  });

  it("is told from a file that is no database at all, and from an empty one", () => {
    writeFileSync(place.application.database, "this is no database ".repeat(1000));
    const none = expectStatus(place.verb(["backup", "app", "--json"]), 1);
    assert.match(String(place.sourcesOf(none)["database"]?.["reason"]), /not a SQLite database/);
    writeFileSync(place.application.database, "");
    const empty = place.verb(["backup", "app", "--json"]);
    assert.match(String(place.sourcesOf(empty)["database"]?.["warnings"]), /is empty/);
    const critical = { ...place.sources["database"], critical: true };
    place.configure({ ...place.sources, database: critical });
    const outcome = expectStatus(place.verb(["backup", "app", "--json"]), 1);
    assert.match(String(place.sourcesOf(outcome)["database"]?.["reason"]), /is empty/);
  });
});

describe("a stack with files that cannot be read as they are", () => {
  beforeEach(atStart);
  afterEach(() => place[Symbol.dispose]());

  it("is partial, with 3, and names each; a restore takes the good one before it", () => {
    const good = place.point();
    const closed = place.write("app/uploads/closed", "nobody's");
    chmodSync(closed, 0);
    // Root may read it all the same, unless that right is taken from it.
    const rights = ["--bounding-set", "-dac_override,-dac_read_search", process.execPath];
    const words = [...rights, ...place.words(["backup", "app", "--json"])];
    const outcome = expectStatus(run("setpriv", words, { cwd: place.directory, environment: place.environment }), 3);
    assert.equal(message(outcome, "summary")["outcome"], "partial");
    const errors = jsonLines(outcome.stderr).filter((line) => line["message_type"] === "error");
    assert.deepEqual(
      errors.map((line) => line["item"]),
      [closed],
    );
    const manifest = place.manifest(idOf(outcome));
    assert.equal(manifest.outcome, "partial");
    assert.equal(manifest.sources["uploads"]?.["outcome"], "partial");
    assert.match(String(manifest.sources["uploads"]?.["errors"]), /uploads\/closed/);
    const restored = place.ends(0, "restore", "app", "--json", "--to", place.at("restored"));
    assert.equal(message(restored, "summary")["snapshot_id"], good);
    const asked = place.ends(3, "restore", idOf(outcome), "--to", place.at("asked"));
    assert.match(asked.stderr, /source uploads is partial/);
    const { uploads } = place.application;
    place.ends(3, "restore", idOf(outcome), "--path", uploads, "--to", place.at("folder"));
    place.ends(0, "restore", idOf(outcome), "--path", path.join(uploads, "7"), "--to", place.at("file"));
  });

  it("goes on when files come and go while it runs, and what it stores comes back", async () => {
    const names = Array.from({ length: 1500 }, (_, at) => `app/uploads/more/${String(at).padStart(4, "0")}`);
    for (const name of names) place.write(name, randomBytes(40_000));
    const running = place.startVerb(["backup", "app", "--json"]);
    const packs = (): number => readdirSync(path.join(place.repository, "data"), { recursive: true }).length;
    const before = packs();
    await until("the first pack", () => packs() > before);
    // They have been listed, and most of them are not read yet.
    for (const name of names.slice(-500)) rmSync(place.at(name));
    place.write("app/uploads/more/new", "new");
    const outcome = await running.ended();
    assert.ok(outcome.status === 0 || outcome.status === 3, outcome.stderr);
    const id = idOf(outcome);
    const manifest = place.manifest(id);
    assert.equal(manifest.outcome, outcome.status === 0 ? "good" : "partial");
    assert.equal(place.sourcesOf(outcome)["uploads"]?.["outcome"], manifest.outcome);
    place.ends(0, "restore", id, "--to", place.at("restored"));
    assert.notEqual(place.check("--read-data").verdict, "damaged");
  });

  it("brings names back with newlines and with bytes that are no text, in place too", () => {
    const folder = Buffer.from(`${place.application.uploads}/`);
    const names = [
      Buffer.from("two\nlines"),
      Buffer.from([0x66, 0xff, 0xfe, 0x80]),
      Buffer.from(" spaces 'and' \"quotes\" "),
    ];
    for (const name of names) writeFileSync(Buffer.concat([folder, name]), name);
    mkdirSync(Buffer.concat([folder, Buffer.from([0xc3, 0x28])]));
    place.point();
    rmSync(place.application.uploads, { recursive: true });
    const outcome = place.ends(0, "restore", "app", "--in-place", "--yes");
    assert.doesNotMatch(outcome.stdout.toString(), /two\nlines/);
    for (const name of names) assert.deepEqual(readFileSync(Buffer.concat([folder, name])), name);
    place.ends(0, "drill", "app");
  });

  it("captures a file whose own path is no text, and restores it in place", () => {
    const odd = Buffer.concat([Buffer.from(`${place.application.uploads}/`), Buffer.from([0xe9, 0x0a, 0x80])]);
    mkdirSync(odd);
    writeFileSync(Buffer.concat([odd, Buffer.from("/inside")]), "here");
    const id = place.point();
    rmSync(odd, { recursive: true });
    place.ends(0, "restore", id, "--source", "uploads", "--in-place", "--yes");
    assert.equal(readFileSync(Buffer.concat([odd, Buffer.from("/inside")]), "utf8"), "here");
  });
});

describe("a backup of a stack that is told to end", () => {
  beforeEach(atStart);
  afterEach(() => place[Symbol.dispose]());

  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    it(`by ${signal}, ends with 130 and leaves no lock, no snapshot and no process that holds the database`, async () => {
      place.write("app/uploads/large", noise("large", 40_000_000));
      const running = place.startVerb(["backup", "app"]);
      await until("the process that holds the database", () => pinProcessesOf(running.pid).length > 0);
      const pins = pinProcessesOf(running.pid);
      running.kill(signal);
      const outcome = expectStatus(await running.ended(), 130);
      assert.match(outcome.stderr, /interrupted/);
      await until("the end of the process that holds the database", () => !pins.some(isAlive), 2000);
      assert.deepEqual([place.storeFiles("locks"), place.snapshots()], [[], []]);
      using database = new DatabaseSync(place.application.database);
      assert.equal(database.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get()?.["busy"], 0);
      database.close();
      place.point();
    });
  }
});
