// kill -9 at random moments of a backup: what was stored before is whole, the next backup finishes, restic agrees.
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { expectStatus, isLong } from "./support/programs.ts";
import { changeOrdinaryTree, makeOrdinaryTree, noise } from "./support/sample-tree.ts";
import { assertSameFacts, sha256Of, treeFacts } from "./support/tree-facts.ts";
import { Workplace } from "./support/workplace.ts";

const kills = isLong ? 200 : 20;
const turnsKept = 8;

describe("a backup that is killed", () => {
  const place = new Workplace("kill");
  const source = place.at("source");
  let earlier: { readonly id: string; readonly facts: readonly string[] };
  let backupMs = 0;
  before(() => {
    makeOrdinaryTree(source);
    place.init();
    earlier = { id: place.backup("source").snapshotId, facts: treeFacts(source) };
  });
  after(() => place[Symbol.dispose]());

  it(`${kills} times at random moments, harms nothing`, async () => {
    const seed = Date.now() % 1_000_000;
    let killed = 0;
    for (let turn = 0; turn < kills; turn++) {
      for (let file = 0; file < 4; file++)
        place.write(`source/turn ${turn}/${file}`, noise(`${seed} ${turn} ${file}`, 6_000_000));
      // Hundreds of turns are not to fill the disk.
      rmSync(`${source}/turn ${turn - turnsKept}`, { recursive: true, force: true });
      changeOrdinaryTree(source, `${seed} ${turn}`);
      if (turn === 0) backupMs = 1200;
      const running = place.start(["backup", "source"]);
      const waitMs = Math.floor(Math.random() * backupMs);
      await sleep(waitMs);
      running.kill("SIGKILL");
      const outcome = await running.ended();
      if (outcome.signal === "SIGKILL") killed++;
      else backupMs = Math.min(backupMs, outcome.seconds * 1000); // it was done already
      const why = `turn ${turn}, killed after ${waitMs} ms, seed ${seed}`;
      const { verdict, findings } = place.check();
      assert.notEqual(verdict, "damaged", `${why}: ${JSON.stringify(findings)}`);
      if (turn % 5 === 4) wholeAgain(why, turn);
    }
    assert.ok(killed > kills / 3, `only ${killed} of ${kills} were killed in time`);
  });

  /** All data is sound, the earlier snapshot comes back, the next backup finishes and comes back, restic agrees. */
  function wholeAgain(why: string, turn: number): void {
    assert.notEqual(place.check("--read-data").verdict, "damaged", why);
    const before = place.at(`earlier ${turn}`);
    place.done("restore", earlier.id, "--target", before);
    assertSameFacts(treeFacts(`${before}/source`), earlier.facts);
    const { snapshotId } = place.backup("source");
    const now = place.at(`now ${turn}`);
    place.done("restore", snapshotId, "--target", now);
    const facts = treeFacts(source);
    assertSameFacts(treeFacts(`${now}/source`), facts);
    for (const restored of [before, now]) rmSync(restored, { recursive: true });
    // Locks of processes that are gone are no obstacle: restic asks for `unlock` in the same way.
    expectStatus(place.restic(["unlock"]), 0);
    place.resticChecks();
    earlier = { id: snapshotId, facts };
  }

  it("leaves nothing behind that restic does not remove", () => {
    place.done("unlock");
    place.resticDone("prune", "--max-unused", "0");
    assert.equal(place.check("--read-data").verdict, "clean");
    // What was being written when the process died keeps a name that no program takes for a file of the repository.
    const named = /^(config|(keys|snapshots|index|locks)\/[0-9a-f]{64}|data\/[0-9a-f]{2}\/[0-9a-f]{64})$/;
    const others = place.storeFiles().filter(({ name }) => !named.test(name));
    assert.deepEqual(
      others.filter(({ name }) => !/\/[0-9a-f]{64}-tmp-holdfast-[0-9a-f]+$/.test(name)),
      [],
    );
    for (const { name, path } of place.storeFiles("data")) {
      if (named.test(name)) assert.ok(name.endsWith(sha256Of(path)), `${name} is whole`);
    }
  });
});
