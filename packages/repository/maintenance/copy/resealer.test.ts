// Blobs sealed anew: the same content under another key, compressed as before, and never a damaged one.
import assert from "node:assert/strict";
import { hash, randomBytes } from "node:crypto";
import { after, describe, test } from "node:test";
import fc from "fast-check";
import { Sealer, sealOverheadBytes } from "../../codec/seal.ts";
import { Compressor, Decompressor } from "../../codec/zstd.ts";
import { createMasterKey } from "../../format/key-file.ts";
import { Kernel } from "../../kernel/kernel.ts";
import { Resealer } from "./resealer.ts";

const kernel = Kernel.alone();
const [from, to] = [new Sealer(createMasterKey(), kernel), new Sealer(createMasterKey(), kernel)];
const [compressor, decompressor] = [new Compressor(), new Decompressor()];
after(() => [compressor, decompressor].forEach((each) => each[Symbol.dispose]()));

const compressing = new Resealer({ from, to, compressor, decompressor });
const plainOnly = new Resealer({ from, to, compressor: null, decompressor });

function packed(plain: Buffer, isCompressed: boolean): { sealed: Buffer; plainLength: number } {
  const frame = isCompressed && plain.length > 0 ? compressor.compress(plain) : plain;
  return { sealed: from.seal(frame), plainLength: frame === plain ? 0 : plain.length };
}

/** What lies in the target opens to the content. */
function assertResealed(resealer: Resealer, plain: Buffer, isCompressed: boolean): void {
  const { sealed, plainLength } = packed(plain, isCompressed);
  const target = Buffer.alloc(resealer.targetBytes(sealed.length, plainLength));
  const done = resealer.reseal(sealed, plainLength, hash("sha256", plain), target);
  assert.ok(done && done.lengthBytes <= target.length);
  const opened = to.open(target.subarray(0, done.lengthBytes));
  const content = done.plainLength > 0 ? decompressor.decompress(opened, done.plainLength) : opened;
  assert.ok(content.equals(plain));
  if (done.plainLength > 0) assert.equal(done.plainLength, plain.length);
  if (resealer === plainOnly) assert.equal(done.plainLength, 0);
  else if (plainLength > 0) assert.ok(opened.equals(from.open(sealed)), "what was compressed is the same frame");
}

const content = fc.oneof(
  fc.uint8Array({ maxLength: 3000 }).map((bytes) => Buffer.from(bytes)),
  fc.nat(200_000).map((size) => Buffer.alloc(size, "it compresses well ")),
);

describe("a blob sealed anew", () => {
  test("is the same blob, whatever it holds and however it was stored", () => {
    fc.assert(
      fc.property(content, fc.boolean(), fc.boolean(), (plain, isCompressed, compresses) =>
        assertResealed(compresses ? compressing : plainOnly, plain, isCompressed),
      ),
      { numRuns: 150 },
    );
  });

  test("may be larger than the memory that is kept for it", () => {
    for (const plain of [randomBytes(17_000_000), Buffer.alloc(40_000_000, "large ")])
      for (const isCompressed of [true, false])
        for (const resealer of [compressing, plainOnly]) assertResealed(resealer, plain, isCompressed);
  });

  test("is compressed where it was not, if that saves something", () => {
    const plain = Buffer.alloc(10_000, "text ");
    const target = Buffer.alloc(plain.length + sealOverheadBytes);
    const done = compressing.reseal(from.seal(plain), 0, hash("sha256", plain), target);
    assert.ok(done && done.plainLength === plain.length && done.lengthBytes < 1000);
    const noise = randomBytes(10_000);
    const raw = compressing.reseal(from.seal(noise), 0, hash("sha256", noise), target);
    assert.deepEqual(raw, { lengthBytes: noise.length + sealOverheadBytes, plainLength: 0 });
  });

  test("is refused when it does not open, does not decompress, or is not what its id says", () => {
    const plain = Buffer.alloc(5000, "text ");
    const id = hash("sha256", plain);
    const { sealed, plainLength } = packed(plain, true);
    const target = Buffer.alloc(plain.length + 100);
    for (const resealer of [compressing, plainOnly]) {
      for (let at = 0; at < sealed.length; at++) {
        const hurt = Buffer.from(sealed);
        hurt[at]! ^= 1;
        assert.equal(resealer.reseal(hurt, plainLength, id, target), null);
      }
      assert.equal(resealer.reseal(sealed, plainLength, hash("sha256", "another"), target), null);
      assert.equal(resealer.reseal(sealed, plainLength - 1, id, target), null, "it holds more than the index says");
      assert.equal(resealer.reseal(from.seal(plain), plainLength, id, target), null, "it is no frame");
      assert.equal(resealer.reseal(sealed.subarray(0, 20), plainLength, id, target), null);
      assert.equal(resealer.reseal(to.seal(plain), 0, id, target), null, "it has the key of somebody else");
    }
  });
});
