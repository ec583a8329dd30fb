// Records of stacks: merging in any order gives the same, and a tombstone wins.
import assert from "node:assert/strict";
import { test } from "node:test";
import { hasCode } from "@holdfast/repository";
import fc from "fast-check";
import type { Pin, StackRecord } from "./stack-record.ts";
import { emptyRecord, encodeRecord, livingRecord, mergeRecords, parseRecord } from "./stack-record.ts";

const times = ["2026-11-21T12:00:00Z", "2026-11-21T12:00:01Z", "2026-11-21T13:00:00.5+01:00"];
const time = fc.constantFrom(...times);
const base = {
  id: fc.constantFrom("a", "b", "c"),
  snapshotId: fc.constantFrom("s1", "s2"),
  at: time,
  removedAt: fc.option(time, { nil: null }),
  by: fc.constantFrom("x", "y"),
  note: fc.constant("n"),
};
/** JSON gives objects with the usual prototype. */
const plain = { noNullPrototype: true };
const pins: fc.Arbitrary<Pin[]> = fc.array(fc.record({ ...base, future: fc.constantFrom({ a: 1 }, { a: 2 }) }, plain), {
  maxLength: 4,
});
const record: fc.Arbitrary<StackRecord> = fc.record({
  proofs: fc.array(
    fc.record(
      {
        ...base,
        tree: fc.constant("t"),
        host: fc.constant("h"),
        result: fc.constantFrom("passed" as const, "failed" as const),
        rtoMs: fc.nat(9),
        rpoMs: fc.option(fc.nat(9), { nil: null }),
        sources: fc.constant(["database"]),
      },
      plain,
    ),
    { maxLength: 4 },
  ),
  pins,
  holds: fc.array(fc.record({ ...base, until: fc.option(time, { nil: null }) }, plain), { maxLength: 4 }),
});

test("merging makes no difference by order, grouping or repetition, and loses no id", () => {
  fc.assert(
    fc.property(record, record, record, (a, b, c) => {
      const all = mergeRecords([a, b, c]);
      assert.deepEqual(mergeRecords([c, a, b]), all);
      assert.deepEqual(mergeRecords([b, mergeRecords([c, a])]), all);
      assert.deepEqual(mergeRecords([all, a, all]), all);
      const ids = (entries: readonly { id: string }[]): string[] => [...new Set(entries.map(({ id }) => id))].sort();
      assert.deepEqual(ids(all.pins), ids([...a.pins, ...b.pins, ...c.pins]));
      assert.equal(all.pins.length, ids(all.pins).length);
      const removed = [...a.pins, ...b.pins, ...c.pins].filter(({ removedAt }) => removedAt !== null);
      assert.deepEqual(ids(all.pins.filter(({ removedAt }) => removedAt !== null)), ids(removed));
    }),
  );
});

test("a record comes back as it was written", () => {
  fc.assert(
    fc.property(record, (each) => {
      assert.deepEqual(parseRecord(encodeRecord("mist", each)), { version: "1.0", stack: "mist", ...each });
    }),
  );
});

test("what was removed is not among the living", () => {
  const pin = { id: "p", snapshotId: "s", at: times[0]!, removedAt: null, by: "x", note: "" };
  const merged = mergeRecords([
    { ...emptyRecord, pins: [{ ...pin, removedAt: times[1]! }] },
    { ...emptyRecord, pins: [pin] },
  ]);
  assert.equal(merged.pins.length, 1);
  assert.deepEqual(livingRecord(merged).pins, []);
  assert.deepEqual(livingRecord({ ...emptyRecord, pins: [pin] }).pins, [pin]);
});

test("a newer major version is unsupported, anything else that is no record is damaged", () => {
  assert.throws(
    () => parseRecord(Buffer.from('{"version":"2.0"}')),
    (error) => hasCode(error, "unsupported"),
  );
  assert.throws(
    () => parseRecord(Buffer.from('{"version":"1.0","stack":"mist","proofs":[{}],"pins":[],"holds":[]}')),
    (error) => hasCode(error, "damaged"),
  );
});

test("a proof of the first versions, which named no tree, is read", () => {
  const proof =
    '{"id":"1","snapshotId":"s","at":"2026-11-21T10:00:00Z","removedAt":null,"host":"h","result":"passed","rtoMs":1,"rpoMs":null,"sources":[]}';
  const read = parseRecord(Buffer.from(`{"version":"1.0","stack":"mist","proofs":[${proof}],"pins":[],"holds":[]}`));
  assert.equal(read.proofs[0]?.tree, undefined);
});
