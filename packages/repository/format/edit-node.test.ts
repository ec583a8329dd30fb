// A node that was edited is what would have been written with the new values, and loses nothing that nobody knows.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { editNode } from "./edit-node.ts";
import { emptyNode, formatTime, node } from "./node-fixture.ts";
import type { TreeNode } from "./node.ts";
import { encodeNodeHead, encodeNodeTail } from "./node.ts";

const textOf = (each: TreeNode): string => encodeNodeHead(each, formatTime) + encodeNodeTail(each);

test("an edited node is the text that the changed node is written as", () => {
  fc.assert(
    fc.property(node, node, fc.subarray(["content", "size", "subtree"] as const), (before, other, fields) => {
      const edit = Object.fromEntries(fields.map((field) => [field, other[field]]));
      assert.equal(editNode(Buffer.from(textOf(before)), edit).toString(), textOf({ ...before, ...edit }));
    }),
    { numRuns: 500 },
  );
});

test("unknown fields, zones of times, digits and escapes stay as they are", () => {
  const text =
    '{"name":"\\u0061","future":{"a":[1.50,1e400]},"type":"file","mtime":"2026-11-21T23:56:55.5+05:30",' +
    '"inode":18446744073709551615,"size":5,"links":1,"content":["x"],"later":"\\ud83d\\ude00"}';
  const edited = editNode(Buffer.from(text), { size: 2n ** 63n, content: [] });
  const expected = text.replace('"size":5', `"size":${2n ** 63n}`).replace('["x"]', "[]");
  assert.equal(edited.toString(), expected);
  assert.equal(editNode(Buffer.from(text), { size: 0n }).toString(), text.replace('"size":5,', ""));
});

test("a field that was not there comes where restic would write it", () => {
  const bare = Buffer.from('{"name":"a","type":"dir","error":"e"}');
  assert.equal(
    editNode(bare, { subtree: "ab", size: 1n }).toString(),
    '{"name":"a","type":"dir","size":1,"subtree":"ab","error":"e"}',
  );
  assert.equal(editNode(Buffer.from("{}"), { content: null }).toString(), '{"content":null}');
  assert.equal(editNode(Buffer.from(textOf(emptyNode)), {}).toString(), textOf(emptyNode));
});
