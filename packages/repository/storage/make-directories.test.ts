// Directories are made one by one, and where none can be made that is an error at once.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { makeDirectories } from "./make-directories.ts";

test("makes what is missing, with the mode, and leaves what is there", async () => {
  const root = mkdtempSync(join(tmpdir(), "holdfast-directories-"));
  await makeDirectories(join(root, "a/b/c"), 0o700);
  await makeDirectories(join(root, "a/b/c"), 0o755);
  assert.equal(statSync(join(root, "a/b")).mode & 0o777, 0o700);
  assert.equal(statSync(join(root, "a/b/c")).mode & 0o777, 0o700);
  rmSync(root, { recursive: true });
});

test("ends where the kernel refuses to make anything", { timeout: 10_000 }, async () => {
  await assert.rejects(makeDirectories("/proc/no/such/place", 0o700), { code: "ENOENT" });
});
