// AES-CTR by both routes, against Node's own cipher.
import assert from "node:assert/strict";
import { createCipheriv, randomBytes } from "node:crypto";
import { test } from "node:test";
import { hasCode } from "../errors.ts";
import { AesCtr, fastestCipherRoute, type CipherRoute } from "./aes-ctr.ts";

const key = randomBytes(32);
const routes: readonly CipherRoute[] = ["native", "public"];

test("the native route exists in this Node", () => {
  assert.equal(fastestCipherRoute, "native");
});

for (const route of routes) {
  test(`route ${route} gives what Node's cipher gives, in place too`, () => {
    const cipher = new AesCtr(key, route);
    for (const length of [0, 1, 15, 16, 17, 1000, 65_536, 65_537, 200_001]) {
      const nonce = randomBytes(16);
      const source = randomBytes(length);
      const expected = createCipheriv("aes-256-ctr", key, nonce).update(source);
      const target = Buffer.alloc(length + 1, 7);
      cipher.apply(nonce, source, target);
      assert.ok(target.subarray(0, length).equals(expected), `length ${length}`);
      assert.equal(target[length], 7);
      cipher.apply(nonce, source, source);
      assert.ok(source.equals(expected), `length ${length}, in place`);
      cipher.apply(nonce, target.subarray(0, length), target);
      assert.ok(!source.equals(target.subarray(0, length)) || length === 0);
    }
  });

  test(`route ${route} carries its counter over all sixteen bytes of the nonce`, () => {
    const nonce = Buffer.alloc(16, 0xff);
    const source = Buffer.alloc(100);
    const target = Buffer.alloc(100);
    new AesCtr(key, route).apply(nonce, source, target);
    assert.ok(createCipheriv("aes-256-ctr", key, nonce).update(source).equals(target));
  });

  test(`route ${route} refuses a target that is too small`, () => {
    assert.throws(
      () => new AesCtr(key, route).apply(randomBytes(16), Buffer.alloc(20), Buffer.alloc(19)),
      (error) => hasCode(error, "internal") || error instanceof RangeError,
    );
  });
}
