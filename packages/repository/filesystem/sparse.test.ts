// Tests of holes: found, made, and space reserved, checked with what the file system itself allocates.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { hasCode } from "../errors.ts";
import { openLibc } from "./libc.ts";
import { dataRanges, nextData, nextHole, preallocate, punchHole } from "./sparse.ts";

let root = "";
before(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), "holdfast-sparse-"));
});
after(() => fs.rmSync(root, { recursive: true, force: true }));

const calls = openLibc();
const reduced = openLibc(() => {
  throw new Error("not installed");
});
const mebibyte = 1024 * 1024;

function withFile(name: string, use: (descriptor: number, path: Buffer) => void): void {
  const place = path.join(root, name);
  const descriptor = fs.openSync(place, "w+");
  try {
    use(descriptor, Buffer.from(place));
  } finally {
    fs.closeSync(descriptor);
  }
}

test("data and holes are found in turn, also beyond 4 GiB", () => {
  withFile("two", (descriptor) => {
    const far = 5 * 1024 * mebibyte;
    fs.writeSync(descriptor, Buffer.alloc(65536, 1), 0, 65536, mebibyte);
    fs.writeSync(descriptor, Buffer.alloc(65536, 2), 0, 65536, far);
    fs.ftruncateSync(descriptor, far + mebibyte);
    assert.deepEqual(
      [...dataRanges(calls, descriptor)],
      [
        { start: BigInt(mebibyte), end: BigInt(mebibyte + 65536) },
        { start: BigInt(far), end: BigInt(far + 65536) },
      ],
    );
    assert.equal(nextData(calls, descriptor, 0n), BigInt(mebibyte));
    assert.equal(nextHole(calls, descriptor, 0n), 0n);
    assert.equal(nextHole(calls, descriptor, BigInt(far)), BigInt(far + 65536));
    assert.equal(nextData(calls, descriptor, BigInt(far + 65536)), null);
    assert.equal(nextHole(calls, descriptor, BigInt(far + mebibyte)), null);
  });
});

test("a full file is one range, an empty one and a mere hole have none", () => {
  withFile("full", (descriptor) => {
    assert.deepEqual([...dataRanges(calls, descriptor)], []);
    fs.writeSync(descriptor, "twelve bytes");
    assert.deepEqual([...dataRanges(calls, descriptor)], [{ start: 0n, end: 12n }]);
  });
  withFile("hole", (descriptor) => {
    fs.ftruncateSync(descriptor, 10 * mebibyte);
    assert.deepEqual([...dataRanges(calls, descriptor)], []);
  });
});

test("a punched hole reads as zeros, keeps the size and frees the space", () => {
  withFile("punch", (descriptor, place) => {
    fs.writeSync(descriptor, Buffer.alloc(mebibyte, 9));
    fs.fsyncSync(descriptor);
    const before = fs.fstatSync(descriptor).blocks;
    assert.equal(punchHole(calls, descriptor, { start: 262144n, end: 524288n }, place), true);
    const after = fs.fstatSync(descriptor);
    assert.equal(after.size, mebibyte);
    assert.equal(before - after.blocks, 262144 / 512);
    const expected = Buffer.alloc(mebibyte, 9).fill(0, 262144, 524288);
    assert.deepEqual(fs.readFileSync(place), expected);
    assert.deepEqual(
      [...dataRanges(calls, descriptor)],
      [
        { start: 0n, end: 262144n },
        { start: 524288n, end: BigInt(mebibyte) },
      ],
    );
  });
});

test("reserved space is allocated and counts as the size", () => {
  withFile("reserve", (descriptor, place) => {
    assert.equal(preallocate(calls, descriptor, 0n, place), true);
    assert.equal(preallocate(calls, descriptor, 3_000_000n, place), true);
    const status = fs.fstatSync(descriptor);
    assert.equal(status.size, 3_000_000);
    assert.ok(status.blocks * 512 >= 3_000_000);
  });
});

test("reserving more than a small file system has is 'no-space' with the path", () => {
  const small = path.join(root, "small");
  fs.mkdirSync(small);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "holdfast-test", small]);
  try {
    withFile("small/file", (descriptor, place) => {
      assert.throws(
        () => preallocate(calls, descriptor, 1_000_000n, place),
        (error) =>
          hasCode(error, "no-space") && error.message.includes("reserve") && error.context["path"] === place.toString(),
      );
    });
  } finally {
    execFileSync("umount", [small]);
  }
});

test("a bad descriptor or offset is an error, not 'no data'", () => {
  withFile("x", () => {
    assert.throws(
      () => nextData(calls, 2 ** 20, 0n),
      (error) => hasCode(error, "source") && error.context["errno"] === "EBADF",
    );
    assert.throws(
      () => nextData(calls, 0, -1n),
      (error) => hasCode(error, "internal"),
    );
  });
});

test("without libc all is data and nothing is reserved or punched", () => {
  withFile("fallback", (descriptor, place) => {
    fs.ftruncateSync(descriptor, 5000);
    assert.deepEqual([...dataRanges(reduced, descriptor)], [{ start: 0n, end: 5000n }]);
    assert.equal(nextData(reduced, descriptor, 5000n), null);
    assert.equal(nextHole(reduced, descriptor, 5000n), null);
    assert.equal(punchHole(reduced, descriptor, { start: 0n, end: 4096n }, place), false);
    assert.equal(preallocate(reduced, descriptor, 4096n, place), false);
  });
});
