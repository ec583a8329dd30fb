// Trees and their nodes, there and back, and hostile ones.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { hasCode } from "../errors.ts";
import { emptyNode, formatTime, nodes } from "./node-fixture.ts";
import { encodeFileNode, encodeNodeHead, encodeNodeTail, type TreeNode } from "./node.ts";
import { encodeTree, parseTree } from "./tree.ts";

const isDamaged = (error: unknown): boolean => hasCode(error, "damaged");
const id = "0123456789abcdef".repeat(4);

describe("encoding", () => {
  test("leaves out what is empty and keeps what restic always writes", () => {
    const epoch = '"1970-01-01T00:00:00Z"';
    const zone = formatTime(0n);
    const head = encodeNodeHead(emptyNode, () => "1970-01-01T00:00:00Z");
    assert.equal(
      head,
      `{"name":"name","type":"file","mtime":${epoch},"atime":${epoch},"ctime":${epoch},"uid":0,"gid":0`,
    );
    assert.equal(encodeNodeTail(emptyNode), ',"content":null}');
    assert.equal(encodeNodeTail({ ...emptyNode, content: [] }), ',"content":[]}');
    assert.equal(encodeTree([], formatTime).toString(), '{"nodes":[]}\n');
    assert.ok(encodeTree([emptyNode], formatTime).toString().includes(zone));
  });

  test("writes the fields in restic's order", () => {
    const full: TreeNode = {
      ...emptyNode,
      name: Buffer.from("<é\n>"),
      mode: 420,
      uid: 1,
      gid: 2,
      user: "u<",
      group: "g",
      inode: 2n ** 64n - 1n,
      deviceId: 3n,
      size: 2n ** 53n + 1n,
      links: 4n,
      linkTarget: Buffer.of(0x41, 0xff),
      xattrs: [{ name: "user.a", value: Buffer.of(0) }],
      genericAttributes: '{"w":1}',
      device: 5n,
      content: [id, id],
      subtree: id,
      error: "e",
    };
    const tree = encodeNodeHead(full, (at) => String(at)) + encodeNodeTail(full);
    assert.equal(
      tree,
      '{"name":"\\u003cé\\\\n\\u003e","type":"file","mode":420,"mtime":"0","atime":"0","ctime":"0","uid":1,"gid":2,"user":"u\\u003c","group":"g",' +
        '"inode":18446744073709551615,"device_id":3,"size":9007199254740993,"links":4,"linktarget":"A\\ufffd","linktarget_raw":"Qf8=",' +
        '"extended_attributes":[{"name":"user.a","value":"AA=="}],"generic_attributes":{"w":1},"device":5,' +
        `"content":["${id}","${id}"],"subtree":"${id}","error":"e"}`,
    );
  });

  test("writes a file's node from raw ids as from texts", () => {
    for (const count of [0, 1, 3]) {
      const ids = Buffer.alloc(32 * count, "holdfast");
      const content = Array.from({ length: count }, (_, i) => ids.toString("hex", 32 * i, 32 * (i + 1)));
      const node: TreeNode = { ...emptyNode, name: Buffer.from('","content":[]'), error: "e", content };
      const expected = encodeNodeHead(node, formatTime) + encodeNodeTail(node);
      assert.equal(encodeFileNode({ ...node, content: null }, ids, formatTime).toString(), expected);
    }
  });

  test("refuses nodes that are not in order", () => {
    const named = (name: string): TreeNode => ({ ...emptyNode, name: Buffer.from(name) });
    for (const names of [
      ["b", "a"],
      ["a", "a"],
      ["ab", "a"],
    ]) {
      assert.throws(
        () => encodeTree(names.map(named), formatTime),
        (error) => hasCode(error, "internal"),
      );
    }
    encodeTree(["a", "ab", "b", "\u{10000}"].map(named), formatTime);
  });
});

