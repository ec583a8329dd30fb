// Retries: what is tried again, how long, and what an earlier attempt may have done.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { hasCode } from "../errors.ts";
import type { ErrorCode } from "../errors.ts";
import { FaultStorage, faultScript } from "../testing/fault-storage.ts";
import type { Fault, FaultScript } from "../testing/fault-storage.ts";
import { MemoryStorage } from "../testing/memory-storage.ts";
import { failsWith, nameOf } from "../testing/storage-conformance.ts";
import { RetryStorage } from "./retry.ts";
import type { RetryEvent, RetryOptions } from "./retry.ts";
import type { Storage } from "./storage.ts";

const content = Buffer.from("content");
const name = nameOf(content);

function make(script: FaultScript, options: Partial<RetryOptions> = {}, inner: Storage = new MemoryStorage()) {
  let nowMs = 0;
  const events: RetryEvent[] = [];
  const faults = new FaultStorage(inner, script);
  const clock = { now: () => nowMs, sleep: async (delayMs: number) => void (nowMs += delayMs) };
  const storage = new RetryStorage(faults, {
    clock,
    random: () => 0.5,
    onRetry: (event) => events.push(event),
    ...options,
  });
  return { storage, faults, events, nowMs: () => nowMs };
}

const always =
  (fault: Fault): FaultScript =>
  () =>
    fault;

describe("RetryStorage", () => {
  it("waits longer each time and tells the listener", async () => {
    const { storage, events } = make((call) => (call.number <= 3 ? { kind: "fail", code: "storage" } : undefined));
    await storage.put("pack", name, [content]);
    assert.deepEqual(
      events.map((event) => event.delayMs),
      [500, 750, 1125],
    );
    assert.deepEqual(
      events.map((event) => event.attempt),
      [1, 2, 3],
    );
    assert.equal(events[0]?.operation, `put pack ${name.slice(0, 8)}`);
    assert.equal(events[0]?.error.code, "storage");
  });

  it("spreads the delays between half and one and a half", async () => {
    for (const [random, delayMs] of [
      [0, 250],
      [0.999, 749.5],
    ] as const) {
      const { storage, events } = make((call) => (call.number === 1 ? { kind: "fail", code: "storage" } : undefined), {
        random: () => random,
      });
      await storage.put("pack", name, [content]);
      assert.equal(events[0]?.delayMs, delayMs);
    }
  });

  it("gives up when the time is over, with the first cause and the number of attempts", async () => {
    const { storage, faults, nowMs } = make(always({ kind: "fail", code: "storage" }));
    await assert.rejects(storage.stat("pack", name), (error) => {
      assert.ok(hasCode(error, "storage") && error.retryable);
      assert.equal(error.context["attempts"], faults.calls.length);
      return true;
    });
    assert.ok(nowMs() > 13 * 60_000 && nowMs() <= 15 * 60_000, `${nowMs()} ms`);
    assert.ok(faults.calls.length > 15 && faults.calls.length < 40);
  });

  it("tries once what cannot get better", async () => {
    const codes: readonly ErrorCode[] = [
      "not-found",
      "permission",
      "refused",
      "no-space",
      "damaged",
      "interrupted",
      "unsupported",
    ];
    for (const code of codes) {
      const { storage, faults } = make(always({ kind: "fail", code }));
      await assert.rejects(storage.read("pack", name), failsWith(code));
      assert.equal(faults.calls.length, 1, code);
    }
  });

  it("starts a broken listing again and names nothing twice", async () => {
    const memory = new MemoryStorage();
    const names = [1, 2, 3].map((byte) => nameOf(Buffer.from([byte])));
    for (const [position, file] of names.entries()) await memory.put("pack", file, [Buffer.from([position + 1])]);
    let rounds = 0;
    const breaking = new Proxy(memory, {
      get(target, key) {
        if (key !== "list") return Reflect.get(target, key, target).bind(target);
        return async function* () {
          rounds++;
          let given = 0;
          for await (const file of target.list("pack")) {
            if (++given > rounds)
              await new FaultStorage(target, always({ kind: "fail", code: "storage" })).stat("pack", file.name);
            yield file;
          }
        };
      },
    });
    const clock = { now: () => 0, sleep: async () => undefined };
    const files = await Array.fromAsync(new RetryStorage(breaking, { clock, random: () => 0 }).list("pack"));
    assert.deepEqual(
      files.map((file) => file.name),
      names,
    );
    assert.equal(rounds, 3);
  });

  it("takes its own earlier attempt for the success that it was", async () => {
    const lostAnswers = faultScript([
      { number: 1, operation: "put", fault: { kind: "fail-after", code: "storage" } },
      { number: 1, operation: "remove", fault: { kind: "fail-after", code: "storage" } },
    ]);
    const { storage, faults } = make(lostAnswers);
    await storage.put("config", "config", [content.subarray(0, 3), content.subarray(3)]);
    await storage.remove("config", "config");
    assert.deepEqual(faults.calls.filter((call) => call.operation === "put" || call.operation === "remove").length, 4);
  });

  it("does not take another's configuration for its own", async () => {
    const memory = new MemoryStorage();
    await memory.put("config", "config", [Buffer.from("another")]);
    const { storage } = make((call) => (call.number === 1 ? { kind: "fail", code: "storage" } : undefined), {}, memory);
    await assert.rejects(storage.put("config", "config", [content]), failsWith("refused"));
  });

  it("stops waiting when it is told to", async () => {
    const aborter = new AbortController();
    const { storage, faults } = make(always({ kind: "fail", code: "storage" }), {
      signal: aborter.signal,
      onRetry: () => aborter.abort(),
    });
    await assert.rejects(storage.read("pack", name), failsWith("interrupted"));
    assert.equal(faults.calls.length, 1);
  });
});
