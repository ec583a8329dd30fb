// The faults do what their names say: tests of everything else rely on it.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { LocalStorage } from "../storage/local.ts";
import { FaultStorage, crashAt, faultScript, leaveTemporaryIn } from "./fault-storage.ts";
import type { CrashEffect, Fault, FaultRule } from "./fault-storage.ts";
import { MemoryStorage } from "./memory-storage.ts";
import { failsWith, nameOf } from "./storage-conformance.ts";

const contents = Array.from({ length: 4 }, () => randomBytes(100));
const [first, second, third] = contents as [Buffer, Buffer, Buffer, Buffer];

function make(...rules: FaultRule[]) {
  const memory = new MemoryStorage();
  const storage = new FaultStorage(memory, faultScript(rules));
  const put = (content: Buffer) => storage.put("pack", nameOf(content), [content]);
  const stored = async () => (await Array.fromAsync(memory.list("pack"))).map((file) => file.name);
  return { memory, storage, put, stored };
}

describe("FaultStorage", () => {
  it("counts rules by operation and type, and records every call", async () => {
    const fault: Fault = { kind: "fail", code: "no-space" };
    const { storage, put } = make(
      { number: 2, operation: "put", type: "pack", fault },
      { number: 5, fault: { kind: "fail", code: "permission" } },
    );
    await put(first);
    await storage.put("index", nameOf(first), [first]);
    await assert.rejects(put(second), failsWith("no-space"));
    await put(second);
    await assert.rejects(storage.stat("pack", nameOf(first)), failsWith("permission"));
    assert.deepEqual(
      storage.calls.map((call) => [call.number, call.operation, call.attempt]),
      [
        [1, "put", 1],
        [2, "put", 1],
        [3, "put", 1],
        [4, "put", 2],
        [5, "stat", 1],
      ],
    );
  });

  it("fails before or after the work is done", async () => {
    const { put, stored } = make(
      { number: 1, fault: { kind: "fail", code: "storage" } },
      { number: 2, fault: { kind: "fail-after", code: "storage" } },
    );
    await assert.rejects(put(first), failsWith("storage"));
    assert.deepEqual(await stored(), []);
    await assert.rejects(put(first), failsWith("storage"));
    assert.deepEqual(await stored(), [nameOf(first)]);
  });

  it("reads short and writes torn", async () => {
    const { storage, memory, put } = make(
      { number: 1, operation: "put", fault: { kind: "torn-write", lengthBytes: 7 } },
      { number: 1, operation: "read", fault: { kind: "short-read", lengthBytes: 3 } },
    );
    await assert.rejects(put(first), failsWith("storage"));
    assert.deepEqual(await memory.read("pack", nameOf(first)), first.subarray(0, 7));
    assert.deepEqual(await storage.read("pack", nameOf(first), { offset: 0, lengthBytes: 5 }), first.subarray(0, 3));
  });

  it("delays, and puts twice", async () => {
    const { storage, put, memory } = make(
      { number: 1, fault: { kind: "delay", delayMs: 20 } },
      { number: 2, fault: { kind: "duplicate" } },
    );
    const startedAt = performance.now();
    await put(first);
    assert.ok(performance.now() - startedAt >= 15);
    let puts = 0;
    const original = memory.put.bind(memory);
    memory.put = (...call) => (puts++, original(...call));
    await put(second);
    assert.equal(puts, 2);
    assert.equal(storage.calls.length, 2);
  });

  it("lists as it was before the last puts", async () => {
    const { storage, put } = make({ number: 1, operation: "list", fault: { kind: "stale-list", withoutLastPuts: 2 } });
    for (const content of [first, second, third]) await put(content);
    assert.deepEqual(
      (await Array.fromAsync(storage.list("pack"))).map((file) => file.name),
      [nameOf(first)],
    );
    assert.equal((await Array.fromAsync(storage.list("pack"))).length, 3);
  });

  it("loses in a crash what was not durable", async () => {
    const { storage, put, stored } = make({ number: 2, operation: "put", fault: { kind: "lost-on-crash" } });
    for (const content of [first, second, third]) await put(content);
    assert.equal((await stored()).length, 3);
    await storage.crash();
    assert.deepEqual(await stored(), [nameOf(first), nameOf(third)]);
    await assert.rejects(storage.stat("pack", nameOf(first)), failsWith("interrupted"));
  });

  it("ends for good at a crash, with the put done or not", async () => {
    for (const [effect, expected] of [
      ["done", [first, second]],
      ["not-done", [first]],
      ["temporary", [first]],
    ] as const) {
      const { storage, put, stored } = make({ number: 2, fault: { kind: "crash", effect } });
      await put(first);
      await assert.rejects(put(second), failsWith("interrupted"));
      for (const call of [
        () => put(third),
        () => storage.read("pack", nameOf(first)),
        () => Array.fromAsync(storage.list("pack")),
        () => storage.remove("pack", nameOf(first)),
        () => storage.createLayout(),
      ]) {
        await assert.rejects(call, failsWith("interrupted"));
      }
      assert.ok(storage.crashed);
      assert.deepEqual(await stored(), expected.map(nameOf));
    }
  });

  it("tells nobody the outcome of what was under way, and can be waited for", async () => {
    const { storage, put, stored } = make(
      { number: 1, fault: { kind: "delay", delayMs: 10 } },
      { number: 3, fault: { kind: "crash", effect: "not-done" } },
    );
    const outcomes = Promise.allSettled([put(first), put(second), put(third)]);
    await storage.settled();
    assert.deepEqual(
      (await outcomes).map((outcome) => outcome.status),
      ["rejected", "rejected", "rejected"],
    );
    assert.deepEqual(await stored(), [nameOf(second)]);
  });

  it("lets a test crash at every operation, with what a killed process leaves in a directory", async () => {
    const directory = await mkdtemp(join(tmpdir(), "holdfast-fault-"));
    const effects: readonly CrashEffect[] = ["done", "not-done", "temporary"];
    for (const effect of effects) {
      const root = join(directory, effect);
      let runs = 0;
      for (let finished = false; !finished;) {
        runs++;
        await rm(root, { recursive: true, force: true });
        const local = new LocalStorage(root);
        await local.createLayout();
        const storage = new FaultStorage(local, crashAt(runs, effect), { leaveTemporary: leaveTemporaryIn(root) });
        let completed = 0;
        try {
          for (const content of contents) {
            await storage.put("pack", nameOf(content), [content]);
            completed++;
          }
          finished = true;
        } catch {
          assert.ok(storage.crashed);
        }
        const files = await Array.fromAsync(local.list("pack"));
        const all = (await readdir(root, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
        assert.equal(files.length, completed + (effect === "done" && !finished ? 1 : 0));
        assert.equal(all.length - files.length, effect === "temporary" && !finished ? 1 : 0);
        for (const file of files) assert.equal(nameOf(await local.read("pack", file.name)), file.name);
        assert.equal(await local.removeStaleTemporaries(new Date(Date.now() + 1e8)), all.length - files.length);
      }
      assert.equal(runs, contents.length + 1);
    }
    await rm(directory, { recursive: true });
  });
});
