// Damage in the repository: one bit in each file is found and named by check, and never gives wrong bytes.
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { expectStatus, isLong, type Outcome } from "./support/programs.ts";
import { noise, prose } from "./support/sample-tree.ts";
import { assertSameTree } from "./support/tree-facts.ts";
import { Workplace } from "./support/workplace.ts";
import type { StoreFile } from "./support/workplace.ts";

/** Where the bit is flipped, as a share of the file. */
const places = isLong ? [0, 0.01, 0.25, 0.5, 0.75, 0.99, 1] : [0, 0.6, 1];

describe("R180 R198: a bit that flips", () => {
  const place = new Workplace("damage");
  const source = place.at("source");
  before(() => {
    place.write("source/noise", noise("damage", 30_000));
    place.write("source/folder/prose", prose("damage", 50_000));
    place.write("source/folder/second", "two");
    place.init();
    place.backup("source");
    place.write("source/later", "added later");
    place.backup("source");
  });
  after(() => place[Symbol.dispose]());

  /** Flips one bit of a file, runs `work`, and flips it back. */
  function withFlippedBit(file: StoreFile, share: number, work: () => void): void {
    const original = readFileSync(file.path);
    const damaged = Buffer.from(original);
    const at = Math.min(original.length - 1, Math.floor(original.length * share));
    damaged[at] = (damaged[at] ?? 0) ^ (1 << (at % 8));
    writeFileSync(file.path, damaged);
    try {
      work();
    } finally {
      writeFileSync(file.path, original);
    }
  }

  const kinds = ["config", "keys", "snapshots", "index", "data"];
  for (const kind of kinds) {
    it(`in each file of ${kind}, is found and named by check, and no wrong byte is restored`, () => {
      const files = place.storeFiles().filter((file) => file.name === kind || file.name.startsWith(`${kind}/`));
      assert.ok(files.length > 0);
      for (const file of files) for (const share of places) withFlippedBit(file, share, () => found(file, share));
    });
  }

  let turn = 0;
  function found(file: StoreFile, share: number): void {
    const name = path.basename(file.name);
    const where = `${file.name} at ${share}`;
    const check = place.holdfast(["check", "--read-data", "--json"]);
    assert.ok(check.status === 1 || check.status === 12 || check.status === 10, `${where}: ended with ${check.status}`);
    const said = check.stdout.toString() + check.stderr;
    assert.ok(said.includes(name), `${where} is not named:\n${said}`);
    const target = place.at(`restored ${turn++}`);
    const restore = place.holdfast(["restore", "latest", "--target", target, "--no-cache"]);
    if (restore.status === 0 && !restore.stderr.includes(name)) assertSameTree(path.join(target, "source"), source);
    else assert.notEqual(restore.stderr, "", `${where} gives an error`);
    assert.ok([0, 1, 12].includes(restore.status ?? -1), `${where}: ${restore.status}\n${restore.stderr}`);
    for (const restored of existsSync(target) ? readdirSync(target, { recursive: true, withFileTypes: true }) : []) {
      if (!restored.isFile()) continue;
      const file = path.join(restored.parentPath, restored.name);
      const original = path.join(place.directory, path.relative(target, file));
      assert.ok(readFileSync(file).equals(readFileSync(original)), `${where}: ${file} has wrong content`);
    }
    rmSync(target, { recursive: true, force: true });
  }

  it("in no file: check finds nothing, so the findings above are not of the test's own making", () => {
    assert.equal(place.check("--read-data").verdict, "clean");
  });

  it("R204: in one snapshot's file, means that none is taken for the latest; others are restored by their ids", () => {
    const [damaged, whole] = place.storeFiles("snapshots");
    assert.ok(damaged && whole);
    const [damagedId, wholeId] = [path.basename(damaged.name), path.basename(whole.name)];
    // A cache has a copy that is whole.
    const withoutCache = (words: readonly string[]): Outcome => place.holdfast([...words, "--no-cache"]);
    withFlippedBit(damaged, 0.5, () => {
      for (const words of [
        ["restore", "latest", "--target", place.at("not restored")],
        ["dump", "latest", "/source/later"],
        ["ls", "latest"],
        ["cat", "snapshot", "latest"],
        ["diff", wholeId, "latest"],
        ["stats", "latest"],
        ["snapshots", "latest"],
      ]) {
        const { stdout, stderr } = expectStatus(withoutCache(words), 1);
        assert.equal(stdout.toString(), "", words.join(" "));
        assert.match(stderr, new RegExp(`latest snapshot is not known.*${damagedId}.*\\n.*by its id.*check`), stderr);
      }
      assert.ok(!existsSync(place.at("not restored")));
      expectStatus(place.holdfast(["restore", wholeId, "--target", place.at("whole")]), 0);
      const byId = expectStatus(withoutCache(["ls", damagedId.slice(0, 12)]), 1);
      assert.match(byId.stderr, /is damaged/);
      // The parent of a backup is only there to save work.
      for (const words of [[], ["--parent", "latest"]]) {
        const { stderr } = expectStatus(withoutCache(["backup", "--dry-run", ...words, "source"]), 0);
        assert.ok(stderr.includes(damagedId), stderr);
      }
    });
  });

  it("R204: one bad pack among three is named, and only what lies in it is called hurt", () => {
    const packs = place.storeFiles("data");
    assert.ok(packs.length >= 3);
    const largest = packs.toSorted((left, right) => right.sizeBytes - left.sizeBytes)[0] ?? assert.fail();
    withFlippedBit(largest, 0.01, () => {
      const { verdict, findings } = place.check("--read-data");
      assert.equal(verdict, "damaged");
      const named = findings.map(({ file }) => (file as { name: string } | null)?.name);
      assert.deepEqual([...new Set(named)], [path.basename(largest.name)]);
      const hurt = findings.flatMap(({ paths }) => paths as string[]);
      assert.ok(hurt.length > 0 && !hurt.includes("/source/later"));
      const dumped = place.holdfast(["dump", "latest", "/source/later"]);
      assert.equal(expectStatus(dumped, 0).stdout.toString(), "added later");
    });
  });

  it("a pack that is missing, cut short or grown is found without reading data", () => {
    for (const [turn, file] of place.storeFiles("data").entries()) {
      const original = readFileSync(file.path);
      const spoil = [
        (): void => renameSync(file.path, `${place.directory}/away`),
        (): void => truncateSync(file.path, original.length - 1),
        (): void => writeFileSync(file.path, Buffer.concat([original, Buffer.from("x")])),
        (): void => truncateSync(file.path, 0),
      ];
      for (const [kind, damage] of spoil.entries()) {
        if (!isLong && kind !== turn % spoil.length) continue;
        damage();
        const { verdict, findings } = place.check();
        assert.equal(verdict, "damaged");
        assert.ok(findings.some((finding) => JSON.stringify(finding).includes(path.basename(file.name))));
        writeFileSync(file.path, original);
      }
    }
    assert.equal(place.check("--read-data").verdict, "clean");
  });
});
