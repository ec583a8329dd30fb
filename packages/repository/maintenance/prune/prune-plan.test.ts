// Tests of what a prune decides, over facts alone.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { PackUse, PruneFacts, PruneRules } from "./prune-plan.ts";
import { decidePrune, usualPruneRules } from "./prune-plan.ts";

const mebibyte = 1024 * 1024;

function pack(name: string, usedBytes: number, unusedBytes: number, change: Partial<PackUse> = {}): PackUse {
  const amount = (bytes: number) => ({ blobs: Math.ceil(bytes / mebibyte), bytes });
  return {
    name,
    type: "data",
    used: amount(usedBytes),
    duplicate: { blobs: 0, bytes: 0 },
    unused: amount(unusedBytes),
    headerBytes: 1000,
    hasUncompressed: false,
    hasUncompressedTrees: false,
    ...change,
  };
}

function facts(packs: readonly PackUse[], change: Partial<PruneFacts> = {}): PruneFacts {
  return { repositoryVersion: 2, packs, missing: [], unreferenced: [], ...change };
}

function repacked(packs: readonly PackUse[], rules: Partial<PruneRules> = {}, change: Partial<PruneFacts> = {}) {
  return decidePrune(facts(packs, change), { ...usualPruneRules, ...rules }).repack.map(({ name }) => name);
}

const full = Array.from({ length: 20 }, (_, at) => pack(`full-${at}`, 16 * mebibyte, 0));

