// Tests of the chunker's polynomial: what is irreducible, what is refused, and how it is written.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { hasCode } from "../errors.ts";
import { formatPolynomial, isChunkerPolynomial, parsePolynomial, randomPolynomial } from "./polynomial.ts";

/** Polynomials of degree 53 without roots, as restic's chunker classifies them in its own tests. */
const reducible = [
  0x38f1e565e288dfn,
  0x30a8295b9d5c91n,
  0x255f4350b962cbn,
  0x267f776110a235n,
  0x2f4dae10d41227n,
  0x312daf4b284899n,
  0x29dfb6553d01d1n,
  0x3548245eb26257n,
  0x3199e7ef4211b3n,
  0x362f39017dae8bn,
  0x200d57aa6fdacbn,
  0x35e0a4efa1d275n,
  0x2ced55b026577fn,
  0x260b012010893dn,
  0x2df29cbcd59e9dn,
  0x3f2ac7488bd429n,
  0x3e5cb1711669fbn,
  0x226d8de57a9959n,
  0x3c8de80aaf5835n,
  0x2026a59efb219bn,
  0x39dfa4d13fb231n,
  0x3143d0464b3299n,
];
const irreducible = [0x3da3358b4dc173n, 0x2482734cacca49n];

function product(a: bigint, b: bigint): bigint {
  let result = 0n;
  for (let bit = 0n; b >> bit !== 0n; bit++) if ((b >> bit) & 1n) result ^= a << bit;
  return result;
}

test("known polynomials are classified as restic does", () => {
  for (const polynomial of irreducible) assert.equal(isChunkerPolynomial(polynomial), true, polynomial.toString(16));
  for (const polynomial of reducible) assert.equal(isChunkerPolynomial(polynomial), false, polynomial.toString(16));
});

test("a product of two polynomials is never irreducible", () => {
  const factors = fc
    .integer({ min: 1, max: 26 })
    .chain((degree) =>
      fc.tuple(
        fc.bigInt({ min: 1n << BigInt(degree), max: (2n << BigInt(degree)) - 1n }),
        fc.bigInt({ min: 1n << BigInt(53 - degree), max: (2n << BigInt(53 - degree)) - 1n }),
      ),
    );
  fc.assert(
    fc.property(factors, ([a, b]) => {
      assert.equal(product(a, b) >> 53n, 1n);
      assert.equal(isChunkerPolynomial(product(a, b)), false);
    }),
  );
});

test("other degrees are refused, irreducible or not", () => {
  // x^2 + x + 1 and x^61 + x^5 + x^2 + x + 1 are irreducible.
  for (const polynomial of [0n, 1n, 2n, 0b111n, (1n << 61n) | 0b100111n, 1n << 53n]) {
    assert.equal(isChunkerPolynomial(polynomial), false);
  }
});

test("a random polynomial can be used, and differs every time", () => {
  const made = Array.from({ length: 5 }, () => randomPolynomial(randomBytes));
  for (const polynomial of made) assert.equal(isChunkerPolynomial(polynomial), true);
  assert.equal(new Set(made).size, made.length);
});

test("random polynomials come from the given bytes, and bytes that are not random are noticed", () => {
  const given = Buffer.from("73c14d8b35a33dff", "hex"); // 0x3da3358b4dc173, little-endian, under bits to ignore
  assert.equal(
    randomPolynomial(() => given),
    0x3da3358b4dc173n,
  );
  assert.throws(
    () => randomPolynomial((length) => new Uint8Array(length)),
    (error) => hasCode(error, "internal"),
  );
});

test("the config's field is read and written in hexadecimal digits", () => {
  assert.equal(parsePolynomial("3da3358b4dc173"), 0x3da3358b4dc173n);
  assert.equal(formatPolynomial(0x3da3358b4dc173n), "3da3358b4dc173");
});

test("a field that is no irreducible polynomial of degree 53 is damage", () => {
  for (const text of [
    "",
    "0",
    "7",
    "0x3da3358b4dc173",
    "3da3358b4dc17g",
    " 3da3358b4dc173",
    "38f1e565e288df",
    "ffffffffffffffffff",
  ]) {
    assert.throws(
      () => parsePolynomial(text),
      (error) => hasCode(error, "damaged"),
      text,
    );
  }
});
