// Tests of the options that say how much a prune repacks.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { hasCode, usualPruneRules } from "@holdfast/repository";
import { parseMaxUnused, pruneRulesOf } from "./prune-options.ts";

describe("the options of prune", () => {
  test("mean restic's defaults when none is given", () => {
    assert.deepEqual(pruneRulesOf({}), usualPruneRules);
  });

  test("take shares, sizes and no limit", () => {
    assert.deepEqual(parseMaxUnused("0"), { kind: "bytes", bytes: 0 });
    assert.deepEqual(parseMaxUnused("500M"), { kind: "bytes", bytes: 500 * 1024 ** 2 });
    assert.deepEqual(parseMaxUnused(" 2.5% "), { kind: "percent", percent: 2.5 });
    assert.deepEqual(parseMaxUnused("unlimited"), { kind: "unlimited" });
    assert.equal(pruneRulesOf({ maxRepackSize: "0" }).maxRepackBytes, 0);
    assert.equal(pruneRulesOf({ repackSmall: true }).smallPackBytes, 13_421_772);
    assert.equal(pruneRulesOf({ repackSmall: true, repackSmallerThan: "3m" }).smallPackBytes, 3 * 1024 ** 2);
  });

  test("refuse what is neither", () => {
    for (const text of ["100%", "-1%", "%", "much", "", "1e3%", "-5", "5 %"])
      assert.throws(
        () => parseMaxUnused(text),
        (error) => hasCode(error, "usage"),
        text,
      );
    for (const options of [{ maxRepackSize: "x" }, { repackSmallerThan: "0" }, { repackSmallerThan: "5%" }])
      assert.throws(
        () => pruneRulesOf(options),
        (error) => hasCode(error, "usage"),
      );
  });
});
