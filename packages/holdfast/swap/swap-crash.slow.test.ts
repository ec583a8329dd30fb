// Swaps that are killed for real, and recoveries that crash, at every single operation.
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import type { FileOperations } from "../state/file-operations.ts";
import { OtherProcess, Scratch } from "../state/state-fixture.ts";
import {
  contextIn,
  label,
  makeData,
  newData,
  oldData,
  runCrashing,
  seenByApplication,
  undoneLabel,
} from "./swap-fixture.ts";
import { recover, swap, undo } from "./swap.ts";

test("a recovery that crashes at any operation, after a crash at any operation, is recovered in turn", async () => {
  let pairs = 0;
  for (const purpose of ["swap", "undo"]) {
    for (let first = 0, firstEnded = false; !firstEnded; first++) {
      for (let second = 0, secondEnded = false; !secondEnded; second++) {
        using scratch = new Scratch();
        const root = scratch.path;
        const replacements = makeData(root);
        if (purpose === "undo") await swap(contextIn(root), { stack: "mist", replacements, label });
        firstEnded = await runCrashing(first, (files: FileOperations): Promise<unknown> =>
          purpose === "undo"
            ? undo(contextIn(root, files), "mist", undoneLabel)
            : swap(contextIn(root, files), { stack: "mist", replacements, label }),
        );
        secondEnded = await runCrashing(second, (files) => recover(contextIn(root, files), "mist"));
        await recover(contextIn(root), "mist");
        const seen = seenByApplication(root);
        const isOld = seen["app.db"] === "old app.db";
        assert.deepEqual(seen, isOld ? oldData : newData, `${purpose}: ${first}, then ${second}`);
        assert.deepEqual((await contextIn(root).journal.pending()).intents, []);
        const { records } = await contextIn(root).undoRecords.list("mist");
        assert.equal(records.length, isOld ? 0 : 1, `${purpose}: ${first}, then ${second}`);
        pairs++;
      }
    }
  }
  assert.ok(pairs > 300, `${pairs}`);
});

const fixture = fileURLToPath(new URL("swap-fixture.ts", import.meta.url));
const module = fileURLToPath(new URL("swap.ts", import.meta.url));

/** Runs in a process of its own that kills itself after so many operations. */
async function killedAfter(count: number, root: string, purpose: "swap" | "undo"): Promise<number | string | null> {
  await using child = new OtherProcess(`
    import { contextIn, crashingAfter, label, makeData, undoneLabel } from ${JSON.stringify(fixture)};
    import { swap, undo } from ${JSON.stringify(module)};
    const root = ${JSON.stringify(root)};
    const kill = () => { process.kill(process.pid, "SIGKILL"); return new Promise(() => {}); };
    const context = contextIn(root, crashingAfter(${count}, kill).files);
    ${
      purpose === "swap"
        ? `await swap(context, { stack: "mist", replacements: makeData(root), label });`
        : `await undo(context, "mist", undoneLabel);`
    }
  `);
  return await child.ended();
}

for (const purpose of ["swap", "undo"] as const) {
  test(`a process that is killed with SIGKILL at any operation of ${purpose} leaves old or new after recovery`, async () => {
    let last: unknown = null;
    for (let count = 0; last !== 0; count++) {
      using scratch = new Scratch();
      const root = scratch.path;
      if (purpose === "undo") await swap(contextIn(root), { stack: "mist", replacements: makeData(root), label });
      last = await killedAfter(count, root, purpose);
      assert.ok(last === "SIGKILL" || (last === 0 && count > 20), `${count}: ${String(last)}`);
      const context = contextIn(root);
      const pending = await context.journal.pending();
      assert.ok(pending.intents.every(({ isOwnerRunning }) => !isOwnerRunning));
      const { recovered } = await recover(context, "mist");
      const seen = seenByApplication(root);
      const isOld = seen["app.db"] === "old app.db";
      assert.deepEqual(seen, isOld ? oldData : newData, `after ${count}`);
      if (recovered[0] !== undefined) {
        const becomesOld = (recovered[0].outcome === "finished") === (purpose === "undo");
        assert.equal(isOld, becomesOld, `after ${count}`);
      }
      assert.deepEqual((await recover(context, "mist")).recovered, []);
    }
  });
}
