// Requirements of the catalogue that the engine answers for, each shown once through the command line.
import assert from "node:assert/strict";
import { chmodSync, chownSync, cpSync, mkdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, describe, it } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import { archiveListing } from "./support/comparisons.ts";
import { expectStatus, isLong, jsonLines, mainFile, message, run } from "./support/programs.ts";
import { noise, prose } from "./support/sample-tree.ts";
import { assertSameTree, sha256Of } from "./support/tree-facts.ts";
import { Workplace } from "./support/workplace.ts";

/** As `stat -c '%a %u:%g %Y'` prints it, and the content. */
function statLine(file: string): string {
  return `${expectStatus(run("stat", ["-c", "%a %u:%g %Y", file]), 0)
    .stdout.toString()
    .trim()} ${sha256Of(file)}`;
}

describe("files of a server", () => {
  const place = new Workplace("requirements");
  const source = place.at("srv");
  const at = (...names: string[]): string => path.join(source, ...names);
  const restored = (...names: string[]): string => place.at("restored", "srv", ...names);
  before(() => {
    place.write("srv/mist/letsencrypt/acme.json", JSON.stringify({ key: noise("acme", 3000).toString("base64") }));
    chownSync(at("mist", "letsencrypt", "acme.json"), 1000, 1001);
    chmodSync(at("mist", "letsencrypt", "acme.json"), 0o600);
    utimesSync(at("mist", "letsencrypt", "acme.json"), 1_600_000_000, 1_600_000_000);
    place.write("srv/mist/docker-compose.yml", "services:\n  app: { image: app }\n");
    place.write("srv/mist/.env", "SECRET=canary-in-env-5512\n");
    place.write("srv/certificates/live/privkey.pem", prose("pem", 1700));
    chmodSync(at("certificates", "live", "privkey.pem"), 0o640);
    place.write("srv/mist/logs/app.log", "log");
    place.write("srv/mist/logs/keep/important.log", "important");
    place.write("srv/repos/app/.git/HEAD", "ref: refs/heads/main");
    place.write("srv/grafana/provisioning/dashboards/übersicht.json", "{}");
    place.write("srv/grafana/provisioning/data sources/main.yml", "x: 1");
    place.write("srv/grafana/other", "not listed");
    place.init();
    place.backup("srv");
    place.done("restore", "latest", "--target", place.at("restored"));
  });
  after(() => place[Symbol.dispose]());

  it("R005 R225 R232: gives acme.json back with its mode, owner, time and content", () => {
    const file = ["mist", "letsencrypt", "acme.json"];
    assert.match(statLine(at(...file)), /^600 1000:1001 1600000000 /);
    assert.equal(statLine(restored(...file)), statLine(at(...file)));
  });

  it("R225: restores a file that has become wider or another's, to what it was", () => {
    const file = restored("mist", "letsencrypt", "acme.json");
    chownSync(file, 0, 0);
    chmodSync(file, 0o666);
    place.done("restore", "latest", "--target", place.at("restored"), "--overwrite", "if-changed");
    assert.equal(statLine(file), statLine(at("mist", "letsencrypt", "acme.json")));
  });

  it("R022 R024: gives compose files and certificates back, the same to the last bit", () => {
    for (const file of [
      ["mist", "docker-compose.yml"],
      ["certificates", "live", "privkey.pem"],
    ]) {
      assert.equal(statLine(restored(...file)), statLine(at(...file)));
    }
    assertSameTree(place.at("restored", "srv"), source);
  });

  it("R023: keeps environment files, and only encrypted", () => {
    assert.equal(readFileSync(restored("mist", ".env"), "utf8"), "SECRET=canary-in-env-5512\n");
    const found = run("grep", ["-r", "-a", "-l", "canary-in-env-5512", place.repository]);
    assert.deepEqual([found.status, found.stdout.toString()], [1, ""]);
  });

  it("R011: leaves out what is excluded, and only that", () => {
    const { snapshotId } = place.backup("--exclude", "/srv/mist/logs", "--exclude", `${source}/mist/logs`, "srv");
    const listed = place.done("ls", snapshotId).stdout.toString();
    assert.ok(!listed.includes("/mist/logs"));
    assert.ok(listed.includes("/srv/mist/docker-compose.yml"));
  });

  it("R012: takes an excluded thing back in with a pattern that says so", () => {
    const patterns = place.write(
      "patterns",
      `# clones can be cloned again\n${source}/repos/*\n\n!${source}/repos/app\n`,
    );
    place.write("srv/repos/other/.git/HEAD", "ref");
    const { snapshotId } = place.backup("--exclude-file", patterns, "srv");
    const listed = place.done("ls", snapshotId).stdout.toString();
    assert.ok(listed.includes("/srv/repos/app/.git/HEAD"));
    assert.ok(!listed.includes("/srv/repos/other"));
  });

  it("R034: reads a list of paths with comments, blanks, spaces and unicode, folders with all below", () => {
    const list = [
      "# what Grafana needs",
      "",
      "srv/grafana/provisioning/data sources",
      "   ",
      "srv/grafana/provisioning/dashboards",
      "",
    ];
    const outcome = place.done("backup", "--files-from", place.write("paths", list.join("\n")));
    assert.equal(outcome.stderr, "", "comments and blanks are no paths");
    const listed = place.done("ls", "latest").stdout.toString();
    assert.ok(listed.includes("/data sources/main.yml"));
    assert.ok(listed.includes("/dashboards/übersicht.json"));
    assert.ok(!listed.includes("/grafana/other"));
  });

  it("R231: restores single files, lists them, and prints one to standard output", () => {
    const target = place.at("single");
    place.done(
      "restore",
      "latest:/",
      "--target",
      target,
      "--include",
      "/grafana/provisioning/**",
      "--include",
      "übersicht.json",
    );
    const listed = place.done("ls", "latest").stdout.toString().trim().split("\n");
    const file = listed.find((line) => line.endsWith("/übersicht.json")) ?? assert.fail("it is listed");
    assert.equal(place.done("dump", "latest", file).stdout.toString(), "{}");
    assert.equal(
      sha256Of(path.join(target, file)),
      sha256Of(at("grafana", "provisioning", "dashboards", "übersicht.json")),
    );
    const count = run("find", [target, "-type", "f"]).stdout.toString().trim().split("\n").length;
    assert.equal(count, 1);
  });

  it("R206: lists and prints a folder as an archive that tar itself reads, each of its files", () => {
    const { snapshotId } = place.backup("srv");
    const archive = place.done("dump", snapshotId, "/srv/mist").stdout;
    const lines = archiveListing(archive);
    for (const name of ["docker-compose.yml", ".env", "letsencrypt/acme.json", "logs/app.log"]) {
      assert.equal(lines.filter((line) => line.endsWith(name)).length, 1, name);
    }
    assert.ok(lines.some((line) => line.startsWith("-rw------- 1000/1001") && line.endsWith("acme.json")));
  });
});

