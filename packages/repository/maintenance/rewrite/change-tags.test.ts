// Tags as restic changes them: what is set, added and removed, and in which order they come out.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { changeTags } from "./change-tags.ts";

const none = { set: null, add: [], remove: [] };

test("added tags stand last, and the last takes the place of a removed one", () => {
  assert.deepEqual(changeTags(["a", "b"], { ...none, add: ["c", "a", "d"] }), ["a", "b", "c", "d"]);
  assert.deepEqual(changeTags(["a", "b", "c", "d"], { ...none, remove: ["a", "c"] }), ["d", "b"]);
  assert.deepEqual(changeTags(["a"], { ...none, add: ["b"], remove: ["a"] }), ["b"]);
  assert.deepEqual(changeTags(["a", "b"], { ...none, set: [] }), []);
  assert.deepEqual(changeTags(["a", "b"], { ...none, set: ["b", "a"] }), ["b", "a"]);
});

test("nothing changes where everything is so already", () => {
  assert.equal(changeTags(["a"], { ...none, add: ["a"], remove: ["x"] }), null);
  assert.equal(changeTags(["a", "b"], { ...none, set: ["a", "b"] }), null);
  assert.equal(changeTags([], { ...none, set: [] }), null);
});

const tags = fc.uniqueArray(fc.constantFrom("a", "b", "c", "d", "e"));

test("afterwards the added are there, the removed are not, the others are kept, and no tag is there twice", () => {
  fc.assert(
    fc.property(tags, tags, tags, (before, add, remove) => {
      const after = changeTags(before, { set: null, add, remove }) ?? before;
      const expected = new Set([...before, ...add].filter((tag) => !remove.includes(tag)));
      assert.deepEqual(new Set(after), expected);
      assert.equal(after.length, expected.size);
    }),
  );
});
