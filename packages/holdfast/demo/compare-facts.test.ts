// Each kind of difference between two trees is found, and nothing else.

import assert from "node:assert/strict";
import {
  appendFileSync,
  chmodSync,
  chownSync,
  copyFileSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { currentDirectory, openLibc } from "@holdfast/repository";
import { compareFacts, touchedFiles, type Aspect, type Comparison } from "./compare-facts.ts";
import { makePeculiarEntries } from "./peculiar-entries.ts";
import { rawPath } from "../filesystem/raw-path.ts";
import { readTreeFacts, type TreeFacts } from "./tree-facts.ts";
import { Xattrs } from "./xattrs.ts";

const calls = openLibc();
const signal = new AbortController().signal;
const seconds = 1_700_000_000n * 1_000_000_000n;

let root = "";
const at = (name: string): string => join(root, name);
const facts = (): Promise<TreeFacts> => readTreeFacts(rawPath(root), calls, signal);
/** So that a change of content changes nothing else. */
const setTime = (name: string, mtimeNs: bigint): void => {
  assert.ok(calls.utimensat(currentDirectory, Buffer.from(at(name)), mtimeNs, mtimeNs) >= 0);
};

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "holdfast-compare-"));
  writeFileSync(at("file"), "content");
  mkdirSync(at("directory"));
  symlinkSync("target", at("link"));
  for (const name of ["one", "two"]) writeFileSync(at(name), "the same");
  linkSync(at("two"), at("two again"));
  writeFileSync(at("attributes"), "");
  assert.ok(new Xattrs(calls).set(rawPath(at("attributes")), "user.a", Buffer.from("value")));
  calls.mknodat(currentDirectory, Buffer.from(at("device")), 0o020600, 0x0103n);
  calls.mknodat(currentDirectory, Buffer.from(at("pipe")), 0o010600, 0n);
  for (const name of ["file", "link", "one", "two", "attributes", "device", "pipe", "directory", "."])
    setTime(name, seconds);
});
afterEach(() => rmSync(root, { recursive: true }));

/** What is found after `change`, as `path: aspect`. */
async function found(change: () => void): Promise<string[]> {
  const before = await facts();
  change();
  for (const name of [".", "directory"]) setTime(name, seconds);
  const { differences } = compareFacts(before, await facts());
  return differences.map(({ path, aspect }) => `${path}: ${aspect}`);
}

const changes: Record<string, readonly [change: () => void, ...found: `${string}: ${Aspect}`[]]> = {
  "one byte of the content": [
    () => {
      writeFileSync(at("file"), "cOntent");
      setTime("file", seconds);
    },
    "file: content",
  ],
  "more content": [
    () => {
      appendFileSync(at("file"), "!");
      setTime("file", seconds);
    },
    "file: size",
    "file: content",
  ],
  "a nanosecond": [() => setTime("file", seconds + 1n), "file: modification time"],
  "a nanosecond of a link": [() => setTime("link", seconds + 1n), "link: modification time"],
  "the mode of a file": [() => chmodSync(at("file"), 0o755), "file: mode"],
  "the sticky bit of a directory": [() => chmodSync(at("directory"), 0o1700), "directory: mode"],
  "the owner": [() => chownSync(at("file"), 1, lstatSync(at("file")).gid), "file: owner"],
  "the group": [() => chownSync(at("file"), lstatSync(at("file")).uid, 1), "file: owner"],
  "the target of a link": [
    () => {
      unlinkSync(at("link"));
      symlinkSync("Target", at("link"));
      setTime("link", seconds);
    },
    "link: link target",
  ],
  "a hard link that became a copy": [
    () => {
      renameSync(at("two again"), at("copy"));
      copyFileSync(at("copy"), at("two again"));
      unlinkSync(at("copy"));
      setTime("two again", seconds);
    },
    "two again: hard links",
  ],
  "a copy that became a hard link": [
    () => {
      unlinkSync(at("two"));
      linkSync(at("one"), at("two"));
    },
    "two: hard links",
    "two again: hard links",
  ],
  "the value of an attribute": [
    () => void new Xattrs(calls).set(rawPath(at("attributes")), "user.a", Buffer.from("Value")),
    "attributes: extended attributes",
  ],
  "an attribute that is gone": [
    () => void calls.removexattr(Buffer.from(at("attributes")), Buffer.from("user.a")),
    "attributes: extended attributes",
  ],
  "an attribute more": [
    () => void new Xattrs(calls).set(rawPath(at("directory")), "user.b", Buffer.alloc(0)),
    "directory: extended attributes",
  ],
  "the number of a device": [
    () => {
      unlinkSync(at("device"));
      calls.mknodat(currentDirectory, Buffer.from(at("device")), 0o020600, 0x0105n);
      setTime("device", seconds);
    },
    "device: device",
  ],
  "another type": [
    () => {
      unlinkSync(at("pipe"));
      writeFileSync(at("pipe"), "", { mode: 0o600 });
      setTime("pipe", seconds);
    },
    "pipe: type",
  ],
  "a file that is missing": [() => unlinkSync(at("file")), "file: presence"],
  "a file too many": [() => writeFileSync(at("surplus"), ""), "surplus: presence"],
  "a directory too many": [() => mkdirSync(at("surplus")), "surplus: presence"],
  "a name that differs in a byte": [() => renameSync(at("file"), at("File")), "file: presence", "File: presence"],
};

describe("the comparison", () => {
  for (const [name, [change, ...expected]] of Object.entries(changes)) {
    it(`finds ${name}`, async () => assert.deepEqual(await found(change), expected));
  }

  it("finds nothing where nothing changed but times of reading", async () => {
    assert.deepEqual(await found(() => void readFileSync(at("file"))), []);
  });

  it("counts entries, files and equal files", async () => {
    const before = await facts();
    unlinkSync(at("file"));
    chmodSync(at("directory"), 0o711);
    chmodSync(at("one"), 0o640);
    const { entries, files, filesEqual }: Comparison = compareFacts(before, await facts());
    assert.deepEqual([entries, files, filesEqual], [10, 5, 3]);
  });

  it("leaves out what cannot be expected, and only that", async () => {
    const before = await facts();
    chmodSync(at("one"), 0o640);
    chmodSync(at("two"), 0o640);
    const comparison = compareFacts(before, await facts(), (path, aspect) => path === "one" && aspect === "mode");
    assert.deepEqual(
      comparison.differences.map(({ path }) => path),
      ["two", "two again"],
    );
  });

  it("knows the names of the peculiar entries apart", async () => {
    const { made, notPossible } = makePeculiarEntries(rawPath(at("peculiar")), calls);
    assert.ok(made.includes("odd names") && made.includes("access control lists"), String(made));
    assert.deepEqual(notPossible, []);
    const labels = [...(await facts()).keys()];
    assert.ok(labels.includes("peculiar/not UTF-8: \xff\xfe\x80"));
    assert.ok(labels.some((label) => label.length === "peculiar/".length + 255));
  });
});

describe("the files that a second backup must read", () => {
  it("are those that are new or touched", async () => {
    const before = await facts();
    writeFileSync(at("file"), "longer content");
    chmodSync(at("one"), 0o600);
    writeFileSync(at("new"), "123");
    assert.deepEqual(touchedFiles(before, await facts()), { files: 3, sizeBytes: 14 + 8 + 3 });
    assert.deepEqual(touchedFiles(new Map(), await facts()).files, 6);
  });
});
