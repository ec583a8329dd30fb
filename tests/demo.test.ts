// The demo as a newcomer runs it: what it says, its exit codes, and that it leaves nothing behind.
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync, symlinkSync } from "node:fs";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { expectStatus, mainFile, message, programPath, run, Running } from "./support/programs.ts";
import type { Outcome } from "./support/programs.ts";
import { makeOddTree, makeOrdinaryTree } from "./support/sample-tree.ts";
import { assertSameFacts, treeFacts } from "./support/tree-facts.ts";
import { Workplace } from "./support/workplace.ts";

const checkout = path.resolve(import.meta.dirname, "..");
const place = new Workplace("demo");
const source = place.at("source");
const temporary = place.at("temporary");
let sourceFacts: string[];

/** A directory for PATH in which `restic` is this program. */
function withRestic(name: string, program: string): string {
  const directory = place.at(name);
  mkdirSync(directory);
  symlinkSync(program, place.at(name, "restic"));
  return `${directory}:/usr/bin:/bin`;
}

/** As restic, but a file that it restores is altered afterwards. */
function alteringRestic(): string {
  const script = place.write(
    "altering/restic.sh",
    [
      "#!/bin/sh",
      `"${programPath("restic")}" "$@" || exit`,
      'for word; do [ "$last" = --target ] && find "$word" -name "prose.txt" -exec sh -c \'printf x >>"$1"\' sh {} \\;; last=$word; done',
      "",
    ].join("\n"),
  );
  chmodSync(script, 0o755);
  return script;
}

before(() => {
  mkdirSync(temporary);
  makeOrdinaryTree(place.at("source", "ordinary"));
  makeOddTree(place.at("source", "odd"));
  sourceFacts = treeFacts(source);
});
after(() => place[Symbol.dispose]());

function demo(words: readonly string[], searchPath = "/nowhere"): Outcome {
  const environment = {
    ...place.environment,
    TMPDIR: temporary,
    PATH: searchPath,
    RESTIC_REPOSITORY: "/nobody/means/this",
  };
  const options = { environment, cwd: place.directory, timeoutMs: 300_000 };
  return run(process.execPath, [mainFile, "demo", ...words], options);
}

/** Every recovery of the final table has all its files. Returns their names. */
function assertRecovered(text: string): string[] {
  const rows = [...text.matchAll(/^(\S.*?) +\d+\.\d +(\d+) +(\d+) of (\d+) +yes$/gm)];
  for (const [, , transfers, filesEqual, files] of rows)
    assert.ok(Number(transfers) > 60_000 && filesEqual === files && Number(files) > 20, text);
  return rows.map(([, name = ""]) => name);
}

/** Processes, also those that nobody waits for, that work in the folder for temporary files or were told of it. */
function processesLeft(): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((name) => {
      try {
        return `${readlinkSync(`/proc/${name}/cwd`)} ${readFileSync(`/proc/${name}/cmdline`, "utf8")}`;
      } catch {
        return ""; // it has ended
      }
    })
    .filter((line) => line.includes(temporary));
}

/** The demo, when it has said `words`. */
async function startDemo(words: string): Promise<Running> {
  const environment = { ...place.environment, TMPDIR: temporary };
  const running = new Running(process.execPath, [mainFile, "demo"], { env: environment });
  for (let waitedMs = 0; !running.stdoutSoFar.includes(words) && waitedMs < 60_000; waitedMs += 20) await sleep(20);
  return running;
}

const recoveries = [
  "rows deleted",
  "page overwritten",
  "files removed",
  "everything removed",
  "wrong one restored",
  "taken back by undo",
];

