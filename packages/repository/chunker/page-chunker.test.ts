// Tests of the chunker for runs of pages.

import assert from "node:assert/strict";
import { test } from "node:test";
import { hasCode } from "../errors.ts";
import { PageChunker } from "./page-chunker.ts";

test("every run has the given length, but for the last of a file", () => {
  const chunker = new PageChunker(16_384);
  assert.equal(chunker.minBytes, 16_384);
  assert.equal(chunker.maxBytes, 16_384);
  assert.equal(chunker.cut(0, 100_000, false), 16_384);
  assert.equal(chunker.cut(0, 16_384, false), 16_384);
  assert.equal(chunker.cut(0, 16_383, false), 0);
  assert.equal(chunker.cut(0, 16_385, true), 16_384);
  assert.equal(chunker.cut(0, 4096, true), 4096);
  assert.equal(chunker.cut(0, 0, true), 0);
});

test("a run without length is refused", () => {
  for (const runBytes of [0, -4096, 0.5, Number.NaN]) {
    assert.throws(
      () => new PageChunker(runBytes),
      (error) => hasCode(error, "internal"),
    );
  }
});
