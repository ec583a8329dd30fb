// What a restore does about existing entries, damage, full disks, hostile trees, rules, and interruption. Runs as root.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { hasCode } from "../errors.ts";
import { restore } from "./restore.ts";
import type { RestoreRequest } from "./restore-request.ts";
import { everyPath } from "../selection/path-rules.ts";
import type { Repository, StoredSnapshot } from "../store/repository.ts";
import {
  acl,
  assertSameTree,
  capture,
  createRepository,
  describeTree,
  openRepository,
  restoreTo,
  setXattr,
  storeBlobs,
  storeTrees,
  Workplace,
} from "./restore-fixture.ts";

const place = new Workplace();
const source = place.at("source");
let repository: Repository;
let snapshot: StoredSnapshot;
let next = 0;

before(async () => {
  fs.mkdirSync(join(source, "sub", "below"), { recursive: true });
  fs.writeFileSync(join(source, "large"), randomBytes(6_000_000));
  fs.writeFileSync(join(source, "small"), "small content");
  fs.writeFileSync(join(source, "empty"), "");
  fs.writeFileSync(join(source, "sub", "one"), "one");
  fs.writeFileSync(join(source, "sub", "two"), "two");
  fs.writeFileSync(join(source, "sub", "below", "three"), "three");
  fs.symlinkSync("small", join(source, "link"));
  execFileSync("find", [source, "-exec", "touch", "-h", "-d", "2020-01-02 03:04:05.678901234", "{}", "+"]);
  execFileSync("find", [source, "-type", "f", "-exec", "touch", "-a", "-d", "2037-01-01", "{}", "+"]);
  repository = await createRepository(place.at("repository"));
  snapshot = await capture(repository, source);
  await repository[Symbol.asyncDispose]();
  repository = await openRepository(place.at("repository"));
});

after(async () => {
  await repository[Symbol.asyncDispose]();
  place[Symbol.dispose]();
});

/** A target of its own; `fill` puts something there before. */
function target(fill?: (directory: string) => void): string {
  const directory = place.at(`target ${next++}`);
  if (fill) {
    fs.mkdirSync(directory);
    fill(directory);
  }
  return directory;
}

function namesBelow(directory: string): string[] {
  return execFileSync("find", [directory, "-mindepth", "1", "-printf", "%P\\n"], { encoding: "utf8" })
    .split("\n")
    .slice(0, -1)
    .sort();
}

const text = (...names: string[]): string => fs.readFileSync(join(...names), "utf8");

test("everything that stands in the way is replaced, and links are not followed", async () => {
  const outside = place.at("outside");
  fs.mkdirSync(outside);
  fs.writeFileSync(join(outside, "precious"), "precious");
  const directory = target((at) => {
    fs.symlinkSync(outside, join(at, "sub"));
    fs.symlinkSync(join(outside, "precious"), join(at, "small"));
    fs.symlinkSync(join(outside, "precious"), join(at, "large"));
    fs.writeFileSync(join(at, "link"), "a file");
    fs.mkdirSync(join(at, "empty"));
  });
  const { summary, errors } = await restoreTo(repository, snapshot, directory);
  assert.deepEqual(errors, []);
  assertSameTree(directory, source);
  assert.deepEqual(namesBelow(outside), ["precious"]);
  assert.equal(text(outside, "precious"), "precious");
  assert.equal(summary.files.updated, 3);
});

test("a directory that is not empty gives way only with delete", async () => {
  const fill = (at: string): void => void fs.mkdirSync(join(at, "small", "inside"), { recursive: true });
  const kept = target(fill);
  const { errors } = await restoreTo(repository, snapshot, kept);
  assert.equal(errors.length, 1);
  assert.match(errors[0]!, /^write \/small: /);
  assert.ok(fs.existsSync(join(kept, "small", "inside")));
  assert.equal(text(kept, "sub", "one"), "one");
  const replaced = target(fill);
  assert.deepEqual((await restoreTo(repository, snapshot, replaced, { delete: true })).errors, []);
  assertSameTree(replaced, source);
});

