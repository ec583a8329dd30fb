// Packs in pieces: nothing is left out, no blob is cut, and what is verified piece by piece is verified whole.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { Sealer } from "../codec/seal.ts";
import { Decompressor } from "../codec/zstd.ts";
import { sealPack } from "../format/pack.ts";
import { Kernel } from "../kernel/kernel.ts";
import { packPieces } from "./pack-pieces.ts";
import { PackVerifier, wordsPerBlob, writeBlob } from "./check/pack-verification.ts";
import type { PackProblem } from "./check/pack-verification.ts";

test("pieces are the whole pack in order, and each blob lies in one of them", () => {
  const blob = fc.record({ gap: fc.integer({ min: -20, max: 30 }), lengthBytes: fc.nat(120) });
  fc.assert(
    fc.property(fc.array(blob), fc.nat(60), fc.integer({ min: 1, max: 100 }), (parts, tail, pieceBytes) => {
      let at = 0;
      const blobs = parts.map(({ gap, lengthBytes }) => ({
        offset: (at = Math.max(0, at + gap)),
        lengthBytes: ((at += lengthBytes), lengthBytes),
      }));
      blobs.sort((left, right) => left.offset - right.offset);
      const packBytes = blobs.reduce((end, each) => Math.max(end, each.offset + each.lengthBytes), 0) + tail;
      let [end, blobsSeen] = [0, 0];
      for (const piece of packPieces(packBytes, blobs, pieceBytes)) {
        assert.deepEqual([piece.start, piece.firstBlob], [end, blobsSeen]);
        ({ end, endBlob: blobsSeen } = piece);
        for (const { offset, lengthBytes } of blobs.slice(piece.firstBlob, piece.endBlob))
          assert.ok(offset >= piece.start && offset + lengthBytes <= piece.end);
      }
      assert.deepEqual([end, blobsSeen], [packBytes, blobs.length]);
    }),
  );
});

test("a piece is no larger than asked, save for the header, when its blobs are not", () => {
  const blobs = Array.from({ length: 50 }, (_, at) => ({ offset: at * 30, lengthBytes: 30 }));
  const pieces = [...packPieces(1600, blobs, 100)];
  assert.equal(pieces.length, 17);
  for (const { start, end } of pieces.slice(0, -1)) assert.equal(end - start, 90);
});

test("a pack without a byte is one piece", () => {
  assert.deepEqual([...packPieces(0, [])], [{ start: 0, end: 0, firstBlob: 0, endBlob: 0 }]);
});

const key = { encrypt: randomBytes(32), macK: randomBytes(16), macR: randomBytes(16) };
const sealer = new Sealer(key, Kernel.alone());
const contents = Array.from({ length: 20 }, (_, at) => randomBytes(100 + at));
const sealed = contents.map((content) => sealer.seal(content));
const ids = contents.map((content) => createHash("sha256").update(content).digest());
const entries = sealed.map((bytes, at) => ({
  id: ids[at]!,
  type: "data" as const,
  lengthBytes: bytes.length,
  plainLength: 0,
}));
const pack = Buffer.concat([...sealed, sealPack(entries, sealer)]);
const name = createHash("sha256").update(pack).digest("hex");
const places = entries.map((entry, at) => ({
  ...entry,
  offset: entries.slice(0, at).reduce((sum, { lengthBytes }) => sum + lengthBytes, 0),
}));

/** What is found in `bytes` as lane 1, while the whole pack passes by in lane 0. */
function verify(bytes: Buffer, pieceBytes: number): PackProblem[] {
  const verifier = new PackVerifier(sealer, new Decompressor());
  const take = (lane: number, from: Buffer, { start, end, firstBlob, endBlob }: (typeof pieces)[number]) => {
    const blobs = new Uint32Array((endBlob - firstBlob) * wordsPerBlob);
    for (const [at, place] of places.slice(firstBlob, endBlob).entries()) writeBlob(blobs, at, place);
    const piece = { lane, name, packBytes: from.length, start, blobs };
    return verifier.verify(piece, Buffer.from(from.subarray(start, end)));
  };
  const pieces = [...packPieces(bytes.length, places, pieceBytes)];
  let found: PackProblem[] = [];
  for (const piece of pieces) {
    found = take(1, bytes, piece);
    if (bytes.length === pack.length) assert.deepEqual(take(0, pack, piece), []);
  }
  return found;
}

for (const pieceBytes of [1, 300, 1_000_000]) {
  test(`a pack verified in pieces of ${pieceBytes} bytes is whole, or every damage in it is found`, () => {
    assert.deepEqual(verify(pack, pieceBytes), []);
    for (const [at, { offset }] of places.entries()) {
      const damaged = Buffer.from(pack);
      damaged[offset + 20]! ^= 1;
      const found = verify(damaged, pieceBytes);
      assert.deepEqual(
        found.map(({ blob }) => blob?.id ?? null),
        [null, ids[at]!.toString("hex")],
      );
    }
    for (const fromEnd of [1, 4, 5, 40]) {
      const damaged = Buffer.from(pack);
      damaged[damaged.length - fromEnd]! ^= 1;
      const found = verify(damaged, pieceBytes).map(({ problem }) => problem);
      assert.equal(found.length, 2);
      assert.match(found[0]!, /does not match its name/);
      assert.match(found[1]!, /header cannot be read/);
    }
    assert.match(verify(pack.subarray(0, -1), pieceBytes)[0]!.problem, /does not match its name/);
  });
}
