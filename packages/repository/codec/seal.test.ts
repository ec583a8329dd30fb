// Sealing and opening: round trips, known bytes, and every kind of tampering.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { hasCode } from "../errors.ts";
import { Arena } from "../kernel/arena.ts";
import { Kernel, kernelScratchBytes } from "../kernel/kernel.ts";
import { sealOverheadBytes, Sealer, type MasterKey } from "./seal.ts";

const key: MasterKey = {
  encrypt: Buffer.from("303e8687b1d7db18421bdc6bb8588ccadac4d59ee87b8ff70c44e635790cafef", "hex"),
  macK: Buffer.from("ef4d8824cb80b2bcc5fbff8a9b12a42c", "hex"),
  macR: Buffer.from("cc8d4b948ee0ebfe1d415de921d10353", "hex"),
};
const sealer = new Sealer(key, Kernel.alone());
const isDamaged = (error: unknown): boolean => hasCode(error, "damaged");

describe("Sealer", () => {
  test("opens what restic's own tests hold as sealed", () => {
    // internal/repository/crypto/crypto_int_test.go: a key, a plaintext and its sealed form.
    const sealed = Buffer.from(
      "69fb41c62d12def4593bd71757138606338f621aeaeb39da0fe4f99233f8037a54ea63338a813bcf3f75d8c3cc75dddf8750",
      "hex",
    );
    assert.equal(sealer.open(sealed).toString(), "Dies ist ein Test!");
  });

  test("opens what it sealed, of any length", () => {
    const lengths = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 65_000, max: 200_000 }));
    fc.assert(
      fc.property(lengths, fc.integer({ min: 0, max: 255 }), (length, fill) => {
        const plain = Buffer.alloc(length, Buffer.of(fill, 1, 2, 3, fill));
        const sealed = sealer.seal(plain);
        assert.equal(sealed.length, length + sealOverheadBytes);
        assert.ok(sealer.open(sealed).equals(plain));
      }),
      { numRuns: 60 },
    );
  });

  test("takes a new nonce each time, over many batches", () => {
    const nonces = new Set(Array.from({ length: 1000 }, () => sealer.seal(Buffer.of(1)).toString("hex", 0, 16)));
    assert.equal(nonces.size, 1000);
  });

  test("seals in place, in the kernel's memory too", () => {
    const arena = new Arena(kernelScratchBytes + 4096);
    const kernel = new Kernel(arena.memory, arena.allocate(kernelScratchBytes));
    const here = new Sealer(key, kernel);
    const plain = Buffer.from("some bytes, not of a whole block");
    for (const area of [Buffer.alloc(plain.length + 32), kernel.view(arena.allocate(plain.length + 32))]) {
      area.set(plain, 16);
      here.sealInPlace(area);
      assert.ok(sealer.open(area).equals(plain));
      const target = Buffer.alloc(100, 7);
      assert.equal(here.openInto(area, target), plain.length);
      assert.ok(target.subarray(0, plain.length).equals(plain));
      assert.equal(target[plain.length], 7);
    }
  });

  test("finds any flipped bit and any lost byte", () => {
    const sealed = sealer.seal(Buffer.from("what nobody may change unseen"));
    for (let bit = 0; bit < sealed.length * 8; bit += 1) {
      const changed = Buffer.from(sealed);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      assert.throws(() => sealer.open(changed), isDamaged, `bit ${bit}`);
    }
    for (let length = 0; length < sealed.length; length += 1) {
      assert.throws(() => sealer.open(sealed.subarray(0, length)), isDamaged, `length ${length}`);
    }
  });

  test("leaves the target alone when the tag is wrong", () => {
    const sealed = sealer.seal(Buffer.from("plain"));
    sealed[20] = (sealed[20] ?? 0) ^ 1;
    const target = Buffer.alloc(5, 9);
    assert.throws(() => sealer.openInto(sealed, target), isDamaged);
    assert.deepEqual(target, Buffer.alloc(5, 9));
  });

  test("does not open with another key", () => {
    const sealed = sealer.seal(Buffer.from("plain"));
    for (const part of ["macK", "macR"] as const) {
      const other = { ...key, [part]: Buffer.alloc(16, 5) };
      assert.throws(() => new Sealer(other, Kernel.alone()).open(sealed), isDamaged);
    }
  });
});
