// The cursor over a parent's tree finds what a full parse of the same tree finds.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { bytesOf } from "../filesystem/path.ts";
import { createTimeFormatter } from "../format/go-time.ts";
import type { TreeNode } from "../format/node.ts";
import { encodeNodeHead, encodeNodeTail } from "../format/node.ts";
import { encodeTree } from "../format/tree.ts";
import { ParentTree } from "./parent-tree.ts";

const formatTime = createTimeFormatter();
const id = (n: number): string => n.toString(16).padStart(64, "0");

function node(name: string, change: Partial<TreeNode> = {}): TreeNode {
  return {
    name: bytesOf(name),
    type: "file",
    mode: 0o644,
    mtime: 5n,
    atime: 5n,
    ctime: 6n,
    uid: 1,
    gid: 2,
    user: "u",
    group: "",
    inode: 7n,
    deviceId: 8n,
    size: 9n,
    links: 1n,
    linkTarget: null,
    xattrs: [],
    genericAttributes: null,
    device: 0n,
    content: [id(1), id(2)],
    subtree: null,
    error: "",
    ...change,
  };
}

function find(tree: ParentTree, wanted: TreeNode) {
  const head = Buffer.from(encodeNodeHead(wanted, formatTime));
  const heads = Buffer.concat([Buffer.from("xx"), head]);
  return tree.find(wanted.name, heads, 2, heads.length);
}

const names = fc.uniqueArray(
  fc
    .string({
      unit: fc.integer({ min: 1, max: 255 }).map((code) => String.fromCharCode(code === 0x2f ? 0x30 : code)),
      minLength: 1,
      maxLength: 6,
    })
    .filter((name) => name !== "." && name !== ".."),
  { maxLength: 12 },
);
const shapes = fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 12, maxLength: 12 });

const changes: readonly Partial<TreeNode>[] = [
  {},
  { content: [] },
  { content: [id(3)], xattrs: [{ name: "user.a", value: Buffer.from('},{"name":"') }] },
  { type: "dir", content: null, subtree: id(4) },
  { type: "symlink", content: null, linkTarget: Buffer.from('a"},{"name":"b\\') },
  { genericAttributes: '{"x":[{"y":"]}"}]}' },
];

test("finds every node that a parse finds, and no other", () => {
  fc.assert(
    fc.property(names, names, shapes, (before, now, kinds) => {
      const nodes = [...before].sort().map((name, i) => node(name, changes[kinds[i] ?? 0]));
      const json = encodeTree(nodes, formatTime);
      const tree = new ParentTree(json);
      for (const name of [...now, ...before].sort()) {
        const expected = nodes.find((each) => each.name.equals(bytesOf(name)));
        if (!expected) {
          assert.equal(find(tree, node(name)), null, JSON.stringify(name));
          continue;
        }
        const found = find(tree, expected);
        // A name that is asked for twice is behind the cursor already.
        if (!found && now.includes(name)) continue;
        assert.ok(found, JSON.stringify(name));
        const bytes = json.toString("utf8", found.start, found.end);
        assert.equal(bytes, encodeNodeHead(expected, formatTime) + encodeNodeTail(expected));
        assert.ok(found.sameHead);
        assert.equal(found.contentCount, expected.content?.length ?? 0);
        for (const [i, wanted] of (expected.content ?? []).entries()) {
          const at: number = found.contentAt + i * 67;
          assert.equal(json.toString("latin1", at, at + 64), wanted);
        }
        assert.equal(
          found.subtreeAt < 0 ? null : json.toString("latin1", found.subtreeAt, found.subtreeAt + 64),
          expected.subtree,
        );
      }
    }),
    { numRuns: 300 },
  );
});

test("a node whose metadata changed is found without the same head", () => {
  const tree = new ParentTree(encodeTree([node("a"), node("b"), node("c")], formatTime));
  const found = find(tree, node("b", { mode: 0o600 }));
  assert.equal(found?.sameHead, false);
  assert.equal(found?.contentCount, 2);
  assert.equal(find(tree, node("c"))?.sameHead, true);
});

test("names behind the last node, and an empty or foreign tree, have no node", () => {
  const tree = new ParentTree(encodeTree([node("a")], formatTime));
  assert.equal(find(tree, node("b")), null);
  assert.equal(find(tree, node("c")), null);
  assert.equal(find(new ParentTree(encodeTree([], formatTime)), node("a")), null);
  assert.equal(find(new ParentTree(Buffer.from("{}")), node("a")), null);
  assert.equal(find(new ParentTree(encodeTree([node("a")], formatTime).subarray(0, 60)), node("a")), null);
});
