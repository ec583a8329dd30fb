// Full disks: in the repository and in the target. A clean failure, nothing under a final name that is not whole.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, it } from "node:test";
import { expectStatus } from "./support/programs.ts";
import { makeOrdinaryTree, noise } from "./support/sample-tree.ts";
import { SmallFileSystem } from "./support/small-file-system.ts";
import { assertSameTree, sha256Of } from "./support/tree-facts.ts";
import { Workplace } from "./support/workplace.ts";

const mebibyte = 1024 * 1024;

describe("a full disk", () => {
  it("under the repository, ends a backup cleanly; with space, the next one finishes", () => {
    using place = new Workplace("full-repository");
    using disk = new SmallFileSystem(place.at("disk"), 30 * mebibyte);
    place.repository = path.join(disk.directory, "repository");
    makeOrdinaryTree(place.at("source"));
    place.init();
    const first = place.backup("source");
    for (let file = 0; file < 4; file++) place.write(`source/large ${file}`, noise(`large ${file}`, 15 * mebibyte));

    const failed = expectStatus(place.holdfast(["backup", "source"]), 1);
    assert.match(failed.stderr, /space/);
    assert.match(failed.stderr, /\n {2}→ /, "it says what to do");
    for (const file of place.storeFiles("data")) {
      assert.equal(sha256Of(file.path), path.basename(file.path), "what has a final name is whole");
    }
    assert.deepEqual(place.snapshots(), [first.snapshotId], "the repository still opens, full as it is");
    assert.notEqual(place.check("--read-data", "--no-lock").verdict, "damaged");
    place.done("restore", "latest", "--target", place.at("while full"), "--no-lock");
    assert.ok(existsSync(place.at("while full", "source", "noise.bin")));

    disk.resize(120 * mebibyte);
    place.backup("source");
    assert.notEqual(place.check("--read-data").verdict, "damaged");
    place.done("restore", "latest", "--target", place.at("restored"));
    assertSameTree(place.at("restored", "source"), place.at("source"));
    place.resticChecks();
  });

  it("under the target, ends a restore cleanly, and no file with its final name has other content", () => {
    using place = new Workplace("full-target");
    using disk = new SmallFileSystem(place.at("disk"), 12 * mebibyte);
    makeOrdinaryTree(place.at("source"));
    place.write("source/too large", noise("too large", 20 * mebibyte));
    place.init();
    place.backup("source");
    const outcome = expectStatus(place.holdfast(["restore", "latest", "--target", disk.directory]), 1);
    assert.match(outcome.stderr, /space|ENOSPC/);
    assert.doesNotMatch(outcome.stdout.toString(), /^restored/m, "no success is claimed");
    const wrong = filesOf(disk.directory).filter((name) => {
      const original = place.at(name);
      return existsSync(original) && hash(path.join(disk.directory, name)) !== hash(original);
    });
    assert.deepEqual(wrong, []);
    disk.resize(80 * mebibyte);
    place.done("restore", "latest", "--target", disk.directory);
    assertSameTree(path.join(disk.directory, "source"), place.at("source"));
    assert.deepEqual(
      filesOf(disk.directory).filter((name) => !existsSync(place.at(name))),
      [],
      "no leftovers",
    );
  });

  it("under a dump's file, leaves no file that looks whole", () => {
    using place = new Workplace("full-dump");
    using disk = new SmallFileSystem(place.at("disk"), 4 * mebibyte);
    place.write("source/large", noise("dump", 8 * mebibyte));
    place.init();
    place.backup("source");
    const target = path.join(disk.directory, "dumped");
    const outcome = expectStatus(place.holdfast(["dump", "latest", "/source/large", "--target", target]), 1);
    assert.match(outcome.stderr, /space|ENOSPC/);
    assert.deepEqual(readdirSync(disk.directory), []);
  });
});

function filesOf(root: string): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)));
}

const hash = (file: string): string => createHash("sha256").update(readFileSync(file)).digest("hex");