for (const { overwrite, small, one, large, files } of [
  {
    overwrite: "always",
    small: "small content",
    one: "one",
    large: true,
    files: { restored: 3, updated: 2, unchanged: 1, skipped: 0 },
  },
  {
    overwrite: "if-changed",
    small: "SMALL CONTENT",
    one: "one",
    large: true,
    files: { restored: 3, updated: 1, unchanged: 2, skipped: 0 },
  },
  {
    overwrite: "if-newer",
    small: "SMALL CONTENT",
    one: "older",
    large: true,
    files: { restored: 3, updated: 0, unchanged: 0, skipped: 3 },
  },
  {
    overwrite: "never",
    small: "SMALL CONTENT",
    one: "older",
    large: true,
    files: { restored: 3, updated: 0, unchanged: 0, skipped: 3 },
  },
] as const) {
  test(`overwrite ${overwrite}`, async () => {
    const directory = target((at) => {
      // The same size and time, but another content.
      fs.writeFileSync(join(at, "small"), "SMALL CONTENT");
      execFileSync("touch", ["-r", join(source, "small"), join(at, "small")]);
      // Newer than the snapshot's.
      fs.mkdirSync(join(at, "sub"));
      fs.writeFileSync(join(at, "sub", "one"), "older");
      // The right content, but newer.
      fs.copyFileSync(join(source, "large"), join(at, "large"));
    });
    const inode = fs.statSync(join(directory, "large")).ino;
    const { summary, errors } = await restoreTo(repository, snapshot, directory, { overwrite });
    assert.deepEqual(errors, []);
    assert.equal(text(directory, "small"), small);
    assert.equal(text(directory, "sub", "one"), one);
    assert.equal(text(directory, "large") === text(source, "large"), large);
    assert.equal(fs.statSync(join(directory, "large")).ino, inode, "right content was written again");
    assert.deepEqual(summary.files, files);
    if (overwrite === "always") assertSameTree(directory, source);
  });
}

test("overwrite if-newer replaces what is older", async () => {
  const directory = target((at) => {
    fs.writeFileSync(join(at, "small"), "old");
    execFileSync("touch", ["-d", "2019-01-01", join(at, "small")]);
  });
  await restoreTo(repository, snapshot, directory, { overwrite: "if-newer" });
  assertSameTree(directory, source);
});

test("what a directory gives new files is taken from them again", async () => {
  const directory = target((at) => {
    const below = join(at, "sub");
    fs.mkdirSync(below);
    fs.chownSync(below, 0, 12345);
    fs.chmodSync(below, 0o2777);
    const nobody = 0xffffffff;
    const entries = [
      [1, 7, nobody],
      [2, 7, 4321],
      [4, 5, nobody],
      [16, 7, nobody],
      [32, 5, nobody],
    ] as const;
    setXattr(below, "system.posix_acl_default", acl(entries));
    fs.writeFileSync(join(below, "inherits"), "");
    assert.equal(fs.statSync(join(below, "inherits")).gid, 12345);
    assert.ok(describeTree(at).facts.get("/sub/inherits")!.includes("posix_acl_access"));
    fs.rmSync(join(below, "inherits"));
  });
  const { errors } = await restoreTo(repository, snapshot, directory);
  assert.deepEqual(errors, []);
  assertSameTree(directory, source);
});

test("delete removes what the snapshot does not have, as far as the rules select it", async () => {
  const fill = (at: string): void => {
    fs.mkdirSync(join(at, "sub", "foreign", "deep"), { recursive: true });
    fs.writeFileSync(join(at, "sub", "foreign", "deep", "file"), "");
    fs.symlinkSync(source, join(at, "foreign link"));
  };
  const all = target(fill);
  const { summary } = await restoreTo(repository, snapshot, all, { delete: true });
  assertSameTree(all, source);
  assert.equal(summary.deleted, 2);
  assert.equal(text(source, "small"), "small content");
  const some = target(fill);
  await restoreTo(repository, snapshot, some, { delete: true, rules: { ...everyPath, include: ["/sub"] } });
  assert.deepEqual(namesBelow(some), ["foreign link", "sub", "sub/below", "sub/below/three", "sub/one", "sub/two"]);
});

