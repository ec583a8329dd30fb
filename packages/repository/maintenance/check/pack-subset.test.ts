// Which packs a check reads when it does not read all.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { choosePacks, type PackSize } from "./pack-subset.ts";

const packs: readonly PackSize[] = Array.from({ length: 500 }, (_, at) => ({
  name: createHash("sha256").update(String(at)).digest("hex"),
  sizeBytes: 1000 + at,
}));

test("the parts of t are disjoint and together everything, and a pack is in the same one whatever else is there", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 256 }), fc.nat({ max: 500 }), (of, left) => {
      const some = packs.slice(left);
      const seen = new Map<string, number>();
      for (let part = 1; part <= of; part++) {
        for (const name of choosePacks(some, { kind: "part", part, of }, Math.random)) {
          assert.ok(!seen.has(name));
          seen.set(name, part);
        }
      }
      assert.equal(seen.size, some.length);
      // As restic: by the first byte.
      for (const [name, part] of seen) assert.equal((Buffer.from(name, "hex")[0]! % of) + 1, part);
    }),
    { numRuns: 30 },
  );
});

test("shares and sizes are kept to, with at least one pack, and the draw is another one each time", () => {
  const share = (percent: number): Set<string> => choosePacks(packs, { kind: "percent", percent }, Math.random);
  assert.deepEqual([share(10).size, share(100).size, share(0.01).size], [50, 500, 1]);
  assert.notDeepEqual([...share(10)].sort(), [...share(10)].sort());
  const drawn = new Set(Array.from({ length: 400 }, () => [...share(5)]).flat());
  assert.equal(drawn.size, packs.length, "none is left out for ever");
  const sized = choosePacks(packs, { kind: "bytes", sizeBytes: 10_000 }, Math.random);
  const bytes = packs.filter(({ name }) => sized.has(name)).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  assert.ok(bytes <= 10_000 && bytes > 8_000);
  assert.equal(choosePacks(packs, { kind: "bytes", sizeBytes: 1 }, Math.random).size, 1);
  assert.equal(choosePacks([], { kind: "percent", percent: 10 }, Math.random).size, 0);
});
