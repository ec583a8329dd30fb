// Holds the arithmetic of the results: medians, ratios, bars.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Measurement } from "./measure.ts";
import { isMet, memoryLimitBytes, ratioOf, sizeRow, spread, usualRows } from "./results.ts";

const mebibyte = 2 ** 20;

function measurement(wallMs: number, peakMebibytes: number): Measurement {
  return { wallMs, cpuMs: 2 * wallMs, peakBytes: peakMebibytes * mebibyte };
}

describe("the results", () => {
  it("have the middle value as median, and the mean of two where two are in the middle", () => {
    assert.deepEqual(spread([9, 1, 10]), { median: 9, least: 1, most: 10 });
    assert.equal(spread([4, 1, 10, 2]).median, 3);
  });

  it("meet a bar on a ratio up to its limit, and not above", () => {
    assert.equal(isMet(sizeRow(100, 100, 1)), true);
    assert.equal(isMet(sizeRow(101, 100, 1)), false);
    assert.equal(isMet(sizeRow(101, 100, null)), null);
  });

  it("compare medians of time, and hold the largest run's memory to its limit", () => {
    const comparison = {
      holdfast: [measurement(500, 200), measurement(600, 257), measurement(900, 210)],
      restic: [measurement(1000, 100), measurement(1000, 100), measurement(5000, 100)],
    };
    const [wall, cpu, memory] = usualRows(comparison, { wall: 0.6 }, 0);
    assert.ok(wall && cpu && memory);
    assert.equal(ratioOf(wall), 0.6);
    assert.equal(isMet(wall), true);
    assert.equal(isMet(cpu), null);
    assert.equal(isMet(memory), false);
    const oneMebibyteOfBlobs = usualRows(comparison, {}, mebibyte / 64)[2];
    assert.ok(oneMebibyteOfBlobs);
    assert.equal(isMet(oneMebibyteOfBlobs), true);
    assert.equal(memoryLimitBytes(1), 256 * mebibyte + 64);
  });
});
