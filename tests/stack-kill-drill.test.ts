// kill -9 at random moments of drills: the application is left alone, and the next drill clears the sandbox.
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import path from "node:path";
import { after, describe, it } from "node:test";
import { killAtRandom, PinWatch } from "./support/killing.ts";
import { isLong } from "./support/programs.ts";
import { StackPlace } from "./support/stack-place.ts";
import { assertSameFacts, treeFacts } from "./support/tree-facts.ts";

const kills = isLong ? 60 : 8;

describe("a drill that is killed", () => {
  const place = new StackPlace("stack-kill-drill");
  after(() => place[Symbol.dispose]());

  it(`${kills} times, leaves the application alone, and nothing in the sandbox after the next drill`, async () => {
    place.application.make("one", 20_000);
    place.prepare();
    place.point();
    const facts = treeFacts(place.application.directory);
    const started = performance.now();
    place.ends(0, "drill", "app");
    const drillMs = performance.now() - started;
    const sandbox = path.join(place.stateDirectory, "sandbox");
    let remains = 0;
    for (let turn = 0; turn < kills; turn++) {
      const stale = new Set(readdirSync(sandbox));
      const running = place.startVerb(["drill", "app"]);
      await using watch = new PinWatch(running.pid);
      const hasSandbox = (): boolean => readdirSync(sandbox).some((name) => !stale.has(name));
      const { waitMs } =
        turn % 2 === 0 ? await killAtRandom(running, drillMs) : await killAtRandom(running, drillMs / 8, hasSandbox);
      await watch.gone();
      if (hasSandbox()) remains++;
      assertSameFacts(treeFacts(place.application.directory), facts);
      if (turn % 3 !== 2 && turn !== kills - 1) continue;
      place.ends(0, "drill", "app");
      assert.deepEqual(readdirSync(sandbox), [], `turn ${turn}, killed after ${waitMs} ms`);
      assert.deepEqual(place.journal(), []);
      assertSameFacts(treeFacts(place.application.directory), facts);
    }
    assert.ok(remains > 0, "none was killed while it had a sandbox");
    assert.notEqual(place.check().verdict, "damaged");
  });
});