test("a dry run changes nothing and says the same", async () => {
  const missing = target();
  const dry = await restoreTo(repository, snapshot, missing, { dryRun: true });
  assert.ok(!fs.existsSync(missing));
  const wet = await restoreTo(repository, snapshot, missing);
  assert.deepEqual(
    [dry.summary.files, dry.summary.dirs, dry.summary.others],
    [wet.summary.files, wet.summary.dirs, wet.summary.others],
  );
  const there = target((at) => fs.writeFileSync(join(at, "small"), "x"));
  await restoreTo(repository, snapshot, there, { dryRun: true, delete: true });
  assert.deepEqual(namesBelow(there), ["small"]);
  assert.equal(text(there, "small"), "x");
});

test("rules and subfolders", async () => {
  const excluded = target();
  await restoreTo(repository, snapshot, excluded, { rules: { ...everyPath, exclude: ["below", "*.none", "/large"] } });
  assert.deepEqual(namesBelow(excluded), ["empty", "link", "small", "sub", "sub/one", "sub/two"]);
  const included = target();
  const { summary } = await restoreTo(repository, snapshot, included, { rules: { ...everyPath, include: ["three"] } });
  assert.deepEqual(namesBelow(included), ["sub", "sub/below", "sub/below/three"]);
  // Parents get their metadata, too.
  assert.equal(fs.statSync(join(included, "sub")).mtimeMs, fs.statSync(join(source, "sub")).mtimeMs);
  assert.equal(summary.files.restored, 1);
  const folder = target();
  await restoreTo(repository, snapshot, folder, { subfolder: "/source/sub" });
  assertSameTree(folder, join(source, "sub"));
  await assert.rejects(restoreTo(repository, snapshot, folder, { subfolder: "/source/none" }), (error) =>
    hasCode(error, "not-found"),
  );
  await assert.rejects(restoreTo(repository, snapshot, folder, { subfolder: "/source/small" }), (error) =>
    hasCode(error, "not-found"),
  );
});

test("a full target ends the restore and leaves no incomplete file", async () => {
  const directory = target(() => undefined);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=3m", "tmpfs", directory]);
  try {
    await assert.rejects(restoreTo(repository, snapshot, directory), (error) => hasCode(error, "no-space"));
    for (const name of namesBelow(directory)) {
      assert.doesNotMatch(name, /holdfast/);
      if (fs.lstatSync(join(directory, name)).isFile()) assert.equal(text(directory, name), text(source, name), name);
    }
    assert.ok(!fs.existsSync(join(directory, "large")));
  } finally {
    execFileSync("umount", [directory]);
  }
});

for (const when of ["before it begins", "when the first bytes are written"]) {
  test(`a restore interrupted ${when} leaves whole files only`, async () => {
    const stop = new AbortController();
    if (when === "before it begins") stop.abort();
    const directory = target();
    const request: RestoreRequest = {
      snapshot,
      subfolder: "/source",
      target: directory,
      rules: everyPath,
      overwrite: "always",
      delete: false,
      sparse: false,
      verify: false,
      dryRun: false,
      signal: stop.signal,
    };
    const running = restore(
      repository,
      request,
      (event) => event.kind === "progress" && event.bytesDone > 0 && stop.abort(),
    );
    await assert.rejects(running, (error) => hasCode(error, "interrupted"));
    for (const name of namesBelow(directory)) {
      assert.doesNotMatch(name, /holdfast/);
      if (fs.lstatSync(join(directory, name)).isFile()) assert.equal(text(directory, name), text(source, name), name);
    }
  });
}

