// Rewritten trees: the same where nothing changes, without what is left out, and never less than that.
import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import { hasCode } from "../../errors.ts";
import { emptyNode, formatTime, nodes } from "../../format/node-fixture.ts";
import type { TreeNode } from "../../format/node.ts";
import { encodeNodeHead, encodeNodeTail } from "../../format/node.ts";
import { encodeTree, parseTree } from "../../format/tree.ts";
import type { Repository } from "../../store/repository.ts";
import { makeRepository, nodesOf } from "../../writer/backup-fixture.ts";
import type { TextTree } from "./rewrite-fixture.ts";
import { rewriteTree, saveTextTree, storingTrees } from "./rewrite-fixture.ts";
import { TreeRewriter } from "./rewrite-tree.ts";

let repository: Repository;
before(async () => void (repository = await makeRepository()));
after(() => repository[Symbol.asyncDispose]());

const subtree = "SUBTREE";
const textOf = (node: TreeNode): string => encodeNodeHead(node, formatTime) + encodeNodeTail(node);

/** What other programs, and other versions of restic, may write: fields of their own, and zones. */
const oddities: ((text: string) => string)[] = [
  (text) => text,
  (text) => text.replace('{"name"', '{"future":{"a":[1.50,null]},"name"'),
  (text) => text.replace(/"mtime":"[^"]*"/, '"mtime":"2026-11-21T23:56:55.500000001+05:30"'),
];
const surroundings = [
  ['{"nodes":[', "]}\n"],
  ['{"version":7,"nodes": [', ' ],"more":{"nodes":[]}}'],
] as const;

const { tree: anyTree } = fc.letrec<{ tree: TextTree }>((tie) => ({
  tree: fc
    .tuple(
      nodes.map((list) => list.slice(0, 3)),
      fc.array(fc.option(tie("tree"), { depthSize: "small", maxDepth: 3 }), { minLength: 3, maxLength: 3 }),
      fc.array(fc.constantFrom(...oddities), { minLength: 3, maxLength: 3 }),
      fc.constantFrom(...surroundings),
    )
    .map(([list, below, odd, [beginning, end]]) => ({
      before: beginning,
      after: end,
      nodes: list.map((node, i) => {
        const directory = below[i] ?? null;
        const isDirectory = directory !== null;
        const whole: TreeNode = isDirectory
          ? { ...node, type: "dir", subtree }
          : { ...node, subtree: null, type: node.type === "dir" ? "file" : node.type };
        return { text: odd[i]!(textOf(whole)), below: directory };
      }),
    })),
}));

const store = async (tree: TextTree): Promise<string> =>
  (await storingTrees(repository, (saver) => saveTextTree(saver, tree))).result;
const named = (name: string | Buffer, more: Partial<TreeNode> = {}): TreeNode => ({
  ...emptyNode,
  name: Buffer.from(name),
  ...more,
});
/** A tree of these nodes; where one has a list, that is its directory. */
const plain = (...list: (TreeNode | [TreeNode, TextTree])[]): TextTree => ({
  before: '{"nodes":[',
  after: "]}\n",
  nodes: list.map((each) =>
    Array.isArray(each)
      ? { text: textOf({ ...each[0], type: "dir", subtree }), below: each[1] }
      : { text: textOf(each), below: null },
  ),
});
const pathsOf = async (treeId: string): Promise<string[]> => [...(await nodesOf(repository, treeId)).keys()];

