// Compression by both routes: round trips, equal frames, and damaged ones.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import fc from "fast-check";
import { hasCode } from "../errors.ts";
import { Compressor, decompressAside, Decompressor, fastestZstdRoute, type ZstdRoute } from "./zstd.ts";

const isDamaged = (error: unknown): boolean => hasCode(error, "damaged");
const routes: readonly ZstdRoute[] = ["native", "zlib"];
const text = Buffer.from("the same words again and again, ".repeat(3000));

test("the native route exists in this Node", () => {
  assert.equal(fastestZstdRoute, "native");
});

for (const route of routes) {
  describe(`zstd, route ${route}`, () => {
    const compressor = new Compressor(route);
    const decompressor = new Decompressor(route);

    test("any bytes survive, and Node reads the frames", () => {
      const inputs = fc.oneof(
        fc.uint8Array({ maxLength: 2000 }),
        fc.integer({ min: 0, max: 300_000 }).map((length) => text.subarray(0, length)),
      );
      fc.assert(
        fc.property(inputs, (bytes) => {
          const frame = compressor.compress(bytes);
          const content = decompressor.decompress(frame, bytes.length);
          assert.ok(content.equals(bytes));
          assert.ok(zstdDecompressSync(frame).equals(bytes));
          const target = Buffer.alloc(bytes.length + 10);
          assert.equal(decompressor.decompressInto(frame, target), bytes.length);
        }),
        { numRuns: 100 },
      );
    });

    test("frames carry the size of their content and no checksum", () => {
      const frame = compressor.compress(text);
      const descriptor = frame.readUInt8(4);
      assert.equal(descriptor & 4, 0);
      assert.equal(descriptor >> 6, 2);
      const isSingleSegment = (descriptor & 0x20) !== 0;
      assert.equal(frame.readUInt32LE(isSingleSegment ? 5 : 6), text.length);
    });

    test("says when a frame does not fit, and writes nothing beyond the target", () => {
      const bytes = randomBytes(10_000);
      const area = Buffer.alloc(10_100, 7);
      assert.equal(compressor.compressInto(bytes, area.subarray(0, 9_999)), 0);
      assert.ok(area.subarray(9_999).every((byte) => byte === 7));
      const written = compressor.compressInto(text, area);
      assert.ok(written > 0 && written < 1000);
      assert.ok(decompressor.decompress(area.subarray(0, written), text.length).equals(text));
    });

    test("refuses what is too long for the target", () => {
      const frame = compressor.compress(text);
      assert.throws(() => decompressor.decompress(frame, text.length - 1), isDamaged);
      assert.throws(() => decompressor.decompressInto(frame, Buffer.alloc(text.length - 1)), isDamaged);
    });

    test("reads a frame without the size of its content", () => {
      // What a streaming writer makes: single segment flag and size fields are zero.
      const raw = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58, 0x19, 0x00, 0x00, 0x61, 0x62, 0x63]);
      assert.equal(zstdDecompressSync(raw).toString(), "abc");
      assert.equal(decompressor.decompress(raw, 100).toString(), "abc");
      assert.throws(() => decompressor.decompress(raw, 2), isDamaged);
    });

    test("refuses frames that are cut off or are none", () => {
      const frame = compressor.compress(text);
      for (const length of [0, 1, 4, 5, 9, frame.length >> 1, frame.length - 1]) {
        assert.throws(
          () => decompressor.decompress(frame.subarray(0, length), text.length),
          isDamaged,
          `length ${length}`,
        );
        assert.throws(
          () => decompressor.decompressInto(frame.subarray(0, length), Buffer.alloc(text.length)),
          isDamaged,
        );
      }
      assert.throws(() => decompressor.decompress(Buffer.from("no frame at all"), 1000), isDamaged);
    });

    test("works in shared memory", () => {
      const shared = Buffer.from(new SharedArrayBuffer(200_000));
      shared.set(text);
      const written = compressor.compressInto(shared.subarray(0, text.length), shared.subarray(100_000));
      const content = decompressor.decompress(Buffer.from(shared.subarray(100_000, 100_000 + written)), text.length);
      assert.ok(content.equals(text));
    });
  });
}

test("what is decompressed aside is the same, and refused for the same reasons", async () => {
  const compressor = new Compressor();
  const large = randomBytes(300_000);
  for (const bytes of [text, large, Buffer.alloc(0), Buffer.from("x")]) {
    assert.ok((await decompressAside(compressor.compress(bytes), bytes.length)).equals(bytes));
  }
  const unsized = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58, 0x19, 0x00, 0x00, 0x61, 0x62, 0x63]);
  assert.equal((await decompressAside(unsized, 100)).toString(), "abc");
  await assert.rejects(decompressAside(unsized, 2), isDamaged);
  const frame = compressor.compress(text);
  await assert.rejects(decompressAside(frame, text.length - 1), isDamaged);
  for (const length of [0, 3, 10, frame.length - 1]) {
    await assert.rejects(decompressAside(frame.subarray(0, length), text.length), isDamaged, `length ${length}`);
  }
  const lying = Buffer.from(frame);
  lying.writeUInt32LE(0x2000_0000, (frame.readUInt8(4) & 0x20) === 0 ? 6 : 5);
  await assert.rejects(decompressAside(lying, 0x4000_0000), isDamaged);
});

test("both routes compress equally well", () => {
  const [native, zlib] = routes.map((route) => new Compressor(route).compress(text));
  assert.deepEqual(native, zlib);
  assert.ok((native?.length ?? 0) <= zstdCompressSync(text).length * 1.2);
});

test("disposing twice is harmless", () => {
  const compressor = new Compressor("native");
  compressor[Symbol.dispose]();
  compressor[Symbol.dispose]();
  const decompressor = new Decompressor("native");
  decompressor[Symbol.dispose]();
  decompressor[Symbol.dispose]();
});

test("use after disposal is an error, not the end of the process", () => {
  const compressor = new Compressor();
  const frame = compressor.compress(Buffer.from("text"));
  compressor[Symbol.dispose]();
  assert.throws(
    () => compressor.compress(Buffer.from("text")),
    (error) => hasCode(error, "internal"),
  );
  const decompressor = new Decompressor();
  decompressor[Symbol.dispose]();
  assert.throws(
    () => decompressor.decompress(frame, 100),
    (error) => hasCode(error, "internal"),
  );
});
