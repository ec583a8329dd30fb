// Marks agree with a set, tell data from trees, and know further copies.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { BlobIndex } from "../index/blob-index.ts";
import { BlobMarks } from "./blob-marks.ts";

const idOf = (n: number): Buffer => createHash("sha256").update(String(n)).digest();

test("a blob is new once, whatever its type and however many copies it has", () => {
  const index = BlobIndex.create(0);
  const [pack, other] = [index.packNumber("aa".repeat(32)), index.packNumber("bb".repeat(32))];
  for (let n = 0; n < 50_000; n++) index.add(idOf(n), n % 3 ? "data" : "tree", pack, n * 100, 100, 0);
  // Copies of some, and the same ids as the other type.
  for (let n = 0; n < 50_000; n += 10) index.add(idOf(n), n % 3 ? "data" : "tree", other, n * 100, 100, 0);
  for (let n = 0; n < 50_000; n += 100) index.add(idOf(n), n % 3 ? "tree" : "data", other, n * 100 + 1, 100, 0);
  const marks = new BlobMarks(index);
  assert.equal(marks.duplicates, 5000);
  for (let n = 0; n < 50_000; n += 7) {
    const type = n % 3 ? "data" : "tree";
    const opposite = n % 3 ? "tree" : "data";
    assert.equal(marks.has(idOf(n), type), false);
    assert.equal(marks.mark(idOf(n), type), "new");
    assert.equal(marks.mark(idOf(n), type), "again");
    assert.equal(marks.has(idOf(n), type), true);
    assert.equal(marks.has(idOf(n), opposite), false);
    assert.equal(marks.mark(idOf(n), opposite), n % 100 === 0 ? "new" : "unknown");
  }
  assert.equal(marks.mark(idOf(60_000), "data"), "unknown");
  const marked = [...index.blobs()].filter(({ id, type }) => marks.has(id, type)).length;
  // Every 7th, each counted with its copies and with the other type where that is there.
  const expected = Array.from({ length: Math.ceil(50_000 / 7) }, (_, i) => i * 7).reduce(
    (sum, n) => sum + 1 + (n % 10 ? 0 : 1) + (n % 100 ? 0 : 1),
    0,
  );
  assert.equal(marked, expected);
});
