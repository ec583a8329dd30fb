// Searching many snapshots finds what walking each of them finds, and reads what they share once.
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { hasCode, HoldfastError } from "../errors.ts";
import { MemoryStorage } from "../testing/memory-storage.ts";
import { backUp, makeRepository, nodesOf, openRepository, Scratch } from "../writer/backup-fixture.ts";
import type { SearchOptions } from "./search-snapshots.ts";
import { SnapshotSearch } from "./search-snapshots.ts";

const everything: Pick<SearchOptions, "enters" | "report"> = {
  enters: () => true,
  report: (_path, error) => assert.fail(error.message),
};

test("every hit is found in every snapshot, with its directory's tree, and shared trees are read once", async () => {
  using scratch = new Scratch();
  const storage = new MemoryStorage();
  const at = (...names: string[]): string => join(scratch.path, ...names);
  for (let i = 0; i < 8; i++) {
    mkdirSync(at(`dir${i}`, "below"), { recursive: true });
    writeFileSync(at(`dir${i}`, "below", i === 3 ? "wanted" : "other"), String(i));
  }
  const trees: string[] = [];
  {
    await using repository = await makeRepository(storage);
    for (let i = 0; i < 5; i++) {
      writeFileSync(at("dir0", `new${i}`), String(i));
      if (i === 2) writeFileSync(at("dir5", "wanted"), "later");
      trees.push((await backUp(repository, scratch.path)).treeId);
    }
  }
  await using repository = await openRepository(storage);
  const matches = (path: Buffer): boolean => path.toString().endsWith("/wanted");
  const search = new SnapshotSearch(repository, { ...everything, matches });
  const reads = new Map<string, number>();
  const load = repository.loadBlob.bind(repository);
  repository.loadBlob = (type, id) => {
    reads.set(id, (reads.get(id) ?? 0) + 1);
    return load(type, id);
  };
  for (const tree of trees) {
    const nodes = await nodesOf(repository, tree);
    reads.clear();
    const expected = [...nodes.keys()].filter((path) => path.endsWith("/wanted"));
    const found: string[] = [];
    for await (const { path, node, parentTree } of search.in(tree)) {
      found.push(path.toString());
      assert.deepEqual(node, nodes.get(path.toString()));
      assert.ok((await repository.loadTree(parentTree)).some((each) => each.name.equals(node.name)));
    }
    assert.deepEqual(found, expected);
    // Roots, what is above a hit, and what is new: never all 18 trees again.
    if (tree === trees[0]) assert.ok(reads.size > 15, String(reads.size));
    else assert.ok(reads.size <= 8, String(reads.size));
  }
});

test("a folder that cannot be read is told, hides only what is in it, and is told again in the next snapshot", async () => {
  using scratch = new Scratch();
  const storage = new MemoryStorage();
  for (const name of ["good", "lost"]) {
    mkdirSync(join(scratch.path, name));
    writeFileSync(join(scratch.path, name, "wanted"), name);
  }
  await using repository = await makeRepository(storage);
  const { treeId } = await backUp(repository, scratch.path);
  const lost = (await nodesOf(repository, treeId)).get("/data/lost")!.subtree!;
  const load = repository.loadBlob.bind(repository);
  repository.loadBlob = (type, id) =>
    id === lost ? Promise.reject(new HoldfastError("damaged", "gone")) : load(type, id);
  const told: string[] = [];
  const search = new SnapshotSearch(repository, {
    enters: () => true,
    matches: (path) => path.toString().endsWith("/wanted"),
    report: (path, error) => {
      assert.ok(hasCode(error, "damaged"));
      told.push(path.toString());
    },
  });
  for (let snapshot = 0; snapshot < 2; snapshot++) {
    const hits = await Array.fromAsync(search.in(treeId));
    assert.deepEqual(
      hits.map(({ path }) => path.toString()),
      ["/data/good/wanted"],
    );
  }
  assert.deepEqual(told, ["/data/lost", "/data/lost"]);
});
