// Index files, there and back, and damaged ones.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { hasCode } from "../errors.ts";
import { encodeIndex, indexIdsBytes, parseIndexFile, type IndexedPack } from "./index-file.ts";
import type { PackedBlob } from "./pack.ts";

const isDamaged = (error: unknown): boolean => hasCode(error, "damaged");

function read(json: string | Buffer): { packs: IndexedPack[]; supersedes: string[] } {
  const ids = Buffer.alloc(indexIdsBytes);
  const packs: { id: string; blobs: PackedBlob[] }[] = [];
  const supersedes: string[] = [];
  parseIndexFile(Buffer.from(json), {
    ids,
    pack: () => packs.push({ id: ids.toString("hex", 32), blobs: [] }),
    blob: (type, offset, lengthBytes, plainLength) => {
      assert.equal(packs.at(-1)?.id, ids.toString("hex", 32));
      packs.at(-1)?.blobs.push({ id: ids.toString("hex", 0, 32), type, offset, lengthBytes, plainLength });
    },
    supersedes: (id) => supersedes.push(id),
  });
  return { packs, supersedes };
}

const id = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString("hex"));
const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
const blob: fc.Arbitrary<PackedBlob> = fc.record(
  { id, type: fc.constantFrom("data", "tree"), offset: uint32, lengthBytes: uint32, plainLength: uint32 },
  { noNullPrototype: true },
);
const packs = fc.array(fc.record({ id, blobs: fc.array(blob, { maxLength: 5 }) }, { noNullPrototype: true }), {
  maxLength: 5,
});

const a = "a1".repeat(32);
const b = "b2".repeat(32);
const blobText = `{"id":"${b}","type":"data","offset":1,"length":2}`;

describe("index files", () => {
  test("give back what was written", () => {
    fc.assert(
      fc.property(packs, (list) => {
        assert.deepEqual(read(encodeIndex(list)), { packs: list, supersedes: [] });
      }),
    );
  });

  test("are written as restic does", () => {
    const blobs: PackedBlob[] = [
      { id: a, type: "data", offset: 0, lengthBytes: 38, plainLength: 0 },
      { id: b, type: "tree", offset: 38, lengthBytes: 112, plainLength: 511 },
    ];
    assert.equal(
      encodeIndex([{ id: b, blobs }]).toString(),
      `{"packs":[{"id":"${b}","blobs":[{"id":"${a}","type":"data","offset":0,"length":38},` +
        `{"id":"${b}","type":"tree","offset":38,"length":112,"uncompressed_length":511}]}]}\n`,
    );
    assert.equal(encodeIndex([]).toString(), '{"packs":[]}\n');
  });

  test("hold more blobs than restic puts into one", () => {
    const blobs = Array.from({ length: 60_000 }, (_, n): PackedBlob => ({
      id: n.toString(16).padStart(64, "0"),
      type: "data",
      offset: n,
      lengthBytes: 4_000_000_000 + n,
      plainLength: n,
    }));
    const list = [
      { id: a, blobs: blobs.slice(0, 20_000) },
      { id: b, blobs: blobs.slice(20_000) },
    ];
    assert.deepEqual(read(encodeIndex(list)).packs, list);
  });

  test("mean the same however they are spaced and ordered", () => {
    const spaced = (json: Buffer): string => JSON.stringify(JSON.parse(json.toString()), null, 1);
    const reversed = (_: string, value: unknown): unknown =>
      typeof value === "object" && value !== null && !Array.isArray(value)
        ? Object.fromEntries(Object.entries(value).toReversed())
        : value;
    fc.assert(
      fc.property(packs, (list) => {
        const json = encodeIndex(list);
        assert.deepEqual(read(spaced(json)), read(json));
        assert.deepEqual(read(JSON.stringify(JSON.parse(json.toString()), reversed)), read(json));
      }),
    );
  });

  test("are read in older and odd forms", () => {
    const expected = [{ id: a, blobs: [{ id: b, type: "data", offset: 1, lengthBytes: 2, plainLength: 0 }] }];
    assert.deepEqual(read(`[{"id":"${a}","blobs":[${blobText}]}]`).packs, expected);
    assert.deepEqual(read(`{"supersedes":["${b}"],"packs":[{"id":"${a}","blobs":[${blobText}]}]}`), {
      packs: expected,
      supersedes: [b],
    });
    assert.deepEqual(
      read(` { "new" : {} , "packs" : [ { "blobs" : [ ${blobText} ] , "new" : 1 , "id" : "${a}" } ] } `).packs,
      expected,
    );
    assert.deepEqual(read('{"packs":null,"supersedes":null}'), { packs: [], supersedes: [] });
    assert.deepEqual(read(`{"packs":[{"id":"${a}","blobs":null}]}`).packs, [{ id: a, blobs: [] }]);
  });

  test("that are malformed are damage", () => {
    const whole = Buffer.from(`{"packs":[{"id":"${a}","blobs":[${blobText}]}]}`);
    for (let length = 0; length < whole.length; length += 1) {
      assert.throws(() => read(whole.subarray(0, length)), isDamaged, `length ${length}`);
    }
    const wrong = [
      blobText.replace("data", "date"),
      blobText.replace("1", "-1"),
      blobText.replace("1", "4294967296"),
      blobText.replace("1", "1.5"),
      blobText.replace("1", "01"),
      blobText.replace("1", ""),
      `${blobText.slice(0, -1)},"uncompressed_length":}`,
      `${blobText.slice(0, -1)},"uncompressed_length":-1}`,
      blobText.replace(b, `g${b.slice(1)}`),
      blobText.replace('"offset":1,', ""),
      blobText.replace(`"id":"${b}",`, ""),
      blobText.replace(b, b.slice(1)),
      blobText.replace(b, b.toUpperCase()),
      blobText.replace(b, `${b}0`),
    ];
    for (const text of wrong) {
      assert.throws(() => read(`{"packs":[{"id":"${a}","blobs":[${text}]}]}`), isDamaged, text);
    }
    assert.throws(() => read(`{"packs":[{"blobs":[${blobText}]}]}`), isDamaged);
    assert.throws(() => read(`${whole.toString()}x`), isDamaged);
  });
});