describe("repeated backups", () => {
  const place = new Workplace("repeated");
  before(() => {
    place.write("data/database.sql", prose("database", 20_000_000));
    for (let file = 0; file < 200; file++) place.write(`data/files/${file % 10}/${file}`, prose(`${file}`, 4000));
    place.init();
  });
  after(() => place[Symbol.dispose]());

  it("R051: add less than one percent for unchanged data, as files and as a stream", () => {
    const first = place.backup("data");
    const second = place.backup("data");
    assert.ok(second.bytesStored < first.bytesStored / 100);
    const input = readFileSync(place.at("data", "database.sql"));
    const stream = message(expectStatus(place.holdfast(["backup", "--json", "--stdin"], { input }), 0), "summary");
    assert.ok(Number(stream["data_added"]) < input.length / 100, "the stream was known from the file");
    const changed = Buffer.concat([
      input.subarray(0, 9_000_000),
      Buffer.from("one row more"),
      input.subarray(9_000_000),
    ]);
    const after = message(
      expectStatus(place.holdfast(["backup", "--json", "--stdin"], { input: changed }), 0),
      "summary",
    );
    assert.ok(Number(after["data_added"]) < input.length / 4, "only the chunks around the change are new");
  });

  it("R052: read every byte with --force, and find a change that times and sizes hide", () => {
    const file = place.at("data", "files", "3", "3");
    const { mtime } = statSync(file);
    place.backup("data");
    const bytes = readFileSync(file);
    bytes[100] = (bytes[100] ?? 0) ^ 1;
    writeFileSync(file, bytes);
    utimesSync(file, mtime, mtime);
    const reads = readBytesOf(place, ["backup", "--force", "data"]);
    assert.ok(reads > 20_000_000, `${reads} bytes were read`);
    assert.equal(place.done("dump", "latest", "/data/files/3/3").stdout.toString(), bytes.toString());
    const again = readBytesOf(place, ["backup", "data"]);
    assert.ok(again < 10_000_000, `${again} bytes were read without it`);
  });

  it("R096: grow the repository by less than 10 KB when nothing has changed", () => {
    place.backup("data");
    const before = place.storeBytes();
    for (let turn = 0; turn < (isLong ? 20 : 3); turn++) place.backup("data");
    const growth = (place.storeBytes() - before) / (isLong ? 20 : 3);
    assert.ok(growth > 0 && growth < 10_000, `${growth} bytes a run`);
  });

  it("R095: compress what can be, store as it is what cannot, and show both", () => {
    const text = place.backup(place.write("text", prose("compress", 8_000_000)));
    const dense = place.backup(place.write("dense", noise("compress", 8_000_000)));
    assert.ok(text.bytesStored < text.bytesAdded * 0.8, `${text.bytesStored} of ${text.bytesAdded}`);
    assert.ok(dense.bytesStored < dense.bytesAdded * 1.001);
    const stats = jsonLines(place.done("stats", "--mode", "raw-data", "--json").stdout)[0] ?? {};
    assert.ok(Number(stats["total_size"]) > 0);
    assert.ok(Number(stats["total_uncompressed_size"]) > Number(stats["total_size"]));
  });
});

