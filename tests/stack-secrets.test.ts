// Secrets of a stack: planted in its data, configuration, key and environment, they appear nowhere in clear.
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { makeKeysCheap } from "./support/cheap-keys.ts";
import { expectStatus, mainFile, run } from "./support/programs.ts";
import type { Outcome } from "./support/programs.ts";
import { StackPlace } from "./support/stack-place.ts";

const canaries = {
  row: "canary-of-a-row-5b1c77d0",
  file: "canary-of-a-file-9e02af41",
  password: "canary of the password 71 c3",
  environment: "canary-of-the-environment-c84d",
  configuration: "canary-of-the-configuration-20ee",
};

/** Every way in which a text may stand somewhere: as it is, in base64 at each offset, in hexadecimal, in an address. */
function forms(secret: string): string[] {
  const base64 = [0, 1, 2].map((offset) =>
    Buffer.from(`${"x".repeat(offset)}${secret}`)
      .toString("base64")
      .slice(4, -4),
  );
  return [secret, ...base64, Buffer.from(secret).toString("hex"), encodeURIComponent(secret)];
}

const searched = Object.entries(canaries).flatMap(([name, secret]) => forms(secret).map((form) => ({ name, form })));

/** The names of the canaries in these bytes. */
function canariesIn(bytes: Buffer | string): string[] {
  return [...new Set(searched.filter(({ form }) => bytes.includes(form)).map(({ name }) => name))];
}

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));
}

