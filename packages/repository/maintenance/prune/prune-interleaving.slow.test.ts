// A property of prune: whatever backups, forgets, prunes and crashes came before, what is kept is there.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { hasCode } from "../../errors.ts";
import { crashAt, FaultStorage } from "../../testing/fault-storage.ts";
import type { MemoryStorage } from "../../testing/memory-storage.ts";
import { openRepository } from "../../writer/backup-fixture.ts";
import { empty } from "../copy/copy-fixture.ts";
import type { MaxUnused } from "./prune-plan.ts";
import type { Files } from "./prune-fixture.ts";
import { assertHolds, assertSound, prune, storeMixedSnapshot, storeSnapshot } from "./prune-fixture.ts";

type Step =
  | { readonly kind: "backup"; readonly files: readonly number[]; readonly how: "usual" | "blind" | "mixed" }
  | { readonly kind: "forget"; readonly which: number }
  | { readonly kind: "prune"; readonly maxUnused: MaxUnused; readonly repackUncompressed: boolean }
  /** A prune that dies at this operation. */
  | { readonly kind: "crash"; readonly at: number; readonly effect: "done" | "not-done" };

const limit = fc.constantFrom<MaxUnused>(
  { kind: "bytes", bytes: 0 },
  { kind: "percent", percent: 5 },
  { kind: "unlimited" },
);
const steps = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constant("backup" as const),
      files: fc.uniqueArray(fc.nat(11), { minLength: 1, maxLength: 6 }),
      how: fc.constantFrom("usual", "usual", "blind", "mixed"),
    }),
    fc.record({ kind: fc.constant("forget" as const), which: fc.nat(5) }),
    fc.record({ kind: fc.constant("prune" as const), maxUnused: limit, repackUncompressed: fc.boolean() }),
    fc.record({
      kind: fc.constant("crash" as const),
      at: fc.integer({ min: 4, max: 60 }),
      effect: fc.constantFrom("done", "not-done"),
    }),
  ) as fc.Arbitrary<Step>,
  { minLength: 3, maxLength: 12 },
);

/** One of twelve contents; some compress, some do not. */
function content(number: number): Buffer {
  const seed = createHash("sha512").update(`content ${number}`).digest();
  return number % 3 === 0 ? Buffer.alloc(4000 + number, `${number} `) : Buffer.concat([seed, seed.reverse()]);
}

async function apply(step: Step, storage: MemoryStorage, kept: Map<string, Files>): Promise<void> {
  if (step.kind === "crash") {
    const failing = new FaultStorage(storage, crashAt(step.at, step.effect));
    await using repository = await openRepository(failing).catch((error: unknown) => {
      assert.ok(hasCode(error, "interrupted"));
      return null;
    });
    if (repository === null) return;
    await prune(repository, { maxUnused: { kind: "bytes", bytes: 0 } }).catch((error: unknown) =>
      assert.ok(hasCode(error, "interrupted"), String(error)),
    );
    await failing.settled();
    return;
  }
  await using repository = await openRepository(storage);
  if (step.kind === "prune") {
    await prune(repository, step);
  } else if (step.kind === "backup") {
    const files = Object.fromEntries(step.files.map((number) => [`file-${number}`, content(number)]));
    const id =
      step.how === "mixed"
        ? await storeMixedSnapshot(repository, files)
        : await storeSnapshot(repository, files, {
            isBlind: step.how === "blind",
            packs: step.files.length > 2 ? [[`file-${step.files[0]}`, `file-${step.files[1]}`]] : [],
          });
    kept.set(id, files);
  } else {
    const id = [...kept.keys()].toSorted()[step.which];
    if (id === undefined) return;
    await storage.remove("snapshot", id);
    kept.delete(id);
  }
}

test("any interleaving of backups, forgets, prunes and crashes keeps what is referenced", async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (given) => {
      const storage = await empty();
      const kept = new Map<string, Files>();
      for (const step of given) {
        await apply(step, storage, kept);
        if (step.kind !== "backup") await assertHolds(storage, kept);
      }
      await apply({ kind: "prune", maxUnused: { kind: "bytes", bytes: 0 }, repackUncompressed: false }, storage, kept);
      const { unused, duplicateBlobs } = await assertSound(storage);
      assert.deepEqual([unused?.blobs, duplicateBlobs], [0, 0]);
      await assertHolds(storage, kept);
    }),
    { numRuns: process.env["HOLDFAST_LONG"] === "1" ? 1000 : 20 },
  );
});
