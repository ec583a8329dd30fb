// Tests of the kernel: Poly1305 against RFC 8439 and its definition in whole numbers, and what is refused.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import fc from "fast-check";
import { hasCode } from "../errors.ts";
import { Arena, arenaLimitBytes } from "./arena.ts";
import { Kernel, kernelScratchBytes, rabinTableBytes } from "./kernel.ts";

function littleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x0${Buffer.from(bytes.toReversed()).toString("hex")}`);
}

/** RFC 8439, section 2.5.1, in whole numbers. */
function referenceTag(key: Uint8Array, message: Uint8Array): string {
  const r = littleEndian(key.subarray(0, 16)) & 0x0ffffffc0ffffffc0ffffffc0fffffffn;
  let sum = 0n;
  for (let start = 0; start < message.length; start += 16) {
    const block = message.subarray(start, start + 16);
    sum = ((sum + littleEndian(block) + (1n << BigInt(8 * block.length))) * r) % ((1n << 130n) - 5n);
  }
  const tag = BigInt.asUintN(128, sum + littleEndian(key.subarray(16)));
  return Buffer.from(Buffer.from(tag.toString(16).padStart(32, "0"), "hex").toReversed()).toString("hex");
}

const messageBytes = 300_000;
const arena = new Arena(kernelScratchBytes + rabinTableBytes + messageBytes + 128);
const scratch = arena.allocate(kernelScratchBytes);
const kernel = new Kernel(arena.memory, scratch);
const tables = arena.allocate(rabinTableBytes);
const area = arena.allocate(messageBytes);

/** The tag of a message outside the kernel's memory, which must be that of the same message inside. */
function tagOf(key: Uint8Array, message: Uint8Array, displacement = 0): string {
  const outside = Buffer.alloc(16);
  kernel.poly1305(key, message, outside);
  const inside = Buffer.alloc(16);
  const copy = kernel.view(area).subarray(displacement, displacement + message.length);
  copy.set(message);
  kernel.poly1305(key, copy, inside);
  assert.deepEqual(inside, outside);
  return outside.toString("hex");
}

const zeros = "00".repeat(16);
const ones = "ff".repeat(16);
const two = `02${"00".repeat(15)}`;
const one = `01${"00".repeat(15)}`;
const carryR = "01000000000000000400000000000000";
const carryMessage = `e33594d7505e43b900000000000000003394d7505e4379cd01${"00".repeat(7)}${zeros}`;

/** Section 2.5.2, and from appendix A.3 the vectors 1 and 7 to 11, where carries and the modulus are at stake. */
const vectors: readonly (readonly [key: string, message: string, tag: string])[] = [
  [
    "85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b",
    Buffer.from("Cryptographic Forum Research Group").toString("hex"),
    "a8061dc1305136c6c22b8baf0c0127a9",
  ],
  [zeros + zeros, zeros.repeat(4), zeros],
  [two + zeros, ones, `03${"00".repeat(15)}`],
  [two + ones, two, `03${"00".repeat(15)}`],
  [one + zeros, `${ones}f0${"ff".repeat(15)}11${"00".repeat(15)}`, `05${"00".repeat(15)}`],
  [one + zeros, `${ones}fb${"fe".repeat(15)}${"01".repeat(16)}`, zeros],
  [two + zeros, `fd${"ff".repeat(15)}`, `fa${"ff".repeat(15)}`],
  [carryR + zeros, `${carryMessage}01${"00".repeat(15)}`, "14000000000000005500000000000000"],
  [carryR + zeros, carryMessage, `13${"00".repeat(15)}`],
];

test("Poly1305 of the vectors in RFC 8439", () => {
  for (const [key, message, tag] of vectors) {
    assert.equal(tagOf(Buffer.from(key, "hex"), Buffer.from(message, "hex")), tag);
  }
});

test("Poly1305 where the sum is the modulus itself, or one less", () => {
  const key = Buffer.from(one + zeros, "hex");
  assert.equal(tagOf(key, Buffer.from(`fb${"ff".repeat(15)}${zeros}${zeros}`, "hex")), zeros);
  assert.equal(tagOf(key, Buffer.from(`fa${"ff".repeat(15)}${zeros}${zeros}`, "hex")), `fa${"ff".repeat(15)}`);
});

test("Poly1305 of every length up to 300, wherever the message lies", () => {
  const noise = randomBytes(300);
  for (let length = 0; length <= 300; length++) {
    const key = randomBytes(32);
    const message = noise.subarray(0, length);
    assert.equal(tagOf(key, message, length % 17), referenceTag(key, message));
  }
});

test("Poly1305 of extreme limbs in key and message", () => {
  const extremeBytes = (lengthBytes: number) =>
    fc
      .array(fc.constantFrom(0, 1, 0xfb, 0xfc, 0xff), {
        minLength: lengthBytes,
        maxLength: lengthBytes,
      })
      .map((values) => Uint8Array.from(values));
  const message = fc.integer({ min: 0, max: 100 }).chain(extremeBytes);
  fc.assert(
    fc.property(extremeBytes(32), message, (key, bytes) => {
      assert.equal(tagOf(key, bytes), referenceTag(key, bytes));
    }),
    { numRuns: 500 },
  );
  const key = Buffer.alloc(32, 0xff);
  const long = Buffer.alloc(50_000, 0xff);
  assert.equal(tagOf(key, long), referenceTag(key, long));
});

test("Poly1305 of messages outside the memory that take several pieces", () => {
  const noise = randomBytes(200_000);
  for (const length of [65_535, 65_536, 65_537, 65_551, 65_552, 65_553, 131_071, 131_072, 131_073, 200_000]) {
    const key = randomBytes(32);
    const message = noise.subarray(0, length);
    assert.equal(tagOf(key, message), referenceTag(key, message), `${length} bytes`);
  }
});

test("Poly1305 leaves everything but its scratch and the tag alone", () => {
  const view = kernel.view({ pointer: 0, lengthBytes: kernel.bytes.length });
  kernel.bytes.fill(0xa5, scratch.pointer + scratch.lengthBytes);
  const tag = Buffer.alloc(20, 0x77);
  kernel.poly1305(randomBytes(32), kernel.view(area).subarray(3, 1002), tag);
  kernel.poly1305(randomBytes(32), Buffer.alloc(70_000), tag);
  assert.ok(view.subarray(scratch.pointer + scratch.lengthBytes).every((byte) => byte === 0xa5));
  assert.deepEqual(tag.subarray(16), Buffer.alloc(4, 0x77));
});

test("a kernel of its own, and one in a worker over the same memory", async () => {
  const key = randomBytes(32);
  const message = randomBytes(1000);
  const expected = referenceTag(key, message);
  const tag = Buffer.alloc(16);
  Kernel.alone().poly1305(key, message, tag);
  assert.equal(tag.toString("hex"), expected);

  const shared = new Arena(2 * kernelScratchBytes + 2048);
  const own = new Kernel(shared.memory, shared.allocate(kernelScratchBytes));
  const theirs = shared.allocate(kernelScratchBytes);
  const region = shared.allocate(message.length);
  own.view(region).set(message);
  const code = `
    const { parentPort, workerData } = require("node:worker_threads");
    import(workerData.url).then(({ Kernel }) => {
      const kernel = new Kernel(workerData.memory, workerData.scratch);
      const tag = Buffer.alloc(16);
      kernel.poly1305(workerData.key, kernel.view(workerData.region), tag);
      parentPort.postMessage(tag.toString("hex"));
    });`;
  const workerData = {
    url: new URL("kernel.ts", import.meta.url).href,
    memory: shared.memory,
    scratch: theirs,
    region,
    key,
  };
  const worker = new Worker(code, { eval: true, workerData });
  const answer = await new Promise((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
  await worker.terminate();
  assert.equal(answer, expected);
});

test("the largest arena can be imported", () => {
  const large = new Arena(arenaLimitBytes);
  const last = new Kernel(large.memory, large.allocate(kernelScratchBytes));
  const message = last.bytes.subarray(arenaLimitBytes - 100);
  const tag = Buffer.alloc(16);
  message.fill(9);
  last.poly1305(Buffer.alloc(32, 1), message, tag);
  assert.equal(tag.toString("hex"), referenceTag(Buffer.alloc(32, 1), message));
});

test("regions outside the memory or too small, and other degrees, are refused", () => {
  const internal = (error: unknown) => hasCode(error, "internal");
  const end = kernel.bytes.length;
  assert.throws(() => new Kernel(arena.memory, { pointer: 0, lengthBytes: kernelScratchBytes - 1 }), internal);
  assert.throws(() => new Kernel(arena.memory, { pointer: end - 64, lengthBytes: kernelScratchBytes }), internal);
  assert.throws(() => kernel.view({ pointer: end - 10, lengthBytes: 11 }), internal);
  assert.throws(() => kernel.view({ pointer: -1, lengthBytes: 1 }), internal);
  assert.throws(() => kernel.rabinTables(1n << 52n, tables), internal);
  assert.throws(() => kernel.rabinTables(1n << 54n, tables), internal);
  assert.throws(() => kernel.rabinTables(0x3da3358b4dc173n, { ...tables, lengthBytes: rabinTableBytes - 1 }), internal);
  kernel.rabinTables(0x3da3358b4dc173n, tables);
  assert.throws(() => kernel.rabinCut(tables, end - 100, 101, 64, 1000, 10), internal);
  assert.throws(() => kernel.rabinCut(tables, area.pointer, 100, 63, 1000, 10), internal);
  assert.throws(() => kernel.rabinCut(tables, area.pointer, 100, 64, 63, 10), internal);
  assert.throws(() => kernel.rabinCut(tables, area.pointer, 100, 64, 1000, 32), internal);
  assert.throws(() => kernel.poly1305(Buffer.alloc(31), Buffer.alloc(1), Buffer.alloc(16)), internal);
  assert.throws(() => kernel.poly1305(Buffer.alloc(32), Buffer.alloc(1), Buffer.alloc(15)), internal);
});

test("a module that was not built is named, with what builds it", async () => {
  const copy = mkdtempSync(join(tmpdir(), "kernel-"));
  try {
    mkdirSync(join(copy, "kernel"));
    writeFileSync(join(copy, "package.json"), '{"type":"module"}');
    cpSync(new URL("../errors.ts", import.meta.url), join(copy, "errors.ts"));
    for (const name of ["kernel.ts", "arena.ts"]) cpSync(new URL(name, import.meta.url), join(copy, "kernel", name));
    const unbuilt = (await import(pathToFileURL(join(copy, "kernel/kernel.ts")).href)) as typeof import("./kernel.ts");
    assert.throws(() => unbuilt.Kernel.alone(), {
      name: "HoldfastError",
      code: "internal",
      hint: "build it with `npm run build:wasm`",
      message: /build\/kernel\.wasm/,
    });
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
});
