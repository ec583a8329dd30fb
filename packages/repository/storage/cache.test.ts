// The cache: what it spares, what it survives, and that the storage always has the last word.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { access, mkdtemp, readFile, readdir, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { FaultStorage } from "../testing/fault-storage.ts";
import { MemoryStorage } from "../testing/memory-storage.ts";
import { failsWith, nameOf } from "../testing/storage-conformance.ts";
import { CacheStorage } from "./cache.ts";

const repositoryId = "12".repeat(32);

describe("CacheStorage", () => {
  let directory: string;
  let memory: MemoryStorage;
  let counted: FaultStorage;
  let content: Buffer;
  let name: string;

  beforeEach(async () => {
    directory = join(await mkdtemp(join(tmpdir(), "holdfast-cache-")), "cache");
    memory = new MemoryStorage();
    counted = new FaultStorage(memory, () => undefined);
    content = randomBytes(10_000);
    name = nameOf(content);
    for (const type of ["index", "snapshot", "pack", "key"] as const) await memory.put(type, name, [content]);
  });
  afterEach(() => rm(join(directory, ".."), { recursive: true }));

  /** A new one is a new process: it has checked nothing yet. */
  const open = (cachePack = (_: string) => true) => new CacheStorage(counted, { directory, repositoryId, cachePack });
  const reads = () => counted.calls.filter((call) => call.operation === "read").length;
  const cachedPath = (kind = "index") =>
    join(directory, repositoryId, kind === "data" ? `data/${name.slice(0, 2)}` : kind, name);
  const exists = (path: string) =>
    access(path).then(
      () => true,
      () => false,
    );

  it("reads index and snapshot files from the storage once", async () => {
    for (let process = 0; process < 2; process++) {
      const cache = open();
      for (const type of ["index", "snapshot"] as const) {
        for (let round = 0; round < 3; round++) assert.deepEqual(await cache.read(type, name), content);
        assert.deepEqual(await cache.read(type, name, { offset: 5, lengthBytes: 7 }), content.subarray(5, 12));
      }
    }
    assert.equal(reads(), 2);
    assert.deepEqual(await readFile(cachedPath()), content);
  });

  it("keeps whole packs only where it is asked to, and shares one transfer", async () => {
    const cache = open();
    const parts = await Promise.all(
      Array.from({ length: 9 }, (_, part) => cache.read("pack", name, { offset: part * 1000, lengthBytes: 1000 })),
    );
    assert.deepEqual(Buffer.concat(parts), content.subarray(0, 9000));
    assert.equal(reads(), 1);
    assert.deepEqual(await readFile(cachedPath("data")), content);

    const without = open(() => false);
    await without.read("pack", name, { offset: 0, lengthBytes: 10 });
    await without.read("key", name);
    assert.equal(reads(), 3);
    assert.ok(!(await exists(cachedPath("keys"))));
  });

  it("keeps what is written", async () => {
    const written = randomBytes(100);
    const cache = open();
    await cache.put("snapshot", nameOf(written), [written.subarray(0, 9), written.subarray(9)]);
    assert.deepEqual(await cache.read("snapshot", nameOf(written)), written);
    assert.equal(reads(), 0);
  });

  it("is private, tagged, and leaves no temporary files", async () => {
    const before = process.umask(0);
    try {
      await open().read("pack", name, { offset: 0, lengthBytes: 1 });
    } finally {
      process.umask(before);
    }
    assert.equal(execFileSync("find", [directory, "-perm", "/077"], { encoding: "utf8" }), "");
    assert.match(
      await readFile(join(directory, "CACHEDIR.TAG"), "utf8"),
      /^Signature: 8a477f597d28d172789f06886806bc55\n/,
    );
    assert.deepEqual(await readdir(join(directory, repositoryId, "data", name.slice(0, 2))), [name]);
  });

  it("fetches again what is damaged, cut short or gone, in a new process and in the middle of one", async () => {
    const harms = {
      damaged: () => writeFile(cachedPath(), randomBytes(10_000)),
      "cut short": () => truncate(cachedPath(), 5000),
      empty: () => truncate(cachedPath(), 0),
      gone: () => rm(directory, { recursive: true }),
    };
    for (const [harm, apply] of Object.entries(harms)) {
      const cache = open();
      await cache.read("index", name);
      if (harm !== "damaged") {
        await apply();
        assert.deepEqual(
          await cache.read("index", name, { offset: 4000, lengthBytes: 6000 }),
          content.subarray(4000),
          harm,
        );
        await apply();
        assert.deepEqual(await cache.read("index", name), content, harm);
      }
      await apply();
      const readsBefore = reads();
      assert.deepEqual(await open().read("index", name), content, harm);
      assert.equal(reads(), readsBefore + 1, harm);
      assert.deepEqual(await readFile(cachedPath()), content, "mended");
    }
  });

  it("hands on what is damaged in the storage, and keeps none of it", async () => {
    memory.damage("index", name, (bytes) => bytes.fill(~content[0]!, 0, 1));
    const cache = open();
    assert.notDeepEqual(await cache.read("index", name), content);
    assert.ok(!(await exists(cachedPath())));
    await assert.rejects(cache.read("index", name, { offset: 9999, lengthBytes: 2 }), failsWith("damaged"));
  });

  it("lists from the storage and drops what vanished there", async () => {
    const cache = open();
    for (const type of ["index", "pack"] as const) await cache.read(type, name);
    for (const [type, kind] of [
      ["index", "index"],
      ["pack", "data"],
    ] as const) {
      assert.deepEqual(await Array.fromAsync(cache.list(type)), [{ name, sizeBytes: 10_000 }]);
      assert.ok(await exists(cachedPath(kind)));
      await memory.remove(type, name);
      assert.deepEqual(await Array.fromAsync(cache.list(type)), []);
      assert.ok(!(await exists(cachedPath(kind))));
      await assert.rejects(cache.read(type, name), failsWith("not-found"));
    }
  });

  it("keeps everything when a listing fails or is not read to its end", async () => {
    await open().read("index", name);
    const failing = new CacheStorage(new FaultStorage(memory, () => ({ kind: "fail", code: "storage" })), {
      directory,
      repositoryId,
      cachePack: () => true,
    });
    await assert.rejects(Array.fromAsync(failing.list("index")), failsWith("storage"));
    await memory.put("index", nameOf(Buffer.alloc(1)), [Buffer.alloc(1)]);
    for await (const file of open().list("index")) if (file) break;
    assert.ok(await exists(cachedPath()));
  });

  it("forgets what it removes", async () => {
    const cache = open();
    await cache.read("snapshot", name);
    await cache.remove("snapshot", name);
    await assert.rejects(cache.read("snapshot", name), failsWith("not-found"));
  });

  it("does without where it cannot write", async () => {
    await writeFile(directory, "a file where the directory should be");
    const cache = open();
    assert.deepEqual(await cache.read("index", name), content);
    assert.deepEqual(await cache.read("pack", name, { offset: 1, lengthBytes: 2 }), content.subarray(1, 3));
    assert.deepEqual(await Array.fromAsync(cache.list("index")), [{ name, sizeBytes: 10_000 }]);
  });
});
