// Operations on files: nothing that has a name is overwritten by a move, and what is written is for its owner only.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, readlinkSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { exists, fileOperations } from "./file-operations.ts";
import { Scratch } from "./state-fixture.ts";

test("a move is refused when a file, an empty folder or a dangling link has the name, and changes nothing", async () => {
  using scratch = new Scratch();
  const at = (name: string): string => join(scratch.path, name);
  writeFileSync(at("file"), "file");
  mkdirSync(at("folder"));
  writeFileSync(at("taken"), "taken");
  mkdirSync(at("empty"));
  symlinkSync("nowhere", at("link"));
  for (const [from, to] of [
    ["file", "taken"],
    ["file", "link"],
    ["folder", "empty"],
  ] as const) {
    await assert.rejects(fileOperations.move(at(from), at(to)), { code: "EEXIST" });
    assert.ok(await exists(at(from)));
  }
  assert.equal(readFileSync(at("taken"), "utf8"), "taken");
  assert.equal(readlinkSync(at("link")), "nowhere");
  await fileOperations.move(at("link"), at("moved"));
  assert.equal(readlinkSync(at("moved")), "nowhere");
});

test("a new file is for its owner only, and never an old one", async () => {
  using scratch = new Scratch();
  const path = join(scratch.path, "file");
  await fileOperations.write(path, Buffer.from("one"));
  assert.equal(statSync(path).mode & 0o777, 0o600);
  await assert.rejects(fileOperations.write(path, Buffer.from("two")), { code: "EEXIST" });
  assert.equal(readFileSync(path, "utf8"), "one");
});
