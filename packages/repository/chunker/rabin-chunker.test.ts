// Tests of content-defined chunking: the cuts of a plain serial reference, and those of restic's chunker.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { before, describe, test } from "node:test";
import fc from "fast-check";
import { hasCode } from "../errors.ts";
import { Arena } from "../kernel/arena.ts";
import type { Region } from "../kernel/arena.ts";
import { Kernel, kernelScratchBytes, rabinTableBytes } from "../kernel/kernel.ts";
import type { Chunker } from "./chunker.ts";
import { chunkerFor } from "./chunker-hint.ts";
import { goRandomBytes } from "./go-random-bytes.ts";
import { RabinChunker } from "./rabin-chunker.ts";
import type { RabinLimits } from "./rabin-chunker.ts";

const polynomial = 0x3da3358b4dc173n;
const kib = 1024;
const mib = 1024 * kib;

const arena = new Arena(33 * mib);
const kernel = new Kernel(arena.memory, arena.allocate(kernelScratchBytes));
const tables = arena.allocate(rabinTableBytes);
const area = arena.allocate(32 * mib);
kernel.rabinTables(polynomial, tables);

/** All chunk lengths of the first `lengthBytes` of the area, with at most `visibleBytes` shown to the chunker. */
function cutAll(chunker: Chunker, lengthBytes: number, visibleBytes = Number.POSITIVE_INFINITY): number[] {
  const lengths: number[] = [];
  let start = 0;
  let visible = Math.min(visibleBytes, lengthBytes);
  while (start < lengthBytes) {
    const last = start + visible >= lengthBytes;
    const cut = chunker.cut(area.pointer + start, Math.min(visible, lengthBytes - start), last);
    if (cut === 0) {
      assert.equal(last, false);
      visible += visibleBytes;
    } else {
      lengths.push(cut);
      start += cut;
      visible = Math.min(visibleBytes, lengthBytes);
    }
  }
  return lengths;
}

function multiplyX8(digest: bigint, modulus: bigint): bigint {
  let shifted = digest << 8n;
  for (let bit = 60n; bit >= 53n; bit--) if ((shifted >> bit) & 1n) shifted ^= modulus << (bit - 53n);
  return shifted;
}

/** The definition, byte by byte: x^8 times the digest, plus the byte, minus what has left a window of 64. */
class SerialReference {
  readonly #leaving: bigint[] = [];
  readonly #modulus: bigint;

  constructor(modulus: bigint) {
    this.#modulus = modulus;
    for (let byte = 0n; byte < 256n; byte++) {
      let digest = byte;
      for (let i = 0; i < 64; i++) digest = multiplyX8(digest, modulus);
      this.#leaving.push(digest);
    }
  }