/** How many bytes of source files a run reads, as the kernel counts them. */
function readBytesOf(place: Workplace, words: readonly string[]): number {
  const trace = place.at("trace");
  const command = [process.execPath, mainFile, "repo", "-r", place.repository, ...words];
  const options = { cwd: place.directory, environment: place.environment };
  expectStatus(
    run("strace", ["-f", "-y", "-qq", "-e", "trace=read,pread64,readv,preadv", "-o", trace, ...command], options),
    0,
  );
  let sum = 0;
  const waiting = new Set<string>(); // threads in a call whose result stands in a line of its own
  for (const line of readFileSync(trace, "utf8").split("\n")) {
    const thread = line.slice(0, line.indexOf(" "));
    const isOurs = line.includes(`<${place.at("data")}`) || (line.includes(" resumed>") && waiting.delete(thread));
    if (!isOurs) continue;
    if (line.endsWith("<unfinished ...>")) waiting.add(thread);
    else sum += Math.max(0, Number(/= (\d+)$/.exec(line)?.[1] ?? 0));
  }
  return sum;
}

describe("keys", () => {
  it("R181: are derived with scrypt from a random salt, and weak passwords are warned of", () => {
    using place = new Workplace("keys");
    const weak = { ...place.environment, RESTIC_PASSWORD: "password" };
    const outcome = expectStatus(place.holdfast(["init"], { environment: weak }), 0);
    assert.match(outcome.stderr, /warning: .*password/);
    const [key] = place.storeFiles("keys");
    const facts = JSON.parse(readFileSync(key?.path ?? "", "utf8")) as Record<string, unknown>;
    assert.equal(facts["kdf"], "scrypt");
    assert.ok(Number(facts["N"]) >= 2 ** 15 && Number(facts["r"]) >= 8);
    assert.equal(Buffer.from(String(facts["salt"]), "base64").length, 64);
    const shown = JSON.parse(
      expectStatus(
        place.holdfast(["cat", "key", path.basename(key?.name ?? "")], { environment: weak }),
        0,
      ).stdout.toString(),
    ) as object;
    assert.deepEqual(shown, facts);
    place.repository = place.at("strong");
    assert.doesNotMatch(place.done("init").stderr, /warning/);
  });

  it("R187: a second password, kept apart, gives access to a copy on a new host", () => {
    using place = new Workplace("recovery");
    place.write("source/file", "worth keeping");
    place.init();
    place.backup("source");
    const recovery = place.write("safe/recovery password", "a long one of 6 words, on paper\n");
    place.done("key", "add", "--new-password-file", recovery, "--user", "recovery", "--host", "paper");
    cpSync(place.repository, place.at("new host", "copy"), { recursive: true });
    const environment = { ...place.environment, RESTIC_PASSWORD: undefined };
    const elsewhere = { ...environment, HOME: place.at("new host"), XDG_CACHE_HOME: place.at("new host", "cache") };
    const words = ["repo", "-r", place.at("new host", "copy"), "--password-file", recovery];
    const target = place.at("new host", "restored");
    const command = [process.execPath, mainFile, ...words, "restore", "latest", "--target", target];
    expectStatus(
      run("unshare", ["--uts", "sh", "-c", 'hostname new-host; exec "$@"', "sh", ...command], {
        environment: elsewhere,
      }),
      0,
    );
    assert.equal(readFileSync(path.join(target, "source", "file"), "utf8"), "worth keeping");
    // The master key itself can be printed too.
    const master = JSON.parse(place.done("cat", "masterkey").stdout.toString()) as { encrypt: string };
    assert.equal(Buffer.from(master.encrypt, "base64").length, 32);
  });
});

