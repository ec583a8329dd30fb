// The demo as a newcomer runs it: what it says, its exit codes, and that it leaves nothing behind.
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readdirSync, statSync, symlinkSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { expectStatus, mainFile, message, programPath, run, Running } from "./support/programs.ts";
import type { Outcome } from "./support/programs.ts";
import { makeOddTree, makeOrdinaryTree } from "./support/sample-tree.ts";
import { assertSameFacts, treeFacts } from "./support/tree-facts.ts";
import { Workplace } from "./support/workplace.ts";

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
  return run(process.execPath, [mainFile, "demo", ...words], { environment, cwd: place.directory });
}

describe("holdfast demo", () => {
  for (const which of ["restic", "resticOld"] as const) {
    it(`brings a tree back as it was, and ${which} does too`, () => {
      const { stdout } = expectStatus(demo([source], withRestic(which, programPath(which))), 0);
      const text = stdout.toString();
      assert.match(text, /read +new +stored +seconds +files equal/);
      const equal = [...text.matchAll(/^(latest|first|restic) restored.* (\d+) of (\d+)$/gm)];
      assert.equal(equal.length, 3);
      for (const [, , filesEqual, files] of equal) assert.ok(filesEqual === files && Number(files) > 20, text);
      assert.match(text, /restic +\d\S+ sees 2 snapshots, and no errors/);
      assert.match(text, /Everything came back as it was/);
      assert.ok(!text.includes("\u001b"), "nothing but plain lines in a pipe");
      assert.ok(
        text.split("\n").every((line) => line.length <= 80 || line.includes("/")),
        text,
      );
    });
  }

  it("fails when a restored file is not what it was", () => {
    const outcome = expectStatus(demo([source], withRestic("altering-path", alteringRestic())), 1);
    assert.match(outcome.stdout.toString(), /prose\.txt: content was SHA-256 /);
    assert.match(outcome.stderr, /^holdfast: not everything came back as it was: \d difference/);
  });

  it("says what is missing without restic, and gives programs one object", () => {
    assert.match(expectStatus(demo(["source/ordinary"]), 0).stdout.toString(), /restic is not installed/);
    const outcome = expectStatus(demo(["--json", source]), 0);
    const summary = message(outcome, "summary");
    assert.deepEqual([summary["differences"], summary["restic_version"]], [0, null]);
    assert.equal(outcome.stdout.toString().trim().split("\n").length, 1);
  });

  it("takes a mix of this machine's files when none are named", () => {
    const { stdout, seconds } = expectStatus(demo([]), 0);
    assert.match(stdout.toString(), /Everything came back as it was/);
    assert.ok(seconds < 60, `${seconds} s`);
  });

  it("keeps everything to play with where that is wanted, and says how", () => {
    const kept = place.at("kept here");
    const { stdout } = expectStatus(demo([place.at("source", "ordinary"), "--keep", kept]), 0);
    const exports = stdout
      .toString()
      .split("\n")
      .filter((line) => line.includes("export "));
    assert.equal(exports.length, 2);
    assert.equal(statSync(place.at("kept here", "password")).mode & 0o777, 0o600);
    assert.deepEqual(readdirSync(kept).toSorted(), ["latest-restored", "password", "repository"]);
    const script = [...exports, `"${programPath("restic")}" snapshots --json --no-cache`].join("\n");
    const environment = { PATH: place.environment["PATH"] };
    const listed = expectStatus(run("sh", ["-ec", script], { environment }), 0);
    assert.equal((JSON.parse(listed.stdout.toString()) as unknown[]).length, 2);
    expectStatus(demo([source, "--keep", kept]), 2);
  });

  it("refuses a path that is not there, and one without files", () => {
    assert.match(expectStatus(demo([place.at("nowhere")]), 2).stderr, /nowhere does not exist\n {2}→ /);
    mkdirSync(place.at("nothing"));
    expectStatus(demo([place.at("nothing")]), 2);
  });

  for (const seconds of [0, 2, 4]) {
    it(`cleans up when it is interrupted ${seconds} s after it began`, async () => {
      const environment = { ...place.environment, TMPDIR: temporary };
      const running = new Running(process.execPath, [mainFile, "demo"], { env: environment });
      for (let waitedMs = 0; running.stdoutSoFar === "" && waitedMs < 20_000; waitedMs += 20) await sleep(20);
      await sleep(seconds * 1000);
      running.kill("SIGINT");
      const { stderr } = expectStatus(await running.ended(), 130);
      assert.match(stderr, /interrupted by SIGINT\n {2}→ all that the demo made is removed/);
      assert.deepEqual(readdirSync(temporary), []);
    });
  }

  it("has left nothing behind, and the originals as they were", () => {
    assert.deepEqual(readdirSync(temporary), []);
    assertSameFacts(treeFacts(source), sourceFacts);
  });
});
