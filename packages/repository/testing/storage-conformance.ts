// One suite of tests that every storage has to pass.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { afterEach, beforeEach, describe, it } from "node:test";
import fc from "fast-check";
import { hasCode } from "../errors.ts";
import type { ErrorCode } from "../errors.ts";
import { fileTypes } from "../storage/storage.ts";
import type { FileType, Storage } from "../storage/storage.ts";

export interface StorageUnderTest {
  readonly storage: Storage;
  readonly cleanup: () => Promise<void>;
}

const addressedTypes = fileTypes.filter((type) => type !== "config");

/** The SHA-256 of the content: the name that every type but the configuration demands (servers check it). */
export function nameOf(content: Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

/** For `assert.rejects`. */
export function failsWith(code: ErrorCode): (error: unknown) => boolean {
  return (error) => {
    if (hasCode(error, code)) return true;
    throw error;
  };
}

/** `make` yields an empty place each time, without a layout. */
export function storageConformance(name: string, make: () => Promise<StorageUnderTest>): void {
  describe(`storage: ${name}`, () => {
    let storage: Storage;
    let cleanup: () => Promise<void>;

    beforeEach(async () => {
      ({ storage, cleanup } = await make());
      await storage.createLayout();
    });
    afterEach(async () => {
      await storage.close();
      await cleanup();
    });

    const put = async (type: FileType, content: Uint8Array): Promise<string> => {
      const file = type === "config" ? "config" : nameOf(content);
      await storage.put(type, file, [content]);
      return file;
    };
    const listed = async (type: FileType) => {
      const files = await Array.fromAsync(storage.list(type));
      return files.map((file) => `${file.name} ${file.sizeBytes}`).sort();
    };

    it("is empty after createLayout, which may be repeated", async () => {
      await storage.createLayout();
      for (const type of fileTypes) assert.deepEqual(await listed(type), []);
    });

    it("keeps files of every type apart, with names and sizes", async () => {
      for (const [position, type] of fileTypes.entries()) await put(type, Buffer.alloc(position + 1, position));
      for (const [position, type] of fileTypes.entries()) {
        const content = Buffer.alloc(position + 1, position);
        const file = type === "config" ? "config" : nameOf(content);
        assert.deepEqual(await listed(type), [`${file} ${position + 1}`]);
        assert.deepEqual(await storage.stat(type, file), { name: file, sizeBytes: position + 1 });
        assert.deepEqual(await storage.read(type, file), content);
      }
    });

    it("stores files of 0 bytes, 1 byte and 20 MiB", async () => {
      for (const sizeBytes of [0, 1, 20 * 1024 * 1024]) {
        const content = randomBytes(sizeBytes);
        const file = await put("pack", content);
        assert.equal((await storage.stat("pack", file)).sizeBytes, sizeBytes);
        assert.ok((await storage.read("pack", file)).equals(content));
      }
      assert.equal((await listed("pack")).length, 3);
    });

    it("joins pieces: shared memory at odd offsets, empty ones, thousands of them", async () => {
      const shared = new SharedArrayBuffer(3 * 1024 * 1024);
      const whole = Buffer.from(shared);
      randomBytes(whole.byteLength).copy(whole);
      const many = Array.from({ length: 3000 }, (_, position) => whole.subarray(position * 7, position * 7 + 7));
      const pieces = [
        new Uint8Array(0),
        whole.subarray(13, 2_000_001),
        new Uint8Array(0),
        ...many,
        new Uint8Array(shared, 5, 1),
      ];
      const content = Buffer.concat(pieces);
      await storage.put("pack", nameOf(content), pieces);
      const single = Buffer.from(whole.subarray(1, 1000));
      await storage.put("index", nameOf(single), [whole.subarray(1, 1000)]);
      whole.fill(0);
      assert.ok((await storage.read("pack", nameOf(content))).equals(content));
      assert.ok((await storage.read("index", nameOf(single))).equals(single));
    });

    it("reads any range as a slice of the whole", async () => {
      const content = randomBytes(10_000);
      const file = await put("pack", content);
      const ranges = fc
        .tuple(fc.nat(10_000), fc.nat(10_000))
        .map(([a, b]) => ({ offset: Math.min(a, b), lengthBytes: Math.abs(a - b) }));
      const borders = [
        [0, 0],
        [0, 1],
        [0, 10_000],
        [9_999, 1],
        [10_000, 0],
        [1, 9_999],
      ] as const;
      await fc.assert(
        fc.asyncProperty(ranges, async (range) => {
          const expected = content.subarray(range.offset, range.offset + range.lengthBytes);
          assert.deepEqual(await storage.read("pack", file, range), expected);
        }),
        {
          numRuns: 30,
          examples: borders.map(([offset, lengthBytes]): [{ offset: number; lengthBytes: number }] => [
            { offset, lengthBytes },
          ]),
        },
      );
    });

    it("never answers a range past the end with less", async () => {
      const file = await put("pack", randomBytes(1000));
      const empty = await put("pack", Buffer.alloc(0));
      for (const [offset, lengthBytes] of [
        [0, 1001],
        [999, 2],
        [1000, 1],
        [1001, 0],
        [5000, 10],
      ] as const) {
        await assert.rejects(storage.read("pack", file, { offset, lengthBytes }), failsWith("damaged"));
      }
      await assert.rejects(storage.read("pack", empty, { offset: 0, lengthBytes: 1 }), failsWith("damaged"));
      assert.equal((await storage.read("pack", empty, { offset: 0, lengthBytes: 0 })).byteLength, 0);
    });

    it("gives each reader a buffer of its own", async () => {
      const content = randomBytes(500);
      for (const type of ["index", "pack"] as const) {
        const file = await put(type, content);
        const readings = [undefined, undefined, { offset: 0, lengthBytes: 500 }].map((range) =>
          storage.read(type, file, range),
        );
        for (const buffer of await Promise.all(readings)) {
          assert.deepEqual(buffer, content);
          buffer.fill(0);
        }
        assert.deepEqual(await storage.read(type, file), content);
      }
    });

    it("says not-found for what is missing", async () => {
      for (const type of fileTypes) {
        const file = type === "config" ? "config" : nameOf(Buffer.from("missing"));
        await assert.rejects(storage.stat(type, file), failsWith("not-found"));
        await assert.rejects(storage.read(type, file), failsWith("not-found"));
        await assert.rejects(storage.read(type, file, { offset: 0, lengthBytes: 0 }), failsWith("not-found"));
        await assert.rejects(storage.read(type, file, { offset: 3, lengthBytes: 4 }), failsWith("not-found"));
        await assert.rejects(storage.remove(type, file), failsWith("not-found"));
      }
    });

    it("never replaces a configuration", async () => {
      await put("config", Buffer.from("first"));
      await assert.rejects(put("config", Buffer.from("other")), failsWith("refused"));
      await assert.rejects(put("config", Buffer.from("first")), failsWith("refused"));
      assert.equal((await storage.read("config", "config")).toString(), "first");
      assert.deepEqual(await listed("config"), ["config 5"]);
    });

    it("lets one of two configurations at the same time win", async () => {
      const outcomes = await Promise.allSettled(
        ["one", "two"].map((text) => storage.put("config", "config", [Buffer.from(text)])),
      );
      const winner = outcomes.findIndex((outcome) => outcome.status === "fulfilled");
      assert.equal(outcomes.filter((outcome) => outcome.status === "fulfilled").length, 1);
      assert.equal((await storage.read("config", "config")).toString(), ["one", "two"][winner]);
    });

    it("takes equal names of content-addressed files as stored already", async () => {
      for (const type of addressedTypes) {
        const content = randomBytes(3 * 1024 * 1024);
        const file = await put(type, content);
        assert.equal(await put(type, content), file);
        await Promise.all([put(type, content), put(type, content)]);
        assert.ok((await storage.read(type, file)).equals(content));
        assert.deepEqual(await listed(type), [`${file} ${content.byteLength}`]);
      }
    });

    it("removes", async () => {
      for (const type of fileTypes) {
        const kept = type === "config" ? [] : [`${await put(type, Buffer.from("kept"))} 4`];
        const file = await put(type, Buffer.from("removed"));
        await storage.remove(type, file);
        await assert.rejects(storage.stat(type, file), failsWith("not-found"));
        await assert.rejects(storage.read(type, file), failsWith("not-found"));
        await assert.rejects(storage.remove(type, file), failsWith("not-found"));
        assert.deepEqual(await listed(type), kept);
      }
    });

    it("works in parallel", async () => {
      const contents = Array.from({ length: 24 }, (_, position) => randomBytes(50_000 + position));
      const files = await Promise.all(contents.map((content) => put("pack", content)));
      const back = await Promise.all(files.map((file) => storage.read("pack", file)));
      for (const [position, content] of contents.entries()) assert.ok(back[position]?.equals(content));
      assert.equal((await listed("pack")).length, contents.length);
    });

    it("lists while it is written: nothing half, nothing missing that was there before", async () => {
      const before = await Promise.all(Array.from({ length: 5 }, () => put("pack", randomBytes(2000))));
      const writing = Array.from({ length: 20 }, () => put("pack", randomBytes(2000)));
      for (let round = 0; round < 5; round++) {
        const files = await Array.fromAsync(storage.list("pack"));
        const names = new Set(files.map((file) => file.name));
        assert.equal(names.size, files.length, "a name is listed twice");
        for (const file of files) assert.equal(file.sizeBytes, 2000);
        for (const file of before) assert.ok(names.has(file));
      }
      await Promise.all(writing);
      assert.equal((await listed("pack")).length, 25);
    });

    it("takes no other names", async () => {
      const wrong = ["", "config", "../../etc/passwd", "A".repeat(64), `${"0".repeat(64)}-tmp-1`];
      for (const file of wrong) {
        await assert.rejects(async () => storage.read("pack", file), failsWith("internal"));
        await assert.rejects(async () => storage.put("pack", file, []), failsWith("internal"));
        await assert.rejects(async () => storage.remove("pack", file), failsWith("internal"));
      }
      await assert.rejects(async () => storage.put("config", nameOf(Buffer.alloc(0)), []), failsWith("internal"));
    });
  });
}