describe("rewriting", () => {
  test("with a function that changes nothing gives any tree its own id, and writes nothing", async () => {
    await fc.assert(
      fc.asyncProperty(anyTree, fc.boolean(), async (tree, ignoresPaths) => {
        const treeId = await store(tree);
        const rewritten = await rewriteTree(repository, treeId, { ignoresPaths });
        assert.deepEqual([rewritten.treeId, rewritten.newTrees], [treeId, 0]);
      }),
      { numRuns: 60, interruptAfterTimeLimit: 20_000 },
    );
  });

  test("leaves out what the function leaves out, and all other bytes as they were", async () => {
    await fc.assert(
      fc.asyncProperty(anyTree, fc.nat(255), async (tree, salt) => {
        const isKept = (path: string): boolean => Buffer.from(hash("sha1", path + salt), "hex")[0]! < 160;
        const rewritten = await rewriteTree(repository, await store(tree), {
          rewriteNode: (path, node) => (isKept(path.latin1Slice()) ? node : null),
        });
        const expected = await store(without(tree, isKept));
        assert.equal(rewritten.treeId, expected);
      }),
      { numRuns: 40, interruptAfterTimeLimit: 20_000 },
    );
  });

  test("changes content and size of a node that was returned so, in every directory above", async () => {
    const treeId = await store(
      plain([named("a"), plain(named("f", { type: "file", size: 7n, content: ["a".repeat(64)] }))]),
    );
    const rewritten = await rewriteTree(repository, treeId, {
      rewriteNode: (_path, node) => (node.type === "file" ? { ...node, size: 0n, content: [], uid: 99 } : node),
    });
    const file = (await nodesOf(repository, rewritten.treeId!)).get("/a/f")!;
    assert.deepEqual([file.size, file.content, file.uid], [0n, [], 0]);
    assert.deepEqual([rewritten.fileCount, rewritten.fileBytes, rewritten.newTrees], [1, 0n, 2]);
    const expected = await store(plain([named("a"), plain(named("f", { type: "file", content: [] }))]));
    assert.equal(rewritten.treeId, expected);
  });

  test("gives the raw bytes of names that are not UTF-8", async () => {
    const seen: string[] = [];
    const odd = Buffer.of(0x61, 0xff, 0xfe);
    const treeId = await store(plain([named(odd), plain(named(Buffer.of(0x80)))]));
    const rewritten = await rewriteTree(repository, treeId, {
      rewriteNode: (path, node) => {
        seen.push(path.toString("hex"));
        return path.at(-1) === 0x80 ? null : node;
      },
    });
    assert.deepEqual(seen, ["2f61fffe", "2f61fffe2f80"]);
    assert.deepEqual(await pathsOf(rewritten.treeId!), ["/a\xff\xfe"]);
  });

  test("removes directories that became empty only where that is asked for", async () => {
    const treeId = await store(plain([named("a"), plain([named("b"), plain(named("x"))])], [named("c"), plain()]));
    const rewriteNode = (path: Buffer, node: TreeNode): TreeNode | null =>
      path.toString().endsWith("/x") ? null : node;
    const kept = await rewriteTree(repository, treeId, { rewriteNode });
    assert.deepEqual(await pathsOf(kept.treeId!), ["/a", "/a/b", "/c"]);
    const some = await rewriteTree(repository, treeId, {
      rewriteNode,
      keepsEmptyDirectory: (path) => path.toString() === "/c",
    });
    assert.deepEqual(await pathsOf(some.treeId!), ["/c"]);
    const all = await rewriteTree(repository, treeId, { rewriteNode, keepsEmptyDirectory: () => false });
    assert.equal(all.treeId, null);
  });

  test("does equal subtrees once: at the same path in the next snapshot, or anywhere if paths do not count", async () => {
    const shared = plain(named("x", { type: "file", size: 5n }), named("y", { type: "file" }));
    const first = await store(plain([named("a"), shared], [named("b"), shared]));
    const second = await store(plain([named("a"), shared], named("new")));
    for (const [ignoresPaths, expected] of [
      [false, ["/a", "/a/x", "/a/y", "/b", "/b/x", "/b/y", "/a", "/new"]],
      [true, ["/a", "/a/x", "/a/y", "/b", "/a", "/new"]],
    ] as const) {
      const seen: string[] = [];
      await storingTrees(repository, async (saver) => {
        const rewriter = new TreeRewriter(repository, saver, {
          ignoresPaths,
          rewriteNode: (path, node) => {
            seen.push(path.toString());
            return node;
          },
        });
        assert.deepEqual(await rewriter.rewrite(first), { treeId: first, fileCount: 4, fileBytes: 10n });
        assert.deepEqual(await rewriter.rewrite(second), { treeId: second, fileCount: 3, fileBytes: 5n });
      });
      assert.deepEqual(seen, expected);
    }
  });
});

describe("a tree that cannot be read", () => {
  const missing = "f".repeat(64);
  const broken = async (): Promise<string> => {
    const { result } = await storingTrees(repository, async (saver) => {
      const malformed = await saver.save(Buffer.from('{"nodes":[{"name":"kept"},{"name":1}]}\n'));
      const directory = (name: string, id: string | null): TreeNode => named(name, { type: "dir", subtree: id });
      return saver.save(
        encodeTree(
          [directory("a", missing), directory("b", malformed), directory("c", null), named("d", { type: "file" })],
          formatTime,
        ),
      );
    });
    return result;
  };

  test("ends the rewriting, as damage", async () => {
    const treeId = await broken();
    await assert.rejects(rewriteTree(repository, treeId), (error) => hasCode(error, "damaged"));
    await assert.rejects(rewriteTree(repository, missing), (error) => hasCode(error, "damaged"));
  });

  test("gives way to an empty one, or is left out with its directory, and half of it is never taken", async () => {
    const treeId = await broken();
    const seen: [string, string | null][] = [];
    const paths: string[] = [];
    const rewriteNode = (path: Buffer, node: TreeNode): TreeNode => {
      paths.push(path.toString());
      return node;
    };
    const empty = await rewriteTree(repository, treeId, {
      rewriteNode,
      replaceUnreadable: (path, id) => {
        seen.push([path.toString(), id]);
        return "empty";
      },
    });
    assert.deepEqual(paths, ["/a", "/b", "/c", "/d"]);
    assert.deepEqual(
      seen.map(([path]) => path),
      ["/a", "/b", "/c"],
    );
    assert.deepEqual([seen[0]![1], seen[2]![1]], [missing, null]);
    assert.deepEqual(await pathsOf(empty.treeId!), ["/a", "/b", "/c", "/d"]);
    const without = await rewriteTree(repository, treeId, { replaceUnreadable: () => "leave-out" });
    assert.deepEqual(await pathsOf(without.treeId!), ["/d"]);
    assert.equal(without.fileCount, 1);
    const root = await rewriteTree(repository, missing, { replaceUnreadable: () => "leave-out" });
    assert.equal(root.treeId, null);
  });

  test("stops when it is told to", async () => {
    const treeId = await store(plain(named("a")));
    const signal = AbortSignal.abort();
    await assert.rejects(rewriteTree(repository, treeId, { signal }), (error) => hasCode(error, "interrupted"));
  });
});

/** What must be left of a tree, worked out on its text. */
function without(tree: TextTree, isKept: (path: string) => boolean, above = ""): TextTree {
  const kept = [];
  for (const { text, below } of tree.nodes) {
    const [node] = parseTree(Buffer.from(`{"nodes":[${text.replace(subtree, "0".repeat(64))}]}`));
    const path = `${above}/${node!.name.latin1Slice()}`;
    if (!isKept(path)) continue;
    kept.push({ text, below: below === null ? null : without(below, isKept, path) });
  }
  return { ...tree, nodes: kept };
}
