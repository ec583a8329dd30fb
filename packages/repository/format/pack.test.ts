// Headers of packs, there and back, and damaged ones.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { sealOverheadBytes, Sealer } from "../codec/seal.ts";
import { hasCode } from "../errors.ts";
import { Kernel } from "../kernel/kernel.ts";
import { createMasterKey } from "./key-file.ts";
import {
  maximumPackBlobs,
  packEntryBytes,
  packLengthFieldBytes,
  parsePackHeader,
  readPackHeaderLength,
  sealPack,
  type PackEntry,
} from "./pack.ts";

const sealer = new Sealer(createMasterKey(), Kernel.alone());
const isDamaged = (error: unknown): boolean => hasCode(error, "damaged");

const entry: fc.Arbitrary<PackEntry> = fc.record({
  id: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  type: fc.constantFrom("data", "tree"),
  lengthBytes: fc.integer({ min: sealOverheadBytes, max: 0xffff_ffff }),
  plainLength: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 0xffff_ffff })),
});

function sizeOf(entries: readonly PackEntry[], endBytes: number): number {
  return entries.reduce((sum, { lengthBytes }) => sum + lengthBytes, endBytes);
}

/** The error of parsing a header with this plaintext, in a pack that is otherwise right. */
function parsePlain(plain: Buffer, blobBytes: number): unknown {
  const sealed = sealer.seal(plain);
  return parsePackHeader(sealed, blobBytes + sealed.length + packLengthFieldBytes, sealer);
}

describe("pack headers", () => {
  test("give back what was packed", () => {
    fc.assert(
      fc.property(fc.array(entry, { minLength: 1, maxLength: 50 }), (entries) => {
        const end = sealPack(entries, sealer);
        const packBytes = sizeOf(entries, end.length);
        const headerBytes = readPackHeaderLength(end.subarray(-packLengthFieldBytes), packBytes);
        assert.equal(headerBytes, end.length - packLengthFieldBytes);
        const blobs = parsePackHeader(end.subarray(0, headerBytes), packBytes, sealer);
        let offset = 0;
        assert.deepEqual(
          blobs,
          entries.map(({ id, type, lengthBytes, plainLength }) => {
            offset += lengthBytes;
            return {
              id: Buffer.from(id).toString("hex"),
              type,
              offset: offset - lengthBytes,
              lengthBytes,
              plainLength,
            };
          }),
        );
      }),
    );
  });

  test("have the layout of the design document", () => {
    const id = Buffer.alloc(32, 0xab);
    const end = sealPack(
      [
        { id, type: "data", lengthBytes: 0x01020304, plainLength: 0 },
        { id, type: "tree", lengthBytes: 40, plainLength: 0x05060708 },
      ],
      sealer,
    );
    const ids = "ab".repeat(32);
    assert.equal(sealer.open(end.subarray(0, -4)).toString("hex"), `0004030201${ids}032800000008070605${ids}`);
    assert.equal(end.readUInt32LE(end.length - 4), packEntryBytes(false) + packEntryBytes(true) + sealOverheadBytes);
  });

  test("cannot be empty or longer than restic reads", () => {
    assert.throws(
      () => sealPack([], sealer),
      (error) => hasCode(error, "internal"),
    );
    const compressed: PackEntry = { id: Buffer.alloc(32), type: "data", lengthBytes: 40, plainLength: 50 };
    const many = Array.from({ length: maximumPackBlobs }, () => compressed);
    assert.ok(sealPack(many, sealer).length <= 16 * 1024 * 1024 + packLengthFieldBytes);
    assert.throws(
      () => sealPack([...many, compressed], sealer),
      (error) => hasCode(error, "internal"),
    );
  });

  test("with a wrong length are damage", () => {
    const field = (length: number): Buffer => {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32LE(length);
      return bytes;
    };
    for (const length of [0, 31, 32, 68, 997, 1000, 0xffff_ffff]) {
      assert.throws(() => readPackHeaderLength(field(length), 1000), isDamaged, String(length));
    }
    assert.equal(readPackHeaderLength(field(69), 1000), 69);
    assert.equal(readPackHeaderLength(field(996), 1000), 996);
    assert.throws(() => readPackHeaderLength(field(16 * 1024 * 1024 + 1), 2 ** 30), isDamaged);
    assert.throws(() => readPackHeaderLength(Buffer.alloc(3), 3), isDamaged);
  });

  test("with impossible entries are damage", () => {
    const good = Buffer.concat([Buffer.from("0040000000", "hex"), Buffer.alloc(32)]);
    assert.doesNotThrow(() => parsePlain(good, 64));
    assert.throws(() => parsePlain(good, 63), isDamaged);
    assert.throws(() => parsePlain(good, 65), isDamaged);
    assert.throws(() => parsePlain(good.subarray(0, 36), 64), isDamaged);
    assert.throws(() => parsePlain(Buffer.concat([good, Buffer.of(0)]), 64), isDamaged);
    assert.throws(() => parsePlain(Buffer.concat([Buffer.of(4), good.subarray(1)]), 64), isDamaged);
    assert.throws(() => parsePlain(Buffer.concat([Buffer.of(2), good.subarray(1)]), 64), isDamaged);
    const tooShort = Buffer.concat([Buffer.from("001f000000", "hex"), Buffer.alloc(32)]);
    assert.throws(() => parsePlain(tooShort, 31), isDamaged);
    const withoutPlainLength = Buffer.concat([Buffer.from("024000000000000000", "hex"), Buffer.alloc(32)]);
    assert.throws(() => parsePlain(withoutPlainLength, 64), isDamaged);
  });
});
