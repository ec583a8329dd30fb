// Tests of the words for ages.
import assert from "node:assert/strict";
import { it } from "node:test";
import { formatAge } from "./ages.ts";

it("says how long ago in the largest unit of which there are two", () => {
  const expected: readonly [number, string][] = [
    [-5, "0 seconds"],
    [1_999, "1 second"],
    [119_999, "119 seconds"],
    [120_000, "2 minutes"],
    [7_199_999, "119 minutes"],
    [7_200_000, "2 hours"],
    [172_799_999, "47 hours"],
    [172_800_000, "2 days"],
  ];
  for (const [ageMs, text] of expected) assert.equal(formatAge(ageMs), text);
});