describe("a prune", () => {
  test("removes what is wholly unused and repacks nothing within the tolerated share", () => {
    const decision = decidePrune(
      facts([...full, pack("none", 0, 16 * mebibyte), pack("little", 15 * mebibyte, mebibyte)]),
      usualPruneRules,
    );
    assert.deepEqual(decision.remove, ["none"]);
    assert.deepEqual(decision.repack, []);
    assert.equal(decision.statistics.bytes.remainingUnused, mebibyte);
  });

  test("repacks the packs with the largest share of waste, until the share is reached", () => {
    const packs = [
      ...full,
      pack("a", 8 * mebibyte, 8 * mebibyte),
      pack("b", 4 * mebibyte, 12 * mebibyte),
      pack("c", 12 * mebibyte, 4 * mebibyte),
    ];
    assert.deepEqual(repacked(packs), ["b"]);
    assert.deepEqual(repacked(packs, { maxUnused: { kind: "bytes", bytes: 4 * mebibyte } }), ["b", "a", "c"]);
    assert.deepEqual(repacked(packs, { maxUnused: { kind: "bytes", bytes: 4 * mebibyte + 1 } }), ["b", "a"]);
    assert.deepEqual(repacked(packs, { maxUnused: { kind: "unlimited" } }), []);
    assert.deepEqual(repacked(packs, { maxUnused: { kind: "percent", percent: 0 } }), ["b", "a", "c"]);
  });

  test("repacks no more than it may", () => {
    const packs = [...full, pack("a", 8 * mebibyte, 8 * mebibyte), pack("b", 4 * mebibyte, 12 * mebibyte)];
    const none = { kind: "bytes", bytes: 0 } as const;
    assert.deepEqual(repacked(packs, { maxUnused: none, maxRepackBytes: 20 * mebibyte }), ["b"]);
    assert.deepEqual(repacked(packs, { maxUnused: none, maxRepackBytes: 0 }), []);
    assert.deepEqual(repacked(packs, { maxUnused: none, repackCacheableOnly: true }), []);
  });

  test("repacks small packs when there are ten of them", () => {
    const small = (count: number): PackUse[] =>
      Array.from({ length: count }, (_, at) => pack(`small-${at}`, mebibyte, 0));
    const many = Array.from({ length: 1000 }, (_, at) => pack(`many-${at}`, 16 * mebibyte, 0));
    assert.equal(repacked([...many, ...small(9)]).length, 0);
    assert.equal(repacked([...many, ...small(10)]).length, 10);
    // A repository of small packs alone has none that stand out; asked for, they are repacked.
    assert.equal(repacked(small(9), { smallPackBytes: 2 * mebibyte }).length, 0);
    assert.equal(repacked(small(20), { smallPackBytes: 2 * mebibyte }).length, 20);
    assert.equal(repacked(small(20), { smallPackBytes: mebibyte / 2 }).length, 0);
  });

  test("always repacks mixed packs and, where there is compression, trees without it", () => {
    const trees = { type: "tree", hasUncompressed: true, hasUncompressedTrees: true } as const;
    const packs = [
      ...full,
      pack("mixed", mebibyte, 0, { type: "mixed" }),
      pack("trees", 5 * mebibyte, 0, trees),
      pack("raw", 16 * mebibyte, 0, { hasUncompressed: true }),
    ];
    assert.deepEqual(repacked(packs).toSorted(), ["mixed", "trees"]);
    assert.deepEqual(repacked(packs, { repackUncompressed: true }).toSorted(), ["mixed", "raw", "trees"]);
    assert.deepEqual(repacked(packs, {}, { repositoryVersion: 1 }), ["mixed"]);
  });

  test("of nothing does nothing", () => {
    const { repack, remove, statistics } = decidePrune(facts([]), usualPruneRules);
    assert.deepEqual([repack, remove], [[], []]);
    assert.equal(statistics.bytes.remaining, 0);
  });

  const amount = fc.record({ blobs: fc.nat(50), bytes: fc.nat(9 * mebibyte) }).map(({ blobs, bytes }) => ({
    blobs,
    bytes: blobs === 0 ? 0 : bytes,
  }));
  const anyPack = fc.record({
    type: fc.constantFrom("data", "data", "tree", "mixed"),
    used: amount,
    duplicate: amount,
    unused: amount,
    hasUncompressed: fc.boolean(),
    hasUncompressedTrees: fc.boolean(),
  }) as fc.Arbitrary<Partial<PackUse>>;
  const anyFacts = fc
    .array(anyPack, { maxLength: 60 })
    .map((packs) => facts(packs.map((each, at) => pack(`pack-${at}`, 0, 0, each))));
  const anyLimit = fc.oneof(
    fc.record({ kind: fc.constant("percent" as const), percent: fc.double({ min: 0, max: 99, noNaN: true }) }),
    fc.record({ kind: fc.constant("bytes" as const), bytes: fc.nat(100 * mebibyte) }),
  );

  test("never touches a pack that is needed without keeping it, and leaves no more unused than promised", () => {
    fc.assert(
      fc.property(anyFacts, anyLimit, fc.boolean(), (given, maxUnused, repackUncompressed) => {
        const decision = decidePrune(given, { ...usualPruneRules, maxUnused, repackUncompressed });
        const { statistics } = decision;
        const named = [...decision.repack.map(({ name }) => name), ...decision.remove];
        assert.equal(new Set(named).size, named.length);
        const byName = new Map(given.packs.map((each) => [each.name, each]));
        assert.ok(decision.remove.every((name) => byName.get(name)!.used.blobs === 0));
        const left = given.packs
          .filter(({ name }) => !named.includes(name))
          .reduce((sum, { duplicate, unused }) => sum + duplicate.bytes + unused.bytes, 0);
        assert.equal(statistics.bytes.remainingUnused, left);
        const limit =
          maxUnused.kind === "bytes"
            ? maxUnused.bytes
            : (maxUnused.percent / 100) * (statistics.bytes.used + statistics.bytes.remainingUnused);
        // Less than a byte for the roundings.
        assert.ok(left <= limit + 1, `${left} of ${limit}`);
        assert.equal(statistics.packs.keep + statistics.packs.repack + statistics.packs.remove, given.packs.length);
        const { blobs } = statistics;
        assert.equal(blobs.remaining, blobs.used + blobs.duplicate + blobs.unused - blobs.removeTotal);
      }),
    );
  });
});
