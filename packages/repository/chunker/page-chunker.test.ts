// Tests of the chunker for runs of pages.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { hasCode } from "../errors.ts";
import { PageChunker } from "./page-chunker.ts";

const never = 2 ** 40;

/** The lengths of all runs of a file, given to the chunker in windows as a stream is. */
function cutAll(chunker: PageChunker, sizeBytes: number, windowBytes: number): number[] {
  const lengths: number[] = [];
  let rest = 0;
  for (let left = sizeBytes; ; left -= windowBytes) {
    const last = left <= windowBytes;
    let filled = rest + Math.min(left, windowBytes);
    for (let cut = 1; filled > 0 && cut > 0; filled -= cut) {
      cut = chunker.cut(0, filled, last);
      if (cut > 0) lengths.push(cut);
    }
    if (last) return lengths;
    rest = filled;
  }
}

test("every run has the given length, but for the last of a file", () => {
  const chunker = new PageChunker(16_384, never);
  assert.equal(chunker.minBytes, 16_384);
  assert.equal(chunker.cut(0, 100_000, false), 16_384);
  assert.equal(chunker.cut(0, 16_384, false), 16_384);
  assert.equal(chunker.cut(0, 16_383, false), 0);
  assert.equal(chunker.cut(0, 16_385, true), 16_384);
  assert.equal(chunker.cut(0, 4096, true), 4096);
  assert.equal(chunker.cut(0, 0, true), 0);
});

test("runs double with the position, up to 1 MiB", () => {
  const lengths = cutAll(new PageChunker(4096, 16_384), 100_000, 1 << 20);
  assert.deepEqual(lengths, [4096, 4096, 4096, 4096, 8192, 8192, 16_384, 16_384, 32_768, 1696]);
  const longest = Math.max(...cutAll(new PageChunker(4096, 16_384), 20 << 20, 8 << 20));
  assert.equal(longest, 1 << 20);
});

test("a file that grows keeps all runs but the last, each at a multiple of its length", () => {
  const property = fc.property(
    fc.nat(3_000_000),
    fc.nat(1_000_000),
    fc.integer({ min: 1, max: 64 }),
    fc.constantFrom(1 << 20, 3 << 19),
    (sizeBytes, grownBytes, doublesAtRuns, windowBytes) => {
      const cut = (bytes: number): number[] =>
        cutAll(new PageChunker(4096, 2 * 4096 * doublesAtRuns), bytes, windowBytes);
      const kept = cut(sizeBytes).slice(0, -1);
      const after = cut(sizeBytes + grownBytes);
      assert.deepEqual(after.slice(0, kept.length), kept);
      let position = 0;
      for (const length of after.slice(0, -1)) {
        assert.equal(position % length, 0);
        position += length;
      }
      assert.equal(position + (after.at(-1) ?? 0), sizeBytes + grownBytes);
    },
  );
  fc.assert(property);
});

test("runs that cannot be are refused", () => {
  for (const [runBytes, doublesAtBytes] of [
    [0, never],
    [-4096, never],
    [0.5, never],
    [Number.NaN, never],
    [4096, 0],
    [4096, 12_288],
    [4096, Number.NaN],
  ] as const) {
    assert.throws(
      () => new PageChunker(runBytes, doublesAtBytes),
      (error) => hasCode(error, "internal"),
    );
  }
});
