// Tests of the arena: regions are aligned, disjoint, inside the memory, and end where the arena ends.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { hasCode } from "../errors.ts";
import { Arena, arenaLimitBytes } from "./arena.ts";

test("regions are aligned to 64 bytes, follow each other and do not overlap", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 5000 }), { maxLength: 40 }), (lengths) => {
      const arena = new Arena(40 * 5056);
      let free = 0;
      for (const lengthBytes of lengths) {
        const region = arena.allocate(lengthBytes);
        assert.equal(region.lengthBytes, lengthBytes);
        assert.equal(region.pointer % 64, 0);
        assert.ok(region.pointer >= free && region.pointer - free < 64);
        free = region.pointer + lengthBytes;
        assert.ok(free <= arena.memory.buffer.byteLength);
      }
    }),
    { numRuns: 30 },
  );
});

test("an arena gives what it promised and then refuses", () => {
  const arena = new Arena(1000);
  arena.allocate(960);
  assert.throws(
    () => arena.allocate(65),
    (error) => hasCode(error, "internal"),
  );
  assert.equal(arena.allocate(40).pointer, 960);
  assert.throws(
    () => arena.allocate(1),
    (error) => hasCode(error, "internal"),
  );
});

test("the memory is shared and has its full size from the start", () => {
  const { buffer } = new Arena(100_000).memory;
  assert.ok(buffer instanceof SharedArrayBuffer);
  assert.equal(buffer.byteLength, 131_072);
});

test("sizes that cannot be are refused", () => {
  for (const bytes of [0, -1, 0.5, Number.NaN, arenaLimitBytes + 1]) {
    assert.throws(
      () => new Arena(bytes),
      (error) => hasCode(error, "internal"),
    );
  }
  for (const bytes of [-1, 0.5, Number.NaN, 4097]) {
    assert.throws(
      () => new Arena(4096).allocate(bytes),
      (error) => hasCode(error, "internal"),
    );
  }
});
