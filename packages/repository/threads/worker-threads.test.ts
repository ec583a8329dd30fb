// Ending threads early: a thread that still loads its addons must not be interrupted.
import assert from "node:assert/strict";
import { test } from "node:test";
import { WorkerThreads } from "./worker-threads.ts";

const scriptOf = (code: string): URL => new URL(`data:text/javascript,${encodeURIComponent(code)}`);

test("threads end only when they have loaded", async () => {
  const loaded = new Int32Array(new SharedArrayBuffer(4));
  const script = scriptOf(`
    import { parentPort, workerData } from "node:worker_threads";
    await new Promise((resolve) => setTimeout(resolve, 300));
    Atomics.add(workerData, 0, 1);
    parentPort.postMessage({ kind: "ready" });
    setInterval(() => {}, 1000);`);
  const threads = new WorkerThreads(script, 2, loaded);
  await threads[Symbol.asyncDispose]();
  assert.equal(Atomics.load(loaded, 0), 2);
});

test("a thread that ends by itself before it is ready is not waited for", { timeout: 10_000 }, async () => {
  const threads = new WorkerThreads(scriptOf("process.exit(0)"), 1);
  await threads[Symbol.asyncDispose]();
  assert.equal(threads.workers[0]?.threadId, -1);
});

test("a thread that was set up ends only when that is done too", async () => {
  const loaded = new Int32Array(new SharedArrayBuffer(4));
  const script = scriptOf(`
    import { parentPort, workerData } from "node:worker_threads";
    parentPort.on("message", async () => {
      await new Promise((resolve) => setTimeout(resolve, 300));
      Atomics.add(workerData, 0, 1);
      parentPort.postMessage({ kind: "ready" });
    });
    parentPort.postMessage({ kind: "ready" });`);
  const threads = new WorkerThreads(script, 2, loaded);
  for (const worker of threads.workers) threads.setUp(worker, "set-up");
  await threads[Symbol.asyncDispose]();
  assert.equal(Atomics.load(loaded, 0), 2);
});
