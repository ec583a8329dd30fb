// Faithful: what was backed up comes back equal in everything, and as restic itself would bring it back.
import assert from "node:assert/strict";
import {
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { expectStatus, isLong, jsonLines, message, run } from "./support/programs.ts";
import { makeOddTree, makeSparseFile } from "./support/sample-tree.ts";
import { allocatedBytes, assertSameFacts, assertSameTree, treeFacts } from "./support/tree-facts.ts";
import { Workplace } from "./support/workplace.ts";

describe("a tree with everything a file system can hold", () => {
  const place = new Workplace("faithful");
  const source = place.at("source");
  before(() => {
    makeOddTree(source);
    place.init();
    place.backup("source");
  });
  after(() => place[Symbol.dispose]());

  it("is restored as it was, and as restic restores it, with holes as large", () => {
    const [ours, theirs] = [place.at("by holdfast"), place.at("by restic")];
    place.done("restore", "latest", "--target", ours, "--sparse");
    place.resticDone("restore", "latest", "--target", theirs, "--sparse");
    const facts = treeFacts(path.join(ours, "source"));
    assertSameFacts(facts, treeFacts(path.join(theirs, "source")));
    assertSameFacts(facts, treeFacts(source));
    for (const name of ["sparse", "zeros without holes"]) {
      const allocated = (root: string): number => allocatedBytes(path.join(root, "source", name));
      assert.ok(
        allocated(ours) <= allocated(theirs),
        `${name}: ${allocated(ours)} bytes, restic's ${allocated(theirs)}`,
      );
      assert.ok(allocated(ours) < 4_000_000);
    }
  });

  it("has what the test is about: each kind of entry, in the source and restored", () => {
    const restored = place.at("by holdfast", "source");
    for (const root of [source, restored]) {
      const names = readdirSync(root, { encoding: "buffer" });
      assert.ok(
        names.some((name) => name.includes(0xff)),
        "a name that is not UTF-8",
      );
      assert.ok(names.some((name) => name.length === 255));
      assert.ok(names.some((name) => name.includes(0x0a)));
      assert.equal(statSync(path.join(root, "setuid")).mode & 0o7777, 0o4755);
      assert.equal(lstatSync(path.join(root, "content")).nlink, 3);
      assert.ok(lstatSync(path.join(root, "fifo")).isFIFO());
      assert.ok(lstatSync(path.join(root, "block device")).isBlockDevice());
      assert.deepEqual(readdirSync(path.join(root, "empty directory")), []);
      assert.equal(statSync(path.join(root, "content"), { bigint: true }).mtimeNs, 2_000_000_000_999_999_999n);
      const { stdout } = expectStatus(
        run("getfattr", ["-d", "-m", "-", "--absolute-names", path.join(root, "attributes")]),
        0,
      );
      assert.match(stdout.toString(), /user\.plain="some value"/);
      assert.match(
        expectStatus(run("getfacl", ["--absolute-names", path.join(root, "acl")]), 0).stdout.toString(),
        /user:1234:rw-/,
      );
    }
  });

  it("is restored over what is there already, changed or damaged, to the same", () => {
    const target = place.at("by holdfast", "source");
    rmSync(path.join(target, "content"));
    writeFileSync(path.join(target, "attributes"), "other content");
    rmSync(path.join(target, "fifo"));
    mkdirSync(path.join(target, "fifo"));
    writeFileSync(path.join(target, "surplus"), "not in the snapshot");
    place.done("restore", "latest", "--target", place.at("by holdfast"), "--delete");
    assertSameTree(target, source);
  });

  it("is backed up again from the restored copy without new data", () => {
    const counts = place.backup("--force", place.at("by restic", "source"));
    assert.equal(counts.dataBlobs, 0);
  });

  it("leaves a socket out and says so", () => {
    mkdirSync(place.at("with socket"));
    // A listener that is killed leaves the file of its socket behind.
    const script = "require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))";
    run(process.execPath, ["-e", script, place.at("with socket", "s")]);
    assert.ok(lstatSync(place.at("with socket", "s")).isSocket());
    const outcome = place.done("backup", "-v", "with socket");
    assert.match(outcome.stdout.toString(), /with socket\/s.*socket/);
    const nodes = jsonLines(place.done("ls", "--json", "latest").stdout);
    assert.ok(!nodes.some((node) => String(node["path"]).endsWith("/s")));
  });
});

describe("size", () => {
  const place = new Workplace("faithful-size");
  before(() => place.init());
  after(() => place[Symbol.dispose]());

  it("keeps 100,000 files of one directory", () => {
    const directory = place.at("many");
    mkdirSync(directory);
    for (let file = 0; file < 100_000; file++)
      writeFileSync(path.join(directory, `file number ${file}`), String(file % 1000));
    const counts = place.backup("many");
    assert.equal(counts.filesNew, 100_000);
    const again = place.backup("many");
    assert.deepEqual([again.filesUnmodified, again.bytesAdded], [100_000, 0]);
    const restored = place.at("restored", "many");
    place.done("restore", "latest", "--target", place.at("restored"), "--verify");
    assertSameFacts(treeFacts(restored, { contents: isLong }), treeFacts(directory, { contents: isLong }));
    for (let file = 0; file < 100_000; file += 997) {
      assert.equal(readFileSync(path.join(restored, `file number ${file}`), "utf8"), String(file % 1000));
    }
    if (isLong) assert.equal(place.resticBackup("restic", "--force", "many").bytesAdded, 0);
  });

  it("keeps a sparse file of 10 GB, there and back in seconds", () => {
    const size = 10_000_000_000;
    const offsets = [0, 123_456_789, 5_000_000_000, 9_999_999_900];
    mkdirSync(place.at("large"));
    makeSparseFile(place.at("large", "sparse"), size, offsets);
    const backup = place.done("backup", "--json", "large");
    const restore = place.done("restore", "latest", "--target", place.at("restored"), "--sparse");
    const file = place.at("restored", "large", "sparse");
    assert.equal(statSync(file).size, size);
    for (const offset of offsets) assert.equal(textAt(file, offset, `data at ${offset}`.length), `data at ${offset}`);
    assert.equal(textAt(file, 1_000_000_000, 5), "\0\0\0\0\0");
    assert.ok(allocatedBytes(file) < offsets.length * 8_000_000, "the holes are holes again");
    assert.ok(backup.seconds < 20 && restore.seconds < 20, `backup ${backup.seconds} s, restore ${restore.seconds} s`);
    assert.ok(Number(message(backup, "summary")["data_added"]) < 40_000_000);
  });
});

function textAt(file: string, offset: number, length: number): string {
  const buffer = Buffer.alloc(length);
  const descriptor = openSync(file, "r");
  try {
    readSync(descriptor, buffer, 0, length, offset);
  } finally {
    closeSync(descriptor);
  }
  return buffer.toString("latin1");
}
