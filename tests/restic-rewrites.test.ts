// The same changes of the same snapshots by Holdfast and by restic, the same searches and listings: all equal.
import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { cpSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { expectStatus, jsonLines, type Outcome } from "./support/programs.ts";
import { makeOddTree } from "./support/sample-tree.ts";
import { Workplace } from "./support/workplace.ts";

const place = new Workplace("restic-rewrites");
const original = place.repository;
after(() => place[Symbol.dispose]());

before(() => {
  makeOddTree(place.at("source", "odd"));
  mkdirSync(place.at("source", "folder", "below"), { recursive: true });
  for (const name of ["folder/one.txt", "folder/below/two.TXT", "three.log"]) place.write(`source/${name}`, name);
  writeFileSync(Buffer.concat([Buffer.from(place.at("source", "n")), Buffer.of(0xff, 0xfe)]), "not UTF-8");
  symlinkSync("one.txt", place.at("source", "folder", "link"));
  place.init();
  place.backup("source", "--tag", "first");
  place.write("source/new.txt", "new");
  // Times in the trees and in the snapshot are those of another zone.
  place.environment["TZ"] = "Asia/Kolkata";
  place.resticBackup("restic", "source", "--tag", "zone,second", "--host", "elsewhere", "--force");
  place.environment["TZ"] = "UTC";
  rmSync(place.at("source", "three.log"));
  place.resticBackup("resticOld", "source/folder");
});

type Stored = Record<string, unknown>;

/** All that the snapshots say, without their ids, which differ with every encryption. */
function snapshotsIn(repository: string): string[] {
  place.repository = repository;
  const list = JSON.parse(place.resticDone("snapshots", "--json").stdout.toString()) as Stored[];
  place.repository = original;
  return list.map(({ id: _, short_id: __, ...rest }) => JSON.stringify(rest)).toSorted();
}

/** Runs the command by either program on its own copy; what both made of it. */
function byBoth(...words: string[]): { ours: Outcome; theirs: Outcome; snapshots: string[] } {
  const [our, their] = [place.at("ours"), place.at("theirs")];
  for (const copy of [our, their]) {
    rmSync(copy, { recursive: true, force: true });
    cpSync(original, copy, { recursive: true });
  }
  place.repository = our;
  const ours = expectStatus(place.holdfast(words), 0);
  place.repository = their;
  const theirs = expectStatus(place.restic(words), 0);
  const snapshots = snapshotsIn(our);
  assert.deepEqual(snapshots, snapshotsIn(their));
  return { ours, theirs, snapshots };
}

describe("rewrite", () => {
  const cases: [words: string[], count: number][] = [
    [["--exclude", "*.txt", "--exclude", "/nothing"], 6],
    [["--iexclude", "*.txt", "--forget"], 3],
    [["--exclude", "n??", "--tag", "zone"], 4],
    [["--include", "*.txt", "--include", "odd", "--forget"], 3],
    [["--new-host", "new", "--new-time", "2020-02-03 04:05:06", "latest"], 4],
    [["--snapshot-summary"], 4],
  ];
  for (const [words, count] of cases) {
    it(`makes the same snapshots and trees of ${words.join(" ")}`, () => {
      const { snapshots } = byBoth("rewrite", ...words);
      assert.equal(snapshots.length, count);
      place.repository = place.at("ours");
      place.resticChecks();
      place.repository = original;
    });
  }

  it("changes nothing in a dry run, nor where nothing matches, and says so", () => {
    const before = snapshotsIn(original);
    const dry = place.done("rewrite", "--exclude", "*", "--forget", "--dry-run").stdout.toString();
    assert.match(dry, /would modify 3 snapshots/);
    assert.match(place.done("rewrite", "--include", "nowhere").stdout.toString(), /no snapshots were modified/);
    assert.deepEqual(snapshotsIn(original), before);
    for (const words of [["--exclude", "a", "--include", "b"], ["--forget"], ["--new-time", "yesterday"]])
      expectStatus(place.holdfast(["rewrite", ...words]), 2);
  });
});

describe("tag", () => {
  for (const words of [
    ["--add", "a,b", "--remove", "second"],
    ["--set", "x,y", "--set", "z", "--tag", "zone"],
  ]) {
    it(`makes the same of ${words.join(" ")}, in words and in JSON`, () => {
      const { ours, theirs } = byBoth("tag", "--json", ...words);
      const [our, their] = [ours, theirs].map((outcome) =>
        jsonLines(outcome.stdout)
          .map((line): Stored => ({ ...line, new_snapshot_id: typeof line["new_snapshot_id"] }))
          .map((line) => JSON.stringify(line))
          .toSorted(),
      );
      assert.deepEqual(our, their);
      assert.ok(our!.length > 1);
    });
  }

  it("keeps the first id as the original through several changes", () => {
    place.repository = place.at("ours");
    rmSync(place.repository, { recursive: true, force: true });
    cpSync(original, place.repository, { recursive: true });
    const [first] = place.snapshots();
    place.done("tag", "--add", "a", first!);
    place.resticDone("tag", "--add", "b", "--tag", "a");
    place.done("tag", "--set", "", "--tag", "a,b");
    const all = JSON.parse(place.done("snapshots", "--json").stdout.toString()) as Stored[];
    const changed = all.find((each) => each["original"] === first);
    assert.deepEqual([changed?.["tags"], all.length], [undefined, 3]);
    place.repository = original;
  });
});

/**
 * JSON in a form that both programs print. Holdfast shows times of files in the local zone, restic in that of the tree;
 * and only Holdfast tells paths that are not UTF-8.
 */
function comparable(output: Buffer): unknown {
  const instants = output
    .toString()
    .replace(/"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"/g, (time, fraction: string = "") => {
      return `"${Date.parse((JSON.parse(time) as string).replace(fraction, ""))}${fraction}"`;
    });
  return JSON.parse(instants, (key, each: unknown) => (key === "path_base64" ? undefined : each));
}

function assertSameOutput(...words: string[]): string {
  const [ours, theirs] = [place.done(...words).stdout, place.resticDone("-q", ...words).stdout];
  if (words.includes("--json")) assert.deepEqual(comparable(ours), comparable(theirs));
  else assert.equal(ours.toString(), theirs.toString());
  return ours.toString();
}

describe("find", () => {
  it("finds the same by patterns", () => {
    assert.match(assertSameOutput("find", "--json", "*.txt", "n??", "link", "odd"), /path_base64/);
    assertSameOutput("find", "--json", "-i", "*.txt", "--reverse", "--tag", "first");
    assertSameOutput("find", "-q", "-l", "*.txt", "--newest", "2100-01-01", "--oldest", "01.02.2020 10:00");
    assert.equal(assertSameOutput("find", "--json", "*.txt", "--newest", "2001-01-01"), "[]\n");
    assert.match(
      place.done("find", "three.log").stdout.toString(),
      /^Found matching entries in snapshot .*\n.*\/three\.log\n/,
    );
  });

  it("finds the same by ids of blobs, trees and packs", () => {
    // A file of one chunk.
    const blob = hash("sha256", "new");
    assert.match(
      assertSameOutput("find", "--blob", "-q", blob, "--show-pack-id"),
      /Found blob .*\n.*\n.*\n.*\n[^]*Object belongs/,
    );
    assertSameOutput("find", "--blob", "--json", blob.slice(0, 8));
    const [snapshot] = JSON.parse(place.resticDone("snapshots", "--json").stdout.toString()) as { tree: string }[];
    assert.match(assertSameOutput("find", "--tree", "-q", snapshot!.tree), / \.\.\. path \/\n/);
    const blobs = jsonLines(place.done("list", "blobs", "--json").stdout);
    for (const type of ["data", "tree"]) {
      const pack = String(blobs.find((each) => each["type"] === type)!["pack"]);
      const [ours, theirs] = [place.done, place.resticDone].map((program) => {
        const found = comparable(program.call(place, "find", "--json", "--pack", pack).stdout) as Stored[];
        return found.map((each) => JSON.stringify(each));
      });
      // restic stops when it has met as many trees as there are: it may know fewer places.
      assert.ok(theirs!.length > 0 && theirs!.every((each) => ours!.includes(each)));
      assert.match(ours![0]!, type === "data" ? /"object_type":"blob"/ : /"object_type":"tree"/);
    }
  });

  it("refuses what makes no sense, and names what is not there", () => {
    for (const words of [
      ["--blob", "xyz"],
      ["--blob", "--tree", "ab"],
      ["--oldest", "soon", "a"],
    ])
      expectStatus(place.holdfast(["find", ...words]), 2);
    expectStatus(place.holdfast(["find", "-O", "2026-01-02", "-N", "2026-01-01", "a"]), 2);
    expectStatus(place.holdfast(["find", "--pack", "0000000000"]), 1);
  });
});

describe("ls", () => {
  it("lists in the same orders, and the same for ncdu", () => {
    for (const words of [
      ["--sort", "size", "--reverse"],
      ["-s", "extension"],
    ])
      assertSameOutput("ls", "-q", "latest:/source/folder", ...words);
    const [ours, theirs] = [place.done, place.resticDone].map((program) => {
      const { stdout } = program.call(place, "ls", "-q", "--ncdu", "latest", "/source/folder");
      return comparable(stdout);
    });
    assert.deepEqual(ours, theirs);
    expectStatus(place.holdfast(["ls", "--ncdu", "--reverse", "latest"]), 2);
  });
});

describe("stats", () => {
  for (const mode of ["restore-size", "files-by-contents", "blobs-per-file", "raw-data"]) {
    it(`counts the same in ${mode}: of all and of some`, () => {
      assertSameOutput("stats", "--json", "--mode", mode);
      assertSameOutput("stats", "--json", "--mode", mode, "--tag", "first", "--tag", "zone");
    });
  }

  it("shows the sizes of all files and blobs for debugging", () => {
    const [text] = place.done("stats", "--mode", "debug", "--json", "--no-lock").stdout.toString().split("\n");
    const sizes = JSON.parse(text!) as {
      kind: string;
      type: string;
      count: number;
      total_size: number;
      sizes: object[];
    }[];
    const packs = place.storeFiles("data");
    const found = sizes.find(({ kind, type }) => kind === "file" && type === "pack")!;
    assert.deepEqual(
      [found.count, found.total_size],
      [packs.length, packs.reduce((sum, each) => sum + each.sizeBytes, 0)],
    );
    const blobs = jsonLines(place.done("list", "blobs", "--json").stdout);
    for (const type of ["data", "tree"]) {
      const { count } = sizes.find((each) => each.kind === "blob" && each.type === type)!;
      assert.equal(count, blobs.filter((each) => each["type"] === type).length);
    }
    const shown = place.done("stats", "--mode", "debug").stdout.toString();
    assert.match(shown, /File Type: key\nCount: 1\nTotal Size: \d+ B\n +Size  Count\n-+\n100 - 999 Byte {2}1\n/);
  });
});
