// Entries in restic's orders.
import assert from "node:assert/strict";
import { test } from "node:test";
import { hasCode, parseTree } from "@holdfast/repository";
import { orderEntries, parseEntryOrder, type ListedEntry } from "./entry-order.ts";

const entry = (path: string, type: string, size: number, mtime: string): ListedEntry => {
  const [node] = parseTree(
    Buffer.from(
      `{"nodes":[{"name":"n","type":"${type}","mtime":"${mtime}","atime":"2026-01-01T00:00:00Z","ctime":"2026-01-01T00:00:00Z","size":${size}}]}`,
    ),
  );
  return { path: Buffer.from(path), node: node! };
};
const entries = [
  entry("/a.d", "dir", 99, "2026-01-03T00:00:00Z"),
  entry("/a.d/plain", "file", 5, "2026-01-01T00:00:00.000000002Z"),
  entry("/b.txt", "file", 5, "2026-01-01T00:00:00.000000001Z"),
  entry("/c.gz", "file", 1, "2026-01-02T00:00:00Z"),
];
const listed = (by: string, reverse = false): string[] =>
  orderEntries(entries, parseEntryOrder(by, reverse)).map(({ path }) => path.toString());

test("entries come by name, size, time or extension, the other way round with reverse, and by path where equal", () => {
  const byName = ["/a.d", "/a.d/plain", "/b.txt", "/c.gz"];
  assert.deepEqual(listed("name"), byName);
  assert.deepEqual(listed("ctime"), byName);
  assert.deepEqual(listed("name", true), byName.toReversed());
  assert.deepEqual(listed("size"), ["/a.d", "/c.gz", "/a.d/plain", "/b.txt"]);
  assert.deepEqual(listed("time"), ["/b.txt", "/a.d/plain", "/c.gz", "/a.d"]);
  assert.deepEqual(listed("mtime", true), ["/a.d", "/c.gz", "/a.d/plain", "/b.txt"]);
  assert.deepEqual(listed("extension"), ["/a.d/plain", "/a.d", "/c.gz", "/b.txt"]);
});

test("an unknown order is wrong usage", () => {
  for (const word of ["colour", "", "toString"])
    assert.throws(
      () => parseEntryOrder(word, false),
      (error) => hasCode(error, "usage"),
    );
});