test("a damaged blob costs its file only, and is named", async () => {
  const copy = place.at("damaged");
  fs.cpSync(place.at("repository"), copy, { recursive: true });
  await using whole = await openRepository(copy);
  const node = (await whole.loadTree((await whole.loadTree(snapshot.tree))[0]!.subtree!)).find(
    ({ name }) => name.toString() === "large",
  )!;
  const id = node.content![1]!;
  const location = (await whole.loadIndex()).locations(id, "data")[0]!;
  const pack = join(copy, "data", location.pack.slice(0, 2), location.pack);
  const bytes = fs.readFileSync(pack);
  bytes[location.offset + 100]! ^= 1;
  fs.chmodSync(pack, 0o600);
  fs.writeFileSync(pack, bytes);
  const directory = target((at) => fs.writeFileSync(join(at, "large"), "the old one"));
  const { errors } = await restoreTo(whole, snapshot, directory);
  assert.equal(errors.length, 1);
  assert.match(errors[0]!, new RegExp(`^read /large: .*${id}.*${location.pack}`));
  assert.equal(text(directory, "large"), "the old one");
  assert.deepEqual(namesBelow(directory), namesBelow(source));
  assert.equal(text(directory, "small"), "small content");

  fs.rmSync(pack);
  const without = target();
  const missing = await restoreTo(whole, snapshot, without);
  assert.match(missing.errors[0]!, /its pack is missing/);
  assert.ok(!fs.existsSync(join(without, "large")));
  assert.ok(fs.lstatSync(join(without, "link")).isSymbolicLink());
});

test("hostile and damaged trees", async () => {
  const copy = place.at("hostile");
  fs.cpSync(place.at("repository"), copy, { recursive: true });
  await using preparing = await openRepository(copy);
  const times = `"mtime":"2020-01-01T00:00:00Z","atime":"2020-01-01T00:00:00Z","ctime":"2020-01-01T00:00:00Z","uid":0,"gid":0`;
  const tree = (...nodes: string[]): Buffer => Buffer.from(`{"nodes":[${nodes.join(",")}]}\n`);
  const [evil] = await storeTrees(preparing, [
    tree(`{"name":"../evil","type":"file","mode":420,${times},"content":[]}`),
  ]);
  const blob = (await preparing.loadTree((await preparing.loadTree(snapshot.tree))[0]!.subtree!)).find(
    ({ name }) => name.toString() === "small",
  )!.content![0]!;
  // Well sealed, but not what its id says.
  await storeBlobs(preparing, "data", [{ content: Buffer.from("wrong"), id: "2".repeat(64) }]);
  const [root] = await storeTrees(preparing, [
    tree(
      `{"name":"dir","type":"dir","mode":2147484141,${times},"content":null,"subtree":"${evil}"}`,
      `{"name":"gone","type":"dir","mode":2147484141,${times},"content":null,"subtree":"${"0".repeat(64)}"}`,
      `{"name":"odd","type":"irregular","mode":420,${times},"content":null}`,
      `{"name":"size","type":"file","mode":420,${times},"size":1152921504606846976,"content":["${blob}"]}`,
      `{"name":"unknown blob","type":"file","mode":420,${times},"size":5,"content":["${"1".repeat(64)}"]}`,
      `{"name":"wrong blob","type":"file","mode":420,${times},"size":5,"content":["${"2".repeat(64)}"]}`,
    ),
  ]);
  await using hostile = await openRepository(copy);
  const directory = target();
  const { errors } = await restoreTo(hostile, { ...snapshot, tree: root! }, directory, { subfolder: "/" });
  assert.equal(errors.length, 6, errors.join("\n"));
  assert.deepEqual(namesBelow(directory), ["dir", "gone", "size"]);
  assert.equal(text(directory, "size"), "small content");
  assert.ok(!fs.existsSync(place.at("evil")));
});
