// kill -9 at random moments of a prune: every snapshot that is kept is whole, the next prune finishes, restic agrees.
import assert from "node:assert/strict";
import { cpSync, renameSync, rmSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { killAtRandom } from "./support/killing.ts";
import { expectStatus, isLong } from "./support/programs.ts";
import { makeOrdinaryTree, noise } from "./support/sample-tree.ts";
import { assertSameFacts, treeFacts } from "./support/tree-facts.ts";
import { Workplace } from "./support/workplace.ts";

const kills = isLong ? 200 : 20;
/** After so many kills in a row a prune may finish. */
const killsInARow = 4;

describe("a prune that is killed", () => {
  const place = new Workplace("prune-kill");
  const source = place.at("source");
  const original = place.at("original");
  let keptId = "";
  let facts: readonly string[] = [];
  let pruneMs = 0;
  before(() => {
    makeOrdinaryTree(source);
    place.init();
    for (let file = 0; file < 12; file++) place.write(`source/noise/${file}`, noise(`noise ${file}`, 1_500_000));
    place.backup("source");
    for (let file = 0; file < 12; file += 2) rmSync(place.at("source", "noise", String(file)));
    keptId = place.backup("source").snapshotId;
    facts = treeFacts(source);
    place.done("forget", "--keep-last", "1");
    renameSync(place.repository, original);
    fresh();
    pruneMs = place.done("prune", "--max-unused", "0").seconds * 1000;
    assertWhole("undisturbed", 0);
  });
  after(() => place[Symbol.dispose]());

  function fresh(): void {
    rmSync(place.repository, { recursive: true, force: true });
    cpSync(original, place.repository, { recursive: true });
  }

  it(`${kills} times at random moments, harms nothing`, async () => {
    let killed = 0;
    fresh();
    for (let turn = 1; turn <= kills; turn++) {
      const running = place.start(["prune", "--max-unused", "0"]);
      const { outcome, waitMs } = await killAtRandom(running, pruneMs);
      const why = `turn ${turn}, killed after ${waitMs} of ${Math.round(pruneMs)} ms`;
      if (outcome.signal === "SIGKILL") killed++;
      else expectStatus(outcome, 0); // it was done already
      const { verdict, findings } = place.check();
      assert.notEqual(verdict, "damaged", `${why}: ${JSON.stringify(findings)}`);
      if (turn % killsInARow !== 0) continue;
      place.done("prune", "--max-unused", "0");
      assertWhole(why, turn);
      fresh();
    }
    assert.ok(killed > kills / 3, `only ${killed} of ${kills} were killed in time`);
  });

  /** Nothing is left over but locks of dead processes, all data is sound, the snapshot comes back, restic agrees. */
  function assertWhole(why: string, turn: number): void {
    place.done("unlock");
    const { verdict, findings, outcome } = place.check("--read-data");
    assert.equal(verdict, "clean", `${why}: ${JSON.stringify(findings)}`);
    assert.match(outcome.stdout.toString(), /"unused_blobs":0,/, why);
    place.resticChecks();
    const target = place.at(`restored ${turn}`);
    place.done("restore", keptId, "--target", target);
    assertSameFacts(treeFacts(`${target}/source`), facts);
    rmSync(target, { recursive: true });
  }
});
