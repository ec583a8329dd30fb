// Reading from pipes and files: every byte comes, in large pieces, and waiting can be ended.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, it } from "node:test";
import { hasCode } from "../errors.ts";
import { DescriptorReader } from "./descriptor-reader.ts";
import { openLibc } from "./libc.ts";
import { NodeCalls } from "./node-calls.ts";
import { openPipe } from "./pipe.ts";

const libc = openLibc();
const getPipeSize = 1032;
const setFlags = 4;
const nonBlocking = 0o4000;
const systems = { "with libc": libc, "without libc": new NodeCalls([]) };
const goOn = new AbortController().signal;

async function readAll(reader: DescriptorReader): Promise<{ content: Buffer; pieces: number[] }> {
  const chunks: Buffer[] = [];
  for (;;) {
    const into = Buffer.alloc(8 * 1024 * 1024);
    const got = await reader.read(into, goOn);
    if (got === 0) return { content: Buffer.concat(chunks), pieces: chunks.map((chunk) => chunk.length) };
    chunks.push(into.subarray(0, got));
  }
}

describe("a reader of descriptors", () => {
  const directory = mkdtempSync(path.join(tmpdir(), "holdfast-descriptor-"));
  const file = path.join(directory, "file");
  const content = randomBytes(5_000_000);
  writeFileSync(file, content);
  after(() => rmSync(directory, { recursive: true }));

  for (const [name, system] of Object.entries(systems)) {
    it(`gives every byte of a pipe, of one that does not wait, and of a file: ${name}`, async () => {
      for (const flags of [0, nonBlocking]) {
        const { reading, writing } = openPipe(libc);
        libc.fcntl(reading, setFlags, flags);
        const script = 'sleep 0.1; head -c 1000000 "$0"; sleep 0.1; tail -c +1000001 "$0"';
        const child = spawn("sh", ["-c", script, file], { stdio: ["ignore", writing, "inherit"] });
        libc.close(writing);
        const all = await readAll(new DescriptorReader(reading, system));
        libc.close(reading);
        assert.ok(all.content.equals(content));
        assert.equal(child.killed, false);
      }
      const descriptor = openSync(file, "r");
      assert.ok((await readAll(new DescriptorReader(descriptor, system))).content.equals(content));
      closeSync(descriptor);
    });

    it(`throws what the system says: ${name}`, async () => {
      const descriptor = openSync(directory, "r");
      await assert.rejects(readAll(new DescriptorReader(descriptor, system)), { code: "EISDIR" });
      closeSync(descriptor);
    });
  }

  it("lets a pipe hold a mebibyte, and takes all of it at once", async () => {
    const { reading, writing } = openPipe(libc);
    const reader = new DescriptorReader(reading, libc);
    assert.equal(libc.fcntl(reading, getPipeSize, 0), 1024 * 1024);
    writeSync(writing, content.subarray(0, 1024 * 1024));
    libc.close(writing);
    assert.deepEqual((await readAll(reader)).pieces, [1024 * 1024]);
    libc.close(reading);
  });

  it("stops waiting soon after it is told to", async () => {
    const { reading, writing } = openPipe(libc);
    const order = new AbortController();
    const started = performance.now();
    const waiting = new DescriptorReader(reading, libc).read(Buffer.alloc(10), order.signal);
    setTimeout(() => order.abort(new Error("enough")), 50);
    await assert.rejects(waiting, { message: "enough" });
    assert.ok(performance.now() - started < 5000);
    libc.close(writing);
    libc.close(reading);
  });
});

it("a pipe is not opened without libc, and the error says so", () => {
  assert.throws(
    () => openPipe(new NodeCalls([])),
    (error) => hasCode(error, "unsupported"),
  );
});
