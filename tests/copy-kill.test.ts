// kill -9 at random moments of a copy: neither repository is harmed, and the next copy goes on until all is there.
import assert from "node:assert/strict";
import { cpSync, rmSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { killAtRandom } from "./support/killing.ts";
import { expectStatus, isLong, message } from "./support/programs.ts";
import { makeOrdinaryTree, noise } from "./support/sample-tree.ts";
import { assertSameFacts, treeFacts } from "./support/tree-facts.ts";
import { password, Workplace } from "./support/workplace.ts";

const kills = isLong ? 200 : 20;
const killsOfOne = 5;
const snapshots = 4;

describe("a copy that is killed", () => {
  const place = new Workplace("copy-kill");
  const source = place.at("source");
  const words = ["copy", "--json", "--from-repo", place.at("from")];
  let facts: readonly string[] = [];
  before(() => {
    place.environment["RESTIC_FROM_PASSWORD"] = password;
    makeOrdinaryTree(source);
    place.repository = place.at("from");
    place.init();
    for (let number = 0; number < snapshots; number++) {
      place.write(`source/large ${number}`, noise(`copy ${number}`, 12_000_000));
      place.backup("source");
    }
    facts = treeFacts(source);
    place.repository = place.at("empty");
    place.init();
    place.repository = place.at("to");
    cpSync(place.at("empty"), place.at("to"), { recursive: true });
  });
  after(() => place[Symbol.dispose]());

  it(`${kills} times at random moments, harms nothing`, async () => {
    let withinMs = 1500;
    let killed = 0;
    for (let turn = 0; turn < kills; turn++) {
      const { outcome, waitMs } = await killAtRandom(place.start(words), withinMs);
      if (outcome.signal === "SIGKILL") killed++;
      else withinMs = Math.max(300, Math.min(withinMs, outcome.seconds * 1000)); // it was done already
      if (turn % killsOfOne === killsOfOne - 1) {
        wholeAgain(`turn ${turn}, killed last after ${waitMs} ms`);
        rmSync(place.repository, { recursive: true });
        cpSync(place.at("empty"), place.repository, { recursive: true });
      }
    }
    assert.ok(killed > kills / 3, `only ${killed} of ${kills} were killed in time`);
  });

  /** What is there is sound; the next copy finishes, and then all of it comes back. */
  function wholeAgain(why: string): void {
    const found = place.check();
    assert.notEqual(found.verdict, "damaged", `${why}: ${JSON.stringify(found.findings)}`);
    const summary = message(expectStatus(place.holdfast(words), 0), "summary");
    assert.equal(Number(summary["snapshots_copied"]) + Number(summary["snapshots_present"]), snapshots, why);
    assert.equal(place.snapshots().length, snapshots, "none was copied twice");
    // Locks of processes that are gone are no obstacle: restic asks for `unlock` in the same way.
    place.resticDone("unlock");
    place.resticChecks();
    const target = place.at("restored");
    place.done("restore", "latest", "--target", target);
    assertSameFacts(treeFacts(`${target}/source`), facts);
    rmSync(target, { recursive: true });
  }

  it("leaves the source as it was, but for locks", () => {
    place.repository = place.at("from");
    place.done("unlock");
    assert.equal(place.check("--read-data").verdict, "clean");
    assert.equal(place.snapshots().length, snapshots);
  });
});
