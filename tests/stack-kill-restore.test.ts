// kill -9 at random moments of a restore in place and of its undo: all data is old or all is new, never mixed.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { killAtRandom } from "./support/killing.ts";
import { isLong } from "./support/programs.ts";
import type { Outcome } from "./support/programs.ts";
import { StackPlace } from "./support/stack-place.ts";

const kills = isLong ? 60 : 8;

describe("a restore in place, and its undo, that are killed", () => {
  const place = new StackPlace("stack-kill-restore");
  const { application } = place;
  let old: string;
  const restore = (): string[] => ["restore", old, "--in-place", "--yes"];
  const undo = ["undo", "app", "--yes"];
  let interruptions = 0;
  let places = 0;
  /** Where the kills at single renames begin; they go round from there. */
  const start = Math.floor(Math.random() * 100);
  before(() => {
    application.make("old", 8000);
    place.prepare();
    old = place.point();
  });
  after(() => place[Symbol.dispose]());

  /** Any job of the stack clears up; what it says tells how it went. */
  function cleared(why: string, turn: number): void {
    // A database that still waits for its log to come back may be an earlier state of itself, but none of the others'.
    const seen = application.generations();
    assert.ok(!seen.includes("old") || seen.length === 1, `${why}: mixed at once: ${seen.join(", ")}`);
    const other = ["restore", old, "--source", "settings", "--to", place.at("others", `${places++}`)];
    const next = turn % 4 === 2 ? ["drill", "app"] : other;
    const outcome = place.ends(0, ...next);
    if (/interrupted (restore in place|undo) of app was/.test(outcome.stderr)) interruptions++;
    assert.deepEqual(place.journal(), [], why);
    assert.deepEqual(place.restoreRemains(), [], why);
    assert.ok(application.isComplete(), why);
  }

  it(`${kills} restores: all old or all new, and the next command clears up`, async () => {
    let killed = 0;
    let runMs = 1500;
    for (let turn = 0; turn < kills; turn++) {
      application.become(`new ${turn}`, { crashed: turn % 3 === 1 });
      let outcome: Outcome;
      let why = `turn ${turn}`;
      if (turn % 2 === 0) {
        // The first three are of the lock and of the journal.
        const rename = 4 + ((start + turn / 2) % 7);
        outcome = place.killedAtRename(rename, restore());
        why += `, killed at rename ${rename}`;
      } else {
        const result = await killAtRandom(place.startVerb(restore()), runMs);
        outcome = result.outcome;
        if (outcome.status === 0) runMs = outcome.seconds * 1000;
        why += `, killed after ${result.waitMs} ms`;
      }
      if (outcome.status !== 0) killed++;
      cleared(why, turn);
      const [generation, ...others] = application.generations();
      assert.deepEqual(others, [], `${why}: mixed`);
      assert.ok(generation === "old" || generation === `new ${turn}`, `${why}: ${generation}`);
      if (outcome.status === 0) assert.equal(generation, "old", why);
      if (generation === "old") assert.equal(existsSync(`${application.database}-wal`), false, `${why}: a stale log`);
    }
    assert.ok(killed > kills / 3, `only ${killed} of ${kills} were killed in time`);
    assert.ok(interruptions > 0, "none was killed within the swap");
  });

  it(`${kills} undos: all old or all new, and the next command clears up`, async () => {
    let killed = 0;
    interruptions = 0;
    for (let turn = 0; turn < kills; turn++) {
      const generation = `undone ${turn}`;
      application.become(generation, { crashed: turn % 3 === 1 });
      place.ends(0, ...restore());
      let outcome: Outcome;
      let why = `turn ${turn}`;
      if (turn % 4 !== 3) {
        const rename = 2 + ((start + turn) % 6);
        outcome = place.killedAtRename(rename, undo);
        why += `, killed at rename ${rename}`;
      } else {
        const result = await killAtRandom(place.startVerb(undo), 500);
        outcome = result.outcome;
        why += `, killed after ${result.waitMs} ms`;
      }
      if (outcome.status !== 0) killed++;
      cleared(why, turn);
      const seen = application.generations();
      assert.equal(seen.length, 1, `${why}: mixed: ${seen.join(", ")}`);
      assert.ok(seen[0] === "old" || seen[0] === generation, `${why}: ${seen[0]}`);
      // Whatever was interrupted, it can still be taken back.
      if (seen[0] === "old") place.ends(0, ...undo);
      assert.deepEqual(application.generations(), [generation], why);
    }
    assert.ok(killed > kills / 3, `only ${killed} of ${kills} were killed in time`);
    assert.ok(interruptions > 0, "none was killed within the swap");
  });
});
