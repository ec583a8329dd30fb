// Both routes of Poly1305 against RFC 8439 and against each other.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { Kernel } from "../kernel/kernel.ts";
import { fastestMacRoute, Poly1305, type MacRoute } from "./poly1305.ts";

const routes: readonly MacRoute[] = ["native", "kernel"];

for (const route of routes) {
  test(`${route}: the vector of RFC 8439, section 2.5.2`, () => {
    const key = Buffer.from("85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b", "hex");
    const tag = Buffer.alloc(16);
    new Poly1305(Kernel.alone(), route).compute(key, Buffer.from("Cryptographic Forum Research Group"), tag);
    assert.equal(tag.toString("hex"), "a8061dc1305136c6c22b8baf0c0127a9");
  });
}

test("both routes agree at every length, one object after another message", () => {
  assert.equal(fastestMacRoute, "native");
  const kernel = Kernel.alone();
  const [native, other] = routes.map((route) => new Poly1305(kernel, route));
  for (const length of [...Array(200).keys(), 4095, 65_536, 65_537, 1_000_003]) {
    const key = randomBytes(32);
    const message = randomBytes(length);
    const [a, b] = [Buffer.alloc(16), Buffer.alloc(16)];
    native!.compute(key, message, a);
    other!.compute(key, message, b);
    assert.deepEqual(a, b, `${length} bytes`);
  }
});
