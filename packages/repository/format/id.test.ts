// Ids and their shortest unique beginnings.
import assert from "node:assert/strict";
import { test } from "node:test";
import { hasCode } from "../errors.ts";
import { findByPrefix, idOf, isId, uniquePrefixDigits } from "./id.ts";

const a = "a".repeat(64);
const b = `${"a".repeat(12)}b${"0".repeat(51)}`;
const c = "c".repeat(64);

test("an id is the SHA-256 sum in lower case", () => {
  assert.equal(idOf(Buffer.from("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  assert.ok(isId(a));
  for (const text of ["", a.slice(1), `${a}a`, a.toUpperCase(), "g".repeat(64), `${a}\n`]) {
    assert.equal(isId(text), false, text);
  }
});

test("prefixes are as long as they must be, and at least eight digits", () => {
  assert.equal(uniquePrefixDigits([]), 8);
  assert.equal(uniquePrefixDigits([c, a]), 8);
  assert.equal(uniquePrefixDigits([c, b, a]), 13);
  assert.equal(uniquePrefixDigits([a, a]), 8);
});

test("a prefix finds the one id that begins with it", () => {
  assert.equal(findByPrefix([a, b, c], "c", "key"), c);
  assert.equal(findByPrefix([a, b, c, c], "CCCC", "key"), c);
  assert.equal(findByPrefix([a, b, c], b.slice(0, 13), "key"), b);
  assert.throws(
    () => findByPrefix([a, b, c], "aa", "key"),
    (error) => hasCode(error, "usage") && error.hint.includes("aaaaaaaaaaaab"),
  );
  assert.throws(
    () => findByPrefix([a, b, c], "d", "key"),
    (error) => hasCode(error, "not-found"),
  );
  for (const prefix of ["", "xyz", "../a", `${a}a`]) {
    assert.throws(
      () => findByPrefix([a], prefix, "key"),
      (error) => hasCode(error, "usage"),
      prefix,
    );
  }
});