describe("secrets of a stack", () => {
  const place = new StackPlace("stack-secrets");
  const { application } = place;
  const temporary = place.at("temporary");
  const words: string[] = [];
  before(() => {
    application.make("one");
    using database = new DatabaseSync(application.database);
    database.exec(`INSERT INTO fact VALUES (99999, 'one', '${canaries.row}')`);
    database.close();
    place.write("app/uploads/.env", `TOKEN=${canaries.file}\n`.repeat(20));
    mkdirSync(temporary);
    writeFileSync(place.passwordFile, `${canaries.password}\n`, { mode: 0o600 });
    place.environment["RESTIC_PASSWORD"] = canaries.password;
    expectStatus(place.holdfast(["init"]), 0);
    makeKeysCheap(place.repository, canaries.password);
    Object.assign(place.environment, {
      SECRET_OF_THE_HOST: canaries.environment,
      SECRET_PATTERN: canaries.configuration,
      TMPDIR: temporary,
    });
    const uploads = { files: { paths: [application.uploads], exclude: ["${SECRET_PATTERN}*"] } };
    place.configure({ ...place.sources, uploads });
    delete place.environment["RESTIC_PASSWORD"];
  });
  after(() => place[Symbol.dispose]());

  /** Runs the verb while it looks at what every process shows, and what it has handed to those that it started. */
  async function watched(verb: readonly string[]): Promise<Outcome> {
    const running = place.startVerb(verb);
    let looks = 0;
    while (running.child.exitCode === null && running.child.signalCode === null) {
      for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
        looks++;
        const line = readIfThere(`/proc/${pid}/cmdline`);
        assert.deepEqual(canariesIn(line), [], `${verb.join(" ")}: the words of a process: ${line}`);
        const isChild = new RegExp(`\\) . ${running.pid} `).test(readIfThere(`/proc/${pid}/stat`));
        if (!isChild || line.startsWith("holdfast")) continue;
        children.add(line.split("\0").find((word) => word.endsWith(".ts")) ?? line);
        assert.deepEqual(canariesIn(readIfThere(`/proc/${pid}/environ`)), [], `the environment of ${line}`);
      }
      await sleep(5);
    }
    assert.ok(looks > 20);
    return running.ended();
  }
  const children = new Set<string>();

  it("R003 R117: no verb shows one, with or without --json, in its output or in the words of any process", async () => {
    const id = expectStatus(await watched(["backup", "app", "--json"]), 0).stdout.toString();
    const snapshot = /"snapshot_id":"([0-9a-f]{64})"/.exec(id)?.[1] ?? assert.fail(id);
    const verbs = [
      ["backup", "app", "-vv"],
      ["snapshots"],
      ["ls", "app"],
      ["status", "--json"],
      ["check", "app", "--json"],
      ["restore", snapshot, "--to", place.at("restored"), "-vv"],
      ["restore", "app", "--in-place", "--yes", "--json"],
      ["undo", "app", "--yes", "--json"],
      ["drill", "app", "--json"],
      ["pin", snapshot, "--note", "kept"],
      ["runs", "--json"],
    ];
    for (const verb of verbs) {
      const { stdout, stderr, status } = await watched(verb);
      assert.deepEqual(canariesIn(stdout.toString() + stderr), [], verb.join(" "));
      assert.equal(status, 0, `${verb.join(" ")}: ${stderr}`);
      words.push(stdout.toString());
    }
    assert.ok(
      [...children].some((line) => line.endsWith("sqlite/process-main.ts")),
      "its children were seen",
    );
  });

  it("R003: failures show none either", async () => {
    const text = readFileSync(place.configurationFile, "utf8");
    const failing: [string, readonly string[], number][] = [
      [
        text.replace('"local": {', '"bad": { "url": "rest:http://user:${SECRET_PATTERN}@127.0.0.1:9/" }, "local": {'),
        ["backup", "app"],
        2,
      ],
      [text.replace('"5s"', '"${SECRET_PATTERN}"'), ["backup", "app"], 2],
      [text.replace(place.passwordFile, application.settings), ["backup", "app"], 12],
      [text.replaceAll("app.db", "none.db"), ["backup", "app", "--json"], 1],
      [text, ["restore", "app", "--to", path.join(application.settings, "below")], 1],
    ];
    for (const [content, verb, status] of failing) {
      writeFileSync(place.configurationFile, content);
      const outcome = expectStatus(await watched(verb), status);
      assert.deepEqual(canariesIn(outcome.stdout.toString() + outcome.stderr), [], verb.join(" "));
    }
    writeFileSync(place.configurationFile, text);
    application.damage();
    const damaged = await watched(["backup", "app", "--json"]);
    assert.equal(damaged.status, 1, "it is damaged");
    assert.deepEqual(canariesIn(damaged.stdout.toString() + damaged.stderr), []);
  });

  it("R003 R023: none stands in the state, the journal, the cache, the repository or a temporary file", () => {
    const places = [place.stateDirectory, place.cacheDirectory, place.repository, temporary];
    const files = places.flatMap(filesBelow);
    assert.ok(files.some((file) => file.endsWith("state.db")) && files.length > 10);
    for (const file of files) assert.deepEqual(canariesIn(readFileSync(file)), [], file);
    assert.deepEqual(filesBelow(temporary), []);
    // The search finds them where they are.
    assert.deepEqual(canariesIn(readFileSync(application.database)), ["row"]);
    assert.deepEqual(canariesIn(readFileSync(place.at("app", "uploads", ".env"))), ["file"]);
    const restored = place.at("restored", "uploads", application.uploads, ".env");
    assert.deepEqual(canariesIn(readFileSync(restored)), ["file"]);
  });

  it("R312: what the verbs make is for its owner only, whatever the umask", () => {
    const script = `umask 0; exec "$0" "$@"`;
    const verb = [
      process.execPath,
      ...place.words(["restore", "app", "--source", "uploads", "--to", place.at("open")]),
    ];
    expectStatus(run("sh", ["-c", script, ...verb], { cwd: place.directory, environment: place.environment }), 0);
    const open = run("find", [place.stateDirectory, place.repository, "-perm", "/077"]).stdout.toString();
    assert.equal(open, "");
    assert.equal(mainFile, verb[1]);
  });
});

function readIfThere(file: string): string {
  try {
    return readFileSync(file, "latin1");
  } catch {
    return ""; // it has ended meanwhile
  }
}
