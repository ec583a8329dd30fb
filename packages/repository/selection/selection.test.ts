// Selection for a backup and for a restore: patterns, markers in directories, sizes.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { hasCode } from "../errors.ts";
import { PathSelection, everyPath } from "./path-rules.ts";
import { cacheDirectoryMarker, selectEverything } from "./selection-rules.ts";
import { Selection } from "./selection.ts";

const path = (text: string): Buffer => Buffer.from(text);

describe("selection for a backup", () => {
  let root: string;
  before(() => (root = mkdtempSync(join(tmpdir(), "holdfast-selection-"))));
  after(() => rmSync(root, { recursive: true }));

  const directory = (name: string, files: Record<string, string>): Buffer => {
    mkdirSync(join(root, name));
    for (const [file, content] of Object.entries(files)) writeFileSync(join(root, name, file), content);
    return path(join(root, name));
  };

  it("takes everything without rules", () => {
    const selection = new Selection(selectEverything);
    assert.equal(selection.excludesPath(path("/a")), false);
    assert.equal(selection.excludesSize(2 ** 60), false);
    assert.deepEqual(selection.markersIn(path("/nowhere"), assert.fail), []);
    assert.equal(selection.excludesEntry(path("x"), []), false);
  });

  it("excludes by patterns, with and without case", () => {
    const selection = new Selection({ ...selectEverything, exclude: ["*.o"], iexclude: ["thumbs.db"] });
    assert.equal(selection.excludesPath(path("/a/b.o")), true);
    assert.equal(selection.excludesPath(path("/a/Thumbs.DB")), true);
    assert.equal(selection.excludesPath(path("/a/b.O")), false);
  });

  it("excludes files of more bytes than allowed", () => {
    const selection = new Selection({ ...selectEverything, excludeLargerThanBytes: 1024 });
    assert.equal(selection.excludesSize(1024), false);
    assert.equal(selection.excludesSize(1025), true);
    assert.equal(selection.excludesSize(2n ** 60n), true);
  });

  it("empties directories that hold a marker, all but the marker", () => {
    const selection = new Selection({ ...selectEverything, excludeIfPresent: [{ name: ".nobackup" }] });
    const marked = directory("marked", { ".nobackup": "" });
    const markers = selection.markersIn(marked, assert.fail);
    assert.equal(selection.excludesEntry(path("x"), markers), true);
    assert.equal(selection.excludesEntry(path(".nobackup"), markers), false);
    assert.deepEqual(selection.markersIn(directory("plain", { x: "" }), assert.fail), []);
  });

  it("looks at the header of a marker, and says when it is another", () => {
    const selection = new Selection({ ...selectEverything, excludeIfPresent: [cacheDirectoryMarker] });
    const header = "Signature: 8a477f597d28d172789f06886806bc55\n# made by a test\n";
    assert.equal(selection.markersIn(directory("cache", { "CACHEDIR.TAG": header }), assert.fail).length, 1);
    const warnings: string[] = [];
    const warn = (message: string): number => warnings.push(message);
    assert.equal(selection.markersIn(directory("wrong", { "CACHEDIR.TAG": "Signature: 1234" }), warn).length, 0);
    const fifo = directory("fifo", {});
    execFileSync("mkfifo", [`${fifo.toString()}/CACHEDIR.TAG`]);
    assert.equal(selection.markersIn(fifo, warn).length, 0);
    assert.equal(warnings.length, 2);
  });

  it("applies each of several markers on its own", () => {
    const selection = new Selection({ ...selectEverything, excludeIfPresent: [{ name: "A" }, { name: "B" }] });
    const markers = selection.markersIn(directory("both", { A: "", B: "" }), assert.fail);
    assert.equal(selection.excludesEntry(path("A"), markers), true, "B excludes A");
    const onlyA = selection.markersIn(directory("one", { A: "" }), assert.fail);
    assert.equal(selection.excludesEntry(path("A"), onlyA), false);
  });
});

describe("selection for a restore", () => {
  it("takes everything without rules", () => {
    const selection = new PathSelection(everyPath);
    assert.deepEqual(selection.choose(path("/a"), true), { selected: true, enter: true });
    assert.deepEqual(selection.choose(path("/a"), false), { selected: true, enter: false });
  });

  it("goes through directories that are not included to what is below them", () => {
    const selection = new PathSelection({ ...everyPath, include: ["/a/b/c"], iinclude: ["/X/y"] });
    assert.deepEqual(selection.choose(path("/a"), true), { selected: false, enter: true });
    assert.deepEqual(selection.choose(path("/a/b/c"), true), { selected: true, enter: true });
    assert.deepEqual(selection.choose(path("/a/b/d"), true), { selected: false, enter: false });
    assert.deepEqual(selection.choose(path("/x/Y"), false), { selected: true, enter: false });
    assert.deepEqual(selection.choose(path("/q"), true), { selected: false, enter: false });
  });

  it("does not enter what is excluded", () => {
    const selection = new PathSelection({ ...everyPath, exclude: ["/a/b"] });
    assert.deepEqual(selection.choose(path("/a"), true), { selected: true, enter: true });
    assert.deepEqual(selection.choose(path("/a/b"), true), { selected: false, enter: false });
  });

  it("takes one entry of the root, of any bytes, with what is below it", () => {
    const name = Buffer.from([0x2a, 0xff, 0x5b, 0x0a]);
    const at = (...parts: (string | Buffer)[]): Buffer =>
      Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part) : part)));
    const selection = new PathSelection({ ...everyPath, exclude: ["*.tmp"] }, name);
    assert.deepEqual(selection.choose(at("/", name), true), { selected: true, enter: true });
    assert.deepEqual(selection.choose(at("/", name, "/below"), false), { selected: true, enter: false });
    for (const other of [at("/", name, "x"), at("/x", name), at("/x/", name), at("/*"), at("/", name, "/a.tmp")])
      assert.deepEqual(selection.choose(other, true), { selected: false, enter: false }, other.toString());
  });

  it("refuses includes and excludes together", () => {
    assert.throws(
      () => new PathSelection({ ...everyPath, include: ["a"], iexclude: ["b"] }),
      (error) => hasCode(error, "usage"),
    );
  });
});
