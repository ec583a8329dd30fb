// Tests of the blob table: agreement with a map, claims by many threads, memory per blob.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { BlobIndex } from "./blob-index.ts";

const idOf = (n: number): Buffer => createHash("sha256").update(String(n)).digest();

test("holds what a map holds, for both types and several places", () => {
  const index = BlobIndex.create(10);
  const pack = index.packNumber("aa".repeat(32));
  const other = index.packNumber("bb".repeat(32));
  for (let n = 0; n < 70_000; n++)
    index.add(idOf(n), n % 3 === 0 ? "tree" : "data", n % 2 ? pack : other, n, n + 32, n % 5 ? n + 1 : 0);
  index.add(idOf(1), "data", other, 7, 8, 9);
  index.add(idOf(1), "data", other, 7, 8, 9);
  assert.equal(index.size, 70_001);
  for (let n = 0; n < 70_000; n += 97) {
    const type = n % 3 === 0 ? "tree" : "data";
    assert.ok(index.has(idOf(n), type));
    assert.ok(!index.has(idOf(n), type === "tree" ? "data" : "tree"));
    assert.deepEqual(index.locations(idOf(n).toString("hex"), type).at(-1), {
      pack: (n % 2 ? "aa" : "bb").repeat(32),
      offset: n,
      lengthBytes: n + 32,
      plainLength: n % 5 ? n + 1 : 0,
    });
  }
  assert.equal(index.locations(idOf(1).toString("hex"), "data").length, 2);
  assert.ok(!index.has(randomBytes(32), "data"));
  assert.equal([...index.blobs()].length, 70_001);
});

test("a claimed blob is known but has no place until it is stored", () => {
  const index = BlobIndex.create(0);
  const entry = index.claim(idOf(5), "tree");
  assert.ok(entry >= 0);
  assert.equal(index.claim(idOf(5), "tree"), -1);
  assert.ok(index.claim(idOf(5), "data") >= 0);
  assert.ok(index.has(idOf(5), "tree"));
  assert.deepEqual(index.locations(idOf(5).toString("hex"), "tree"), []);
  index.place(entry, index.packNumber("cc".repeat(32)), 1, 2, 3);
  assert.deepEqual(index.locations(idOf(5).toString("hex"), "tree"), [
    { pack: "cc".repeat(32), offset: 1, lengthBytes: 2, plainLength: 3 },
  ]);
});

test("threads that claim the same blobs get each blob exactly once", async () => {
  const index = BlobIndex.create(0);
  const code = `
    import { workerData, parentPort } from "node:worker_threads";
    import { createHash } from "node:crypto";
    const { BlobIndex } = await import(workerData.module);
    const index = BlobIndex.attach(workerData.shared);
    let won = 0;
    for (let n = 0; n < 60000; n++) if (index.claim(createHash("sha256").update(String(n)).digest(), "data") >= 0) won++;
    parentPort.postMessage(won);`;
  const module = new URL("./blob-index.ts", import.meta.url).href;
  const wins = await Promise.all(
    [1, 2, 3].map(
      () =>
        new Promise<number>((resolve, reject) => {
          const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`), {
            workerData: { module, shared: index.shared },
          });
          worker.once("message", resolve).once("error", reject);
        }),
    ),
  );
  assert.equal(
    wins.reduce((a, b) => a + b),
    60_000,
  );
  for (let n = 0; n < 60_000; n += 501) assert.ok(index.has(idOf(n), "data"));
});

test("takes under 64 bytes a blob", () => {
  const index = BlobIndex.create(200_000);
  const pack = index.packNumber("dd".repeat(32));
  for (let n = 0; n < 250_000; n++) index.add(idOf(n), "data", pack, n, 1, 0);
  assert.ok(index.sizeBytes / 250_000 < 64, `${index.sizeBytes / 250_000} bytes`);
});