describe("parsing", () => {
  test("gives back any nodes", () => {
    fc.assert(
      fc.property(nodes, (list) => {
        const json = encodeTree(list, formatTime);
        assert.deepEqual(parseTree(json), list);
        assert.deepEqual(encodeTree(parseTree(json), formatTime), json);
        const texts = list.map((item) => encodeNodeHead(item, formatTime) + encodeNodeTail(item));
        assert.equal(json.toString(), `{"nodes":[${texts.join(",")}]}\n`);
      }),
      { numRuns: 300 },
    );
  });

  const nodeText =
    '{"name":"a","type":"file","mtime":"1970-01-01T00:00:00Z","atime":"1970-01-01T00:00:00Z","ctime":"1970-01-01T00:00:00Z","uid":0,"gid":0,"content":null}';

  test("passes over unknown fields, white space, other orders and nulls", () => {
    const odd = ` { "version" : [1, {"nodes": [1e5, -0.5E-3, true, false]}] , "nodes" : [ { "unknown" : "\\u0041\\"}" , "size" : 5 ,\n "user":null,"name" : "a" , "linktarget_raw":"/w==","linktarget":"\\ufffd"} ], "more" : null } \n`;
    const [node] = parseTree(Buffer.from(odd));
    assert.ok(node);
    assert.deepEqual([node.name.toString(), node.size, node.type, node.linkTarget], ["a", 5n, "", Buffer.of(255)]);
    assert.deepEqual(parseTree(Buffer.from('{"nodes":null}')), []);
  });

  test("finds any text that is cut off", () => {
    const whole = Buffer.from(`{"nodes":[${nodeText}]}`);
    assert.equal(parseTree(whole).length, 1);
    for (let length = 0; length < whole.length; length += 1) {
      assert.throws(() => parseTree(whole.subarray(0, length)), isDamaged, `length ${length}`);
    }
  });

  test("never accepts what JSON.parse refuses, whatever byte is changed", () => {
    const whole = Buffer.from(`{"nodes":[${nodeText}],"x":[1,{"y":"\\u0041"}]}`);
    fc.assert(
      fc.property(
        fc.nat(whole.length - 1),
        fc.constantFrom(...Buffer.from('{}[],:"\\0-.eut9 \n\u0001')),
        (index, byte) => {
          const changed = Buffer.from(whole);
          changed[index] = byte;
          try {
            parseTree(changed);
          } catch (error) {
            assert.ok(
              hasCode(error, "damaged") || hasCode(error, "hostile") || hasCode(error, "unsupported"),
              String(error),
            );
            return;
          }
          JSON.parse(changed.toString());
        },
      ),
      { numRuns: 3000 },
    );
  });

  test("refuses wrong types as damage", () => {
    const wrong = [
      '"size":-1',
      '"size":1.5',
      '"size":1e3',
      '"size":"1"',
      '"size":18446744073709551616',
      '"size":01',
      '"uid":4294967296',
      '"mode":-1',
      '"name":1',
      '"content":[1]',
      '"content":["abc"]',
      `"subtree":"${id.toUpperCase()}"`,
      `"subtree":"${id}0"`,
      '"mtime":"yesterday"',
      '"mtime":0',
      '"extended_attributes":{}',
      '"extended_attributes":[{"name":"a","value":"?"}]',
      '"generic_attributes":[]',
      '"user":{}',
      '"name":"\\\\q"',
      '"type":1',
      `"x":${"[".repeat(1000)}${"]".repeat(1000)}`,
      `"x":${"[".repeat(100_000)}`,
    ];
    for (const field of wrong) {
      assert.throws(() => parseTree(Buffer.from(`{"nodes":[{"name":"a",${field}}]}`)), isDamaged, field);
    }
    for (const tree of [
      "",
      "[]",
      "{}",
      "null",
      '{"nodes":{}}',
      '{"nodes":[1]}',
      '{"nodes":[]}x',
      '{"nodes":[{"name":"a"},]}',
      '{"nodes":[{"name":"a"}{"name":"b"}]}',
    ]) {
      assert.throws(() => parseTree(Buffer.from(tree)), isDamaged, tree);
    }
    assert.throws(
      () => parseTree(Buffer.from('{"nodes":[{"name":"a","type":"portal"}]}')),
      (error) => hasCode(error, "unsupported"),
    );
  });

  test("refuses names out of order or twice as damage", () => {
    for (const names of [
      ["b", "a"],
      ["a", "a"],
      ["a", "\\\\x61"],
    ]) {
      const json = Buffer.from(`{"nodes":[${names.map((item) => `{"name":"${item}"}`).join(",")}]}`);
      assert.throws(() => parseTree(json), isDamaged, names.join());
    }
  });

  test("refuses names that could lead elsewhere as hostile", () => {
    for (const name of ["", ".", "..", "a/b", "/", "\\\\x2e.", "a\\\\x00b", "a\\\\u002fb", "\\u002e\\u002e", "../x"]) {
      const json = Buffer.from(`{"nodes":[{"name":"${name}"}]}`);
      assert.throws(
        () => parseTree(json),
        (error) => hasCode(error, "hostile"),
        name,
      );
    }
    assert.throws(
      () => parseTree(Buffer.from('{"nodes":[{"type":"file"}]}')),
      (error) => hasCode(error, "hostile"),
    );
    assert.throws(
      () => parseTree(Buffer.from('{"nodes":[{"name":null}]}')),
      (error) => hasCode(error, "hostile"),
    );
  });
});
