// Tests: the directories above a restored copy.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { makeParents, makePrivateDirectory } from "./missing-parents.ts";

test("makes all that is missing, for everybody to pass through, whatever the umask", () => {
  const top = mkdtempSync(join(tmpdir(), "holdfast-parents-"));
  const mask = process.umask(0o077);
  try {
    for (const name of ["file", "other"]) makeParents(Buffer.from(join(top, "a", "b", "c", name)));
    for (const path of ["a", "a/b", "a/b/c"]) assert.equal(statSync(join(top, path)).mode & 0o777, 0o755);
    assert.throws(() => statSync(join(top, "a/b/c/file")), { code: "ENOENT" });
    makeParents(Buffer.from("/file"));
    makePrivateDirectory(join(top, "new", "private"));
    makePrivateDirectory(join(top, "new", "private"));
    assert.equal(statSync(join(top, "new")).mode & 0o777, 0o755);
    assert.equal(statSync(join(top, "new", "private")).mode & 0o777, 0o700);
  } finally {
    process.umask(mask);
    rmSync(top, { recursive: true });
  }
});

test("refuses at once what cannot be made, naming it: below a file, and in /proc, where node:fs tries for ever", () => {
  const top = mkdtempSync(join(tmpdir(), "holdfast-parents-"));
  try {
    writeFileSync(join(top, "file"), "");
    for (const path of [join(top, "file", "below", "copy"), "/proc/holdfast/below/copy"]) {
      assert.throws(() => makeParents(Buffer.from(path)), {
        code: "target",
        message: /the directory .* cannot be made/,
      });
    }
  } finally {
    rmSync(top, { recursive: true });
  }
});
