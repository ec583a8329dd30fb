// Where paths go in a snapshot.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { absoluteTargets, placeTargets } from "./backup-targets.ts";

const placed = (...targets: string[]): string[] =>
  placeTargets(targets, "/home/me/work").map(({ from, at }) => `${from} at ${at}`);

describe("targets", () => {
  it("keep their place when absolute", () => {
    assert.deepEqual(placed("/etc", "/var//log/../lib/"), ["/etc at /etc", "/var/lib at /var/lib"]);
  });
  it("lose the current directory when relative, as with restic", () => {
    assert.deepEqual(placed("a/b", "./c"), ["/home/me/work/a/b at /a/b", "/home/me/work/c at /c"]);
    assert.deepEqual(placed("../other/x"), ["/home/me/other/x at /other/x"]);
    assert.deepEqual(placed("a/../../x"), ["/home/me/x at /x"]);
  });
  it("get a number when names of different roots collide", () => {
    assert.deepEqual(placed("/a/x", "a/y", "../a/z", "a/w"), [
      "/a/x at /a/x",
      "/home/me/work/a/y at /a-1/y",
      "/home/me/a/z at /a-2/z",
      "/home/me/work/a/w at /a-1/w",
    ]);
  });
  it("are taken once, and not below another", () => {
    assert.deepEqual(placed("/a/b", "/a", "/a/", "/ab"), ["/a at /a", "/ab at /ab"]);
    assert.deepEqual(placed("/", "/etc"), ["/ at /"]);
  });
  it("without a name are the root of the snapshot", () => {
    assert.deepEqual(placed("."), ["/home/me/work at /"]);
    assert.deepEqual(placed("../.."), ["/home at /"]);
  });
  it("are recorded as absolute paths", () => {
    assert.deepEqual(absoluteTargets([".", "a", "/b/"], "/home/me"), ["/home/me", "/home/me/a", "/b"]);
  });
});