describe("holdfast demo", () => {
  it("brings an application back four times, undoes, proves, and keeps it all where that is wanted", () => {
    const kept = place.at("kept here");
    const searchPath = withRestic("restic", programPath("restic"));
    const { stdout } = expectStatus(demo([source, "--keep", kept], searchPath), 0);
    const text = stdout.toString();
    assert.deepEqual(assertRecovered(text), [...recoveries, "restored by restic"]);
    assert.match(text, /read +new +stored +seconds +longest wait/);
    assert.match(text, /restic +\d\S+ finds no error in any byte/);
    assert.match(text, /proven by a drill: RTO \d+\.\d s, RPO \d+\.\d s/);
    assert.match(text, /Everything came back as it was/);
    assert.ok(!text.includes("\u001b"), "nothing but plain lines in a pipe");
    assert.ok(
      text.split("\n").every((line) => line.length <= 80 || line.includes("/")),
      text,
    );
    for (const name of ["password", "holdfast.yml"])
      assert.equal(statSync(place.at("kept here", name)).mode & 0o777, 0o600);
    const names = ["app", "cache", "holdfast.yml", "password", "repository", "state"];
    assert.deepEqual(readdirSync(kept).toSorted(), names);
    const commands = text.split("\n").filter((line) => /^ {2}(export|\$HOLDFAST|restic) /.test(line));
    assert.equal(commands.length, 6);
    const script = [`restic() { "${programPath("restic")}" --no-cache "$@"; }`, ...commands].join("\n");
    const ran = expectStatus(run("sh", ["-ec", script], { environment: place.environment, cwd: checkout }), 0);
    assert.match(ran.stdout.toString(), /shop: proven/);
    expectStatus(demo([source, "--keep", kept]), 2);
  });

  it("takes a mix of this machine's files when none are named, and an old restic", () => {
    const { stdout } = expectStatus(demo([], withRestic("resticOld", programPath("resticOld"))), 0);
    assert.deepEqual(assertRecovered(stdout.toString()), [...recoveries, "restored by restic"]);
  });

  it("fails when a restored file is not what it was", () => {
    const outcome = expectStatus(demo([source], withRestic("altering-path", alteringRestic())), 1);
    assert.match(outcome.stdout.toString(), /prose\.txt: content was SHA-256 /);
    assert.match(outcome.stdout.toString(), /^restored by restic .* NO$/m);
    assert.match(outcome.stderr, /^holdfast: not everything came back as it was: \d difference/);
  });

  it("needs no restic, and gives programs one object", () => {
    const outcome = expectStatus(demo(["--json", "source/ordinary"]), 0);
    const summary = message(outcome, "summary") as {
      problems: number;
      restic_version: string | null;
      backups: { transactions: number; data_added_packed: number }[];
      recoveries: { name: string; problems: number }[];
    };
    assert.deepEqual([summary.problems, summary.restic_version], [0, null]);
    assert.deepEqual(
      summary.recoveries.map(({ name, problems }) => [name, problems]),
      recoveries.map((name) => [name, 0]),
    );
    for (const backup of summary.backups) assert.ok(backup.transactions > 0 && backup.data_added_packed > 0);
    assert.equal(outcome.stdout.toString().trim().split("\n").length, 1);
  });

  it("refuses a path that is not there, and one without files", () => {
    assert.match(expectStatus(demo([place.at("nowhere")]), 2).stderr, /nowhere does not exist\n {2}→ /);
    mkdirSync(place.at("nothing"));
    expectStatus(demo([place.at("nothing")]), 2);
  });

  const moments: [string, string][] = [
    ["copies", "A live application"],
    ["waits for the application", "repo init"],
    ["backs up", "another process writes"],
    ["recovers", "DISASTER"],
    ["drills", "undo shop"],
  ];
  for (const [what, words] of moments) {
    it(`cleans up when it is interrupted while it ${what}`, async () => {
      const running = await startDemo(words);
      await sleep(700);
      running.kill("SIGINT");
      const { stderr } = expectStatus(await running.ended(), 130);
      assert.match(stderr, /interrupted by SIGINT\n {2}→ all that the demo made is removed/);
      assert.deepEqual(readdirSync(temporary), []);
      assert.deepEqual(processesLeft(), []);
    });
  }

  it("leaves no process behind when it is killed", async () => {
    const running = await startDemo("another process writes");
    await sleep(700);
    assert.ok(processesLeft().length >= 2, "the application writes, and a backup runs");
    running.kill("SIGKILL");
    await running.ended();
    for (let waitedMs = 0; processesLeft().length > 0 && waitedMs < 20_000; waitedMs += 100) await sleep(100);
    assert.deepEqual(processesLeft(), []);
    for (const name of readdirSync(temporary)) rmSync(place.at("temporary", name), { recursive: true });
  });

  it("has left nothing behind, and the originals as they were", () => {
    assert.deepEqual(readdirSync(temporary), []);
    assertSameFacts(treeFacts(source), sourceFacts);
  });
});
