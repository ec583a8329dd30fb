// The encoding of rows, against a plain version of what its comment says.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import fc from "fast-check";
import { RowHash, type SqlValue } from "./row-hash.ts";

function encode(value: SqlValue): Buffer {
  const [tag, bytes] = tagAndBytes(value);
  const head = Buffer.alloc(8);
  head.writeUInt32LE(tag, 0);
  head.writeUInt32LE(bytes.length, 4);
  return Buffer.concat([head, bytes, Buffer.alloc(-bytes.length & 7)]);
}

function tagAndBytes(value: SqlValue): [number, Buffer] {
  const number = Buffer.alloc(8);
  if (value === null) return [0, Buffer.alloc(0)];
  if (typeof value === "string") return [3, Buffer.from(value)];
  if (typeof value === "bigint") number.writeBigInt64LE(value);
  else if (typeof value === "number") number.writeDoubleLE(value);
  else return [4, Buffer.from(value)];
  return [typeof value === "bigint" ? 1 : 2, number];
}

describe("the hash over rows", () => {
  const long = fc.integer({ min: 20_000, max: 200_000 });
  const value: fc.Arbitrary<SqlValue> = fc.oneof(
    fc.constant(null),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    fc.double({ noNaN: true }),
    fc.string({ unit: "binary" }),
    fc.uint8Array(),
    { weight: 1, arbitrary: long.map((length) => "ü".repeat(length)) },
    { weight: 1, arbitrary: long.map((length) => new Uint8Array(length).fill(7)) },
  );

  it("is SHA-256 over the encoded values, whatever their lengths", () => {
    const rows = fc.array(fc.array(value, { minLength: 1, maxLength: 8 }), { maxLength: 40 });
    const property = fc.property(rows, (rows) => {
      const hash = new RowHash();
      for (const row of rows) hash.add(row);
      const plain = createHash("sha256").update(Buffer.concat(rows.flat().map(encode)));
      assert.equal(hash.digest(), plain.digest("hex"));
    });
    fc.assert(property, { numRuns: 60 });
  });

  it("tells types apart: 1, 1.0, '1', x'31' and NULL", () => {
    const values: SqlValue[] = [1n, 1, "1", Buffer.from("1"), null];
    const hashes = values.map((one) => {
      const hash = new RowHash();
      hash.add([one]);
      return hash.digest();
    });
    assert.equal(new Set(hashes).size, values.length);
  });
});