describe("what is said of a restore", () => {
  const place = new Workplace("said");
  before(() => {
    place.write("source/whole", "whole");
    place.write("source/large", noise("said", 2_000_000));
    place.init();
    place.backup("source");
  });
  after(() => place[Symbol.dispose]());

  it("R267: success is claimed only at the end, after everything was read again where that was asked for", () => {
    const outcome = place.done("restore", "latest", "--target", place.at("good"), "--verify");
    const lines = outcome.stdout.toString().trim().split("\n");
    assert.match(lines.at(-2) ?? "", /^restored 3 entries/);
    assert.match(lines.at(-1) ?? "", /^2 files read again and found equal/);
  });

  it("R267: no success is claimed when a file could not be restored", () => {
    const pack =
      place.storeFiles("data").toSorted((left, right) => right.sizeBytes - left.sizeBytes)[0] ?? assert.fail();
    const bytes = readFileSync(pack.path);
    bytes[5000] = (bytes[5000] ?? 0) ^ 4;
    writeFileSync(pack.path, bytes);
    const target = place.at("bad");
    const outcome = expectStatus(place.holdfast(["restore", "latest", "--target", target, "--verify"]), 1);
    assert.match(outcome.stderr, /\/source\/large/);
    assert.doesNotMatch(outcome.stdout.toString(), /^restored/m);
    assert.throws(() => statSync(path.join(target, "source", "large")), { code: "ENOENT" });
  });
});

describe("formats of artefacts", () => {
  it("R204 R205: SQLite, gzip and tar files come back as what they are, each of several", () => {
    using place = new Workplace("artefacts");
    mkdirSync(place.at("artefacts"));
    for (const name of ["one", "two", "three"]) {
      using database = new DatabaseSync(place.at("artefacts", `${name}.sqlite`));
      database.exec(`CREATE TABLE t (x); INSERT INTO t VALUES ('${name}')`);
    }
    place.write("artefacts/dump.sql.gz", gzipSync(prose("gzip", 200_000)));
    place.init();
    place.backup("artefacts");
    for (const name of ["one", "two", "three"]) {
      const file = place.at(`${name}.sqlite`);
      writeFileSync(file, place.done("dump", "latest", `/artefacts/${name}.sqlite`).stdout);
      assert.equal(readFileSync(file).subarray(0, 15).toString(), "SQLite format 3");
      using database = new DatabaseSync(file);
      assert.deepEqual({ ...database.prepare("SELECT x FROM t").get() }, { x: name });
      assert.deepEqual({ ...database.prepare("PRAGMA integrity_check").get() }, { integrity_check: "ok" });
    }
    const unpacked = gunzipSync(place.done("dump", "latest", "/artefacts/dump.sql.gz").stdout);
    assert.ok(unpacked.equals(prose("gzip", 200_000)));
    assert.ok(jsonLines(place.done("ls", "--json", "latest").stdout).length > 4);
  });
});
