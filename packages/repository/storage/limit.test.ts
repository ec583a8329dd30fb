// Limits: how many calls run at once, and how fast bytes go on average.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FaultStorage } from "../testing/fault-storage.ts";
import { MemoryStorage } from "../testing/memory-storage.ts";
import { nameOf } from "../testing/storage-conformance.ts";
import { LimitStorage } from "./limit.ts";
import type { ByteRange, FileType } from "./storage.ts";

/** Counts the readers inside, and lets them out one turn later. */
class CountingStorage extends MemoryStorage {
  highest = 0;
  #inside = 0;

  override async read(type: FileType, name: string, range?: ByteRange): Promise<Buffer> {
    this.highest = Math.max(this.highest, ++this.#inside);
    await new Promise((resolve) => setImmediate(resolve));
    this.#inside--;
    return super.read(type, name, range);
  }
}

/** Time passes only while everybody waits for it. */
function makeClock() {
  let nowMs = 0;
  return {
    now: () => nowMs,
    sleep: async (delayMs: number) => {
      const wakesAt = nowMs + delayMs;
      await new Promise((resolve) => setImmediate(resolve));
      nowMs = Math.max(nowMs, wakesAt);
    },
  };
}

describe("LimitStorage", () => {
  const content = Buffer.alloc(1000);
  const name = nameOf(content);

  it("runs no more calls at once than it may, and all of them", async () => {
    const counting = new CountingStorage();
    const storage = new LimitStorage(counting, { clock: makeClock(), maximumCalls: 3 });
    await storage.put("pack", name, [content]);
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, (_, number) =>
        storage.read("pack", number % 4 === 0 ? nameOf(Buffer.alloc(1)) : name),
      ),
    );
    assert.equal(counting.highest, 3);
    assert.equal(results.filter((result) => result.status === "fulfilled").length, 15);
    await storage.read("pack", name);
  });

  it("lets a listing be read while other calls are made for it", async () => {
    const storage = new LimitStorage(new MemoryStorage(), { clock: makeClock(), maximumCalls: 1 });
    await storage.put("pack", name, [content]);
    for await (const file of storage.list("pack")) await storage.read("pack", file.name);
  });

  it("keeps to the rate, up and down apart", async () => {
    const clock = makeClock();
    const inner = new FaultStorage(new MemoryStorage(), () => undefined);
    const storage = new LimitStorage(inner, { clock, uploadBytesPerSecond: 1000, downloadBytesPerSecond: 500 });
    await Promise.all(Array.from({ length: 5 }, () => storage.put("pack", name, [content])));
    assert.equal(clock.now(), 4000, "the last of five begins after four seconds");
    await storage.read("pack", name);
    assert.equal(clock.now(), 4000);
    await storage.read("pack", name, { offset: 0, lengthBytes: 250 });
    assert.equal(clock.now(), 6000);
    await storage.read("pack", name);
    assert.equal(clock.now(), 6500);
  });
});
