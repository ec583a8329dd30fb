// Only what an old restic is known to miss is forgiven.

import assert from "node:assert/strict";
import { it } from "node:test";
import { missedByOldRestic } from "./restic-limits.ts";
import type { EntryFacts } from "./tree-facts.ts";

const link: EntryFacts = {
  type: "symlink",
  mode: 0o777,
  uid: 0n,
  gid: 0n,
  mtimeNs: 0n,
  sizeBytes: 0n,
  content: "",
  linkTarget: "plain",
  device: 0n,
  sameAs: "",
  xattrs: [],
  identity: "",
};
const facts = new Map([
  ["plain", link],
  ["odd", { ...link, linkTarget: "\xff" }],
  ["file", { ...link, type: "file" as const, linkTarget: "" }],
]);

it("forgives an old restic what it cannot know, and a new one nothing", () => {
  const judge = (minor: number): string[] => {
    const isAtLeast = (_: number, wanted: number): boolean => minor >= wanted;
    const ignored = missedByOldRestic({ isAtLeast }, facts);
    const aspects = ["link target", "extended attributes", "content", "mode", "presence", "owner"] as const;
    return [...facts.keys()].flatMap((path) =>
      aspects.filter((aspect) => ignored(path, aspect)).map((aspect) => `${path}: ${aspect}`),
    );
  };
  const attributes = ["plain: extended attributes", "odd: extended attributes"];
  assert.deepEqual(judge(15).toSorted(), [...attributes, "odd: link target"].toSorted());
  assert.deepEqual(judge(16), []);
});
