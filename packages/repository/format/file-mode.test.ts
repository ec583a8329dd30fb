// Modes of Unix and of Go, there and back.
import assert from "node:assert/strict";
import { test } from "node:test";
import { goModeOfUnixMode, nodeTypeOfUnixMode, permissionsOfGoMode, unixModeOfGoMode } from "./file-mode.ts";

// st_mode, type, and the number that restic writes.
const known = [
  [0o100644, "file", 420],
  [0o104755, "file", 8_388_608 + 493],
  [0o102750, "file", 4_194_304 + 488],
  [0o041777, "dir", 2_147_483_648 + 1_048_576 + 511],
  [0o120777, "symlink", 134_217_728 + 511],
  [0o060660, "dev", 67_108_864 + 432],
  [0o020666, "chardev", 69_206_016 + 438],
  [0o010644, "fifo", 33_554_432 + 420],
  [0o140755, "socket", 16_777_216 + 493],
] as const;

for (const [unixMode, type, goMode] of known) {
  test(`${type} ${unixMode.toString(8)}`, () => {
    assert.equal(nodeTypeOfUnixMode(unixMode), type);
    assert.equal(goModeOfUnixMode(unixMode), goMode);
    assert.equal(unixModeOfGoMode(type, goMode), unixMode);
    assert.equal(permissionsOfGoMode(goMode), unixMode & 0o7777);
  });
}

test("every combination of permission bits survives", () => {
  for (let bits = 0; bits <= 0o7777; bits += 1) {
    assert.equal(permissionsOfGoMode(goModeOfUnixMode(0o100000 | bits)), bits);
  }
});

test("a type that Unix does not define is irregular", () => {
  assert.equal(nodeTypeOfUnixMode(0o170644), "irregular");
  assert.equal(goModeOfUnixMode(0o170644), 524_288 + 420);
  assert.equal(unixModeOfGoMode("irregular", 524_288 + 420), 0o644);
});
