// The derivation of keys from passwords, and the limits on what a key file may ask for.
import assert from "node:assert/strict";
import { test } from "node:test";
import { hasCode } from "../errors.ts";
import { checkScryptParameters, defaultScryptParameters, deriveUserKey } from "./key-derivation.ts";

test("derives the three parts in scrypt's order, also with more memory than Node allows by default", async () => {
  const salt = Buffer.alloc(64, 1);
  const key = await deriveUserKey("pässword", salt, defaultScryptParameters);
  // Python: hashlib.scrypt("pässword".encode(), salt=b"\1" * 64, n=32768, r=8, p=3, maxmem=2**30, dklen=64).hex()
  const expected =
    "3cf7a3b15300a3958b4d140936514535406d8acc8e3f11280911f1652aab555d66f637a018fdc2039485aecf9efe2f4ed22fd88a9f477d6c621425301d6309da";
  assert.equal(Buffer.concat([key.encrypt, key.macK, key.macR]).toString("hex"), expected);
  assert.deepEqual([key.encrypt.length, key.macK.length, key.macR.length], [32, 16, 16]);
});

test("refuses impossible parameters as damage and costly ones as unsupported", () => {
  const impossible = [
    { N: 0, r: 8, p: 1 },
    { N: 1, r: 8, p: 1 },
    { N: 3, r: 8, p: 1 },
    { N: 2 ** 15, r: 0, p: 1 },
    { N: 2 ** 15, r: 8, p: 0 },
    { N: 2 ** 15, r: 1.5, p: 1 },
    { N: -2, r: 8, p: 1 },
    { N: NaN, r: 8, p: 1 },
    { N: 2, r: 2 ** 20, p: 2 ** 20 },
  ];
  for (const parameters of impossible) {
    assert.throws(
      () => checkScryptParameters(parameters, 64),
      (error) => hasCode(error, "damaged"),
      JSON.stringify(parameters),
    );
  }
  for (const parameters of [
    { N: 2 ** 21, r: 8, p: 1 },
    { N: 2 ** 15, r: 8, p: 10_000 },
  ]) {
    assert.throws(
      () => checkScryptParameters(parameters, 64),
      (error) => hasCode(error, "unsupported"),
    );
  }
  assert.throws(
    () => checkScryptParameters(defaultScryptParameters, 63),
    (error) => hasCode(error, "damaged"),
  );
  checkScryptParameters({ N: 65536, r: 8, p: 20 }, 64);
});