  cutAll(data: Uint8Array, limits: RabinLimits): number[] {
    const mask = (1n << BigInt(limits.maskBits)) - 1n;
    const lengths: number[] = [];
    let start = 0;
    while (start < data.length) {
      let digest = 0n;
      let end = start;
      for (;;) {
        const leaving = end - start >= 64 ? (this.#leaving[data[end - 64] ?? 0] ?? 0n) : 0n;
        digest = multiplyX8(digest, this.#modulus) ^ BigInt(data[end] ?? 0) ^ leaving;
        end++;
        const length = end - start;
        if (length >= limits.minBytes && ((digest & mask) === 0n || length >= limits.maxBytes)) break;
        if (end === data.length) break;
      }
      lengths.push(end - start);
      start = end;
    }
    return lengths;
  }
}

function fill(data: Uint8Array): number {
  kernel.view(area).set(data);
  return data.length;
}

/** Pieces of noise, of one byte repeated (cuts everywhere for zeros, nowhere for others), and of what came before. */
const patterned = fc
  .array(
    fc.record({
      kind: fc.constantFrom("noise", "repeat", "zero"),
      seed: fc.integer({ min: 1, max: 255 }),
      length: fc.integer({ min: 1, max: 12_000 }),
    }),
    { minLength: 1, maxLength: 5 },
  )
  .map((pieces) =>
    Buffer.concat(
      pieces.map(({ kind, seed, length }) => {
        if (kind !== "noise") return Buffer.alloc(length, kind === "zero" ? 0 : seed);
        return noise(seed, length);
      }),
    ),
  );

function noise(seed: number, length: number): Buffer {
  const blocks: Buffer[] = [];
  for (let i = 0; i * 32 < length; i++) blocks.push(createHash("sha256").update(`${seed} ${i}`).digest());
  return Buffer.concat(blocks).subarray(0, length);
}

test("cuts are those of the serial definition, however much is shown at a time", () => {
  const references = new Map([polynomial, 0x2482734cacca49n].map((value) => [value, new SerialReference(value)]));
  const limits = fc
    .record({
      minBytes: fc.integer({ min: 64, max: 3000 }),
      spreadBytes: fc.integer({ min: 0, max: 30_000 }),
      maskBits: fc.integer({ min: 4, max: 14 }),
    })
    .map(({ minBytes, spreadBytes, maskBits }) => ({ minBytes, maxBytes: minBytes + spreadBytes, maskBits }));
  const anyPolynomial = fc.constantFrom(...references.keys());
  const visible = fc.integer({ min: 1000, max: 20_000 });
  fc.assert(
    fc.property(anyPolynomial, patterned, limits, visible, (modulus, data, wanted, visibleBytes) => {
      kernel.rabinTables(modulus, tables);
      const chunker = new RabinChunker(kernel, tables, wanted);
      const length = fill(data);
      const expected = references.get(modulus)?.cutAll(data, wanted);
      assert.deepEqual(cutAll(chunker, length), expected);
      assert.deepEqual(cutAll(chunker, length, visibleBytes), expected);
    }),
    { numRuns: 60 },
  );
  kernel.rabinTables(polynomial, tables);
});

test("a cut is found at every place in and between the lanes, and the first of two wins", () => {
  // Noise does not cut with 31 bits; 64 zero bytes do.
  const data = noise(1, 40_000);
  const chunker = new RabinChunker(kernel, tables, { minBytes: 64, maxBytes: mib, maskBits: 31 });
  const length = fill(data);
  assert.deepEqual(cutAll(chunker, length), [length]);
  const memory = kernel.view(area);
  for (let lane = 0; lane <= 18; lane++) {
    for (const delta of [-1, 0, 1, 2, 63, 64, 65, 700, 2000]) {
      const end = 64 + lane * 2048 + delta;
      for (const laterEnd of [end, end + 64, end + 1400, end + 3500]) {
        if (end < 64 || laterEnd > length) continue;
        // Bytes other than zero around the runs, so that each cuts at its end and nowhere else.
        memory.set(data);
        for (const runEnd of [laterEnd, end]) {
          memory.fill(0, runEnd - 64, runEnd);
          if (runEnd - 65 >= 0 && runEnd - 65 !== end - 1) memory[runEnd - 65] = 1;
        }
        assert.equal(chunker.cut(area.pointer, length, false), end, `run ending at ${end}, another at ${laterEnd}`);
      }
    }
  }
});

test("zeros are cut at the minimum, as 64 zero bytes are a cut", () => {
  kernel.view(area).fill(0);
  assert.deepEqual(cutAll(chunkerFor({ kind: "rabin" }, kernel, tables), 2 * mib), Array(4).fill(512 * kib));
  assert.deepEqual(cutAll(chunkerFor({ kind: "small" }, kernel, tables), 20 * kib), Array(5).fill(4 * kib));
});

test("data around the minimum and the maximum", () => {
  const chunker = chunkerFor({ kind: "small" }, kernel, tables);
  const { minBytes, maxBytes } = chunker;
  // A repeated byte has one digest everywhere, which is no cut: only the maximum ends a chunk.
  kernel.view(area).fill(1, 0, mib);
  assert.equal(chunker.cut(area.pointer, 0, true), 0);
  for (const length of [1, 63, 64, minBytes - 1, minBytes, minBytes + 1, maxBytes - 1]) {
    assert.equal(chunker.cut(area.pointer, length, false), 0);
    assert.equal(chunker.cut(area.pointer, length, true), length);
  }
  for (const length of [maxBytes, maxBytes + 1, mib]) {
    assert.equal(chunker.cut(area.pointer, length, false), maxBytes);
    assert.equal(chunker.cut(area.pointer, length, true), maxBytes);
  }
  kernel.view(area).fill(0, 0, mib);
  assert.equal(chunker.cut(area.pointer, minBytes - 1, false), 0);
  assert.equal(chunker.cut(area.pointer, minBytes, false), minBytes);
});

test("a hint for small chunks cuts every 16 KiB or so behind the first 4, and at 64", () => {
  const limits = { minBytes: 4 * kib, maxBytes: 64 * kib, maskBits: 14 };
  const data = noise(2, 300_000);
  const length = fill(data);
  const expected = new SerialReference(polynomial).cutAll(data, limits);
  assert.ok(expected.length > 10);
  assert.deepEqual(cutAll(chunkerFor({ kind: "small" }, kernel, tables), length), expected);
});

test("limits that no chunk can have are refused", () => {
  for (const limits of [
    { minBytes: 63, maxBytes: 1000, maskBits: 10 },
    { minBytes: 1000, maxBytes: 999, maskBits: 10 },
  ]) {
    assert.throws(
      () => new RabinChunker(kernel, tables, limits),
      (error) => hasCode(error, "internal"),
    );
  }
});

test("a hint for pages makes a chunker for pages", () => {
  const chunker = chunkerFor({ kind: "pages", runBytes: 8192, doublesAtBytes: mib }, kernel, tables);
  assert.equal(chunker.cut(area.pointer, mib, false), 8192);
});

/** The test data of restic's chunker (chunker_test.go): what its polynomial cuts from 32 MiB of Go's random numbers. */
describe("the cuts of restic's chunker", () => {
  before(() => {
    kernel.view(area).set(goRandomBytes(23n, 32 * mib));
  });

  test("with the defaults", () => {
    const chunker = chunkerFor({ kind: "rabin" }, kernel, tables);
    const expected = [
      2163460, 643703, 1528956, 1955808, 2222372, 2538687, 609606, 1205738, 959742, 4036109, 1525894, 1352720, 811884,
      1282314, 1318021, 948640, 645464, 533758, 1128303, 800374, 2453512, 2651975, 237392,
    ];
    assert.deepEqual(cutAll(chunker, area.lengthBytes), expected);
    assert.deepEqual(cutAll(chunker, area.lengthBytes, 1_000_000), expected);
    assert.equal(sha256(area, 0, 2163460), "4b94cb2cf293855ea43bf766731c74969b91aa6bf3c078719aabdd19860d590d");
    assert.equal(sha256(area, 2163460, 643703), "5727a63c0964f365ab8ed2ccf604912f2ea7be29759a2b53ede4d6841e397407");
  });

  test("with 19 bits", () => {
    assert.deepEqual(
      cutAll(
        new RabinChunker(kernel, tables, { minBytes: 512 * kib, maxBytes: 8 * mib, maskBits: 19 }),
        area.lengthBytes,
      ),
      [
        1491586, 671874, 643703, 1284146, 823366, 810134, 567118, 821315, 1401057, 2311122, 608723, 980456, 1140278,
        2015542, 904752, 713072, 675937, 1525894, 1352720, 811884, 1282314, 1093738, 962003, 856384, 533758, 1128303,
        800374, 2453512, 665901, 1986074, 237392,
      ],
    );
  });

  test("with chunks between 16 and 32 MiB", () => {
    const chunker = new RabinChunker(kernel, tables, { minBytes: 16 * mib, maxBytes: 32 * mib, maskBits: 20 });
    assert.deepEqual(cutAll(chunker, area.lengthBytes), [17864181, 15690251]);
  });
});

function sha256(region: Region, offset: number, lengthBytes: number): string {
  return createHash("sha256")
    .update(kernel.view(region).subarray(offset, offset + lengthBytes))
    .digest("hex");
}
