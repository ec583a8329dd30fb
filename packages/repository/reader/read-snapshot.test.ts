// Walks, comparisons and dumps of snapshots, beside restic's.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { hasCode } from "../errors.ts";
import type { Repository, StoredSnapshot } from "../store/repository.ts";
import { diff } from "./diff.ts";
import type { Change } from "./diff.ts";
import { dump } from "./dump.ts";
import { findNode, findTree } from "./find-node.ts";
import {
  assertSameTree,
  capture,
  createRepository,
  openRepository,
  restic,
  storeTrees,
  Workplace,
} from "./restore-fixture.ts";
import { walk } from "./walk.ts";

const place = new Workplace();
const source = place.at("source");
let repository: Repository;
let first: StoredSnapshot;
let second: StoredSnapshot;

before(async () => {
  fs.mkdirSync(join(source, "kept", "below"), { recursive: true });
  fs.mkdirSync(join(source, "removed", "deep"), { recursive: true });
  for (const name of [
    "changed",
    "touched",
    "removed/deep/file",
    "removed/other",
    "becomes link",
    "kept/below/file",
    "mode",
  ]) {
    fs.writeFileSync(join(source, name), `${name}${randomBytes(50).toString("hex")}`);
  }
  fs.writeFileSync(join(source, "large"), randomBytes(7_000_001));
  fs.writeFileSync(Buffer.concat([Buffer.from(`${source}/`), Buffer.from([0xff, 0xfe])]), "no text");
  fs.writeFileSync(join(source, "n".repeat(200)), "a long name");
  fs.symlinkSync("l".repeat(150), join(source, "long link"));
  fs.symlinkSync("large", join(source, "link"));
  execFileSync("mkfifo", [join(source, "fifo")]);
  fs.writeFileSync(join(source, "attributes"), "a");
  execFileSync("python3", [
    "-c",
    "import os,sys; os.setxattr(sys.argv[1], 'user.some', b'va\\nlue')",
    join(source, "attributes"),
  ]);
  fs.chmodSync(join(source, "mode"), 0o4711);
  execFileSync("touch", ["-d", "2001-02-03 04:05:06.123456789", join(source, "mode")]);
  const made = await createRepository(place.at("repository"));
  first = await capture(made, source);
  fs.appendFileSync(join(source, "changed"), "more");
  execFileSync("touch", ["-d", "2002-02-03", join(source, "touched")]);
  fs.rmSync(join(source, "removed"), { recursive: true });
  fs.rmSync(join(source, "becomes link"));
  fs.symlinkSync("x", join(source, "becomes link"));
  fs.mkdirSync(join(source, "added", "sub"), { recursive: true });
  fs.writeFileSync(join(source, "added", "sub", "new"), "new content");
  await made[Symbol.asyncDispose]();
  const again = await openRepository(place.at("repository"));
  second = await capture(again, source);
  await again[Symbol.asyncDispose]();
  repository = await openRepository(place.at("repository"));
});

after(async () => {
  await repository[Symbol.asyncDispose]();
  place[Symbol.dispose]();
});

const noDamage = (path: Buffer, error: Error): void => assert.fail(`${path.toString()}: ${error.message}`);

test("a walk meets what restic lists, in its order", async () => {
  const ours: string[] = [];
  for await (const { path, node } of walk(repository, first.tree, { report: noDamage }))
    ours.push(`${node.type} ${path.toString()}`);
  const listed = restic(place.at("repository"), "ls", "--json", first.id)
    .toString()
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { type?: string; path?: string });
  const theirs = listed.filter(({ path }) => path !== undefined).map(({ type, path }) => `${type} ${path}`);
  assert.deepEqual(ours, theirs);
});

test("a walk reports trees that are missing or nested without end, and goes on", async () => {
  const times = `"mtime":"2020-01-01T00:00:00Z","atime":"2020-01-01T00:00:00Z","ctime":"2020-01-01T00:00:00Z","uid":0,"gid":0`;
  const directory = (name: string, subtree: string): string =>
    `{"name":"${name}","type":"dir",${times},"content":null,"subtree":"${subtree}"}`;
  const tree = (...nodes: string[]): Buffer => Buffer.from(`{"nodes":[${nodes.join(",")}]}\n`);
  const trees = [tree()];
  const { idOf } = await import("../format/id.ts");
  for (let depth = 0; depth < 2100; depth++) trees.push(tree(directory("d", idOf(trees.at(-1)!))));
  trees.push(
    tree(
      directory("deep", idOf(trees.at(-1)!)),
      directory("missing", "0".repeat(64)),
      `{"name":"rest","type":"file",${times},"content":[]}`,
    ),
  );
  using copy = new Workplace();
  fs.cpSync(place.at("repository"), copy.at("repository"), { recursive: true });
  await using storing = await openRepository(copy.at("repository"));
  const ids = await storeTrees(storing, trees);
  await using strange = await openRepository(copy.at("repository"));
  const reported: string[] = [];
  let last = "";
  for await (const { path } of walk(strange, ids.at(-1)!, { report: (_path, error) => reported.push(error.code) }))
    last = path.toString();
  assert.deepEqual(reported, ["hostile", "damaged"]);
  assert.equal(last, "/rest");
});

for (const metadata of [false, true]) {
  test(`a comparison says what restic's says${metadata ? ", metadata included" : ""}`, async () => {
    const ours: { path: string; modifier: string }[] = [];
    const changes = diff(repository, first.tree, second.tree, { metadata, report: noDamage });
    let step: IteratorResult<Change, Awaited<ReturnType<typeof changes.return>>["value"]> = await changes.next();
    for (; !step.done; step = await changes.next())
      ours.push({ path: step.value.path.toString(), modifier: step.value.modifier });
    const words = ["diff", "--json", ...(metadata ? ["--metadata"] : []), first.id, second.id];
    const lines = restic(place.at("repository"), ...words)
      .toString()
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const theirs = lines
      .filter((line) => line["message_type"] === "change")
      .map(({ path, modifier }) => ({ path, modifier }));
    assert.deepEqual(ours, theirs);
    assert.ok(ours.length >= 8);
    const { changed_files, added, removed } = lines.find((line) => line["message_type"] === "statistics")!;
    const shaped = (counts: object): object =>
      Object.fromEntries(
        Object.entries(counts).map(([name, value]) => [
          name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
          value as number,
        ]),
      );
    const statistics = step.value as unknown as { changedFiles: number; added: object; removed: object };
    assert.deepEqual(
      [statistics.changedFiles, shaped(statistics.added), shaped(statistics.removed)],
      [changed_files, added, removed],
    );
  });
}

async function dumped(path: string, options: Partial<Parameters<typeof dump>[1]> = {}): Promise<Buffer> {
  const pieces: Buffer[] = [];
  await dump(repository, {
    snapshot: first,
    subfolder: Buffer.from("/source"),
    path: Buffer.from(path),
    archive: "tar",
    mayWriteArchive: true,
    write: async (bytes) => void pieces.push(Buffer.from(bytes)),
    ...options,
  });
  return Buffer.concat(pieces);
}

test("a dumped file is the file", async () => {
  assert.deepEqual(await dumped("/large"), fs.readFileSync(join(source, "large")));
  assert.deepEqual(await dumped("kept/below/file"), fs.readFileSync(join(source, "kept/below/file")));
});

test("a dumped folder is an archive that tar unpacks to the same tree", async () => {
  const archive = place.at("archive.tar");
  fs.writeFileSync(archive, await dumped("/"));
  const [ours, theirs] = [place.at("unpacked"), place.at("restored")];
  fs.mkdirSync(ours);
  execFileSync("tar", ["--xattrs", "--xattrs-include=*", "--same-owner", "-p", "-xf", archive, "-C", ours]);
  restic(place.at("repository"), "restore", `${first.id}:/source`, "--target", theirs);
  // tar does not bring back times of access; the archive has them.
  for (const directory of [ours, theirs])
    execFileSync("find", [directory, "-type", "f", "-exec", "touch", "-a", "-d", "2037-01-01", "{}", "+"]);
  assertSameTree(ours, theirs);
});

test("what cannot be dumped is refused before anything is written", async () => {
  const write = (): never => assert.fail("something was written");
  await assert.rejects(dumped("/none", { write }), (error) => hasCode(error, "not-found"));
  await assert.rejects(dumped("/large/below", { write }), (error) => hasCode(error, "not-found"));
  await assert.rejects(dumped("/fifo", { write }), (error) => hasCode(error, "usage"));
  await assert.rejects(dumped("/", { write, mayWriteArchive: false }), (error) => hasCode(error, "usage"));
  await assert.rejects(dumped("/", { write, archive: "zip" }), (error) => hasCode(error, "unsupported"));
  await assert.rejects(dumped("/large", { write: async () => Promise.reject(new Error("full")) }), /full/);
});

test("nodes are found by their raw names", async () => {
  const name = Buffer.concat([Buffer.from("/source/"), Buffer.from([0xff, 0xfe])]);
  assert.equal((await findNode(repository, first.tree, name))?.size, 7n);
  assert.equal(await findNode(repository, first.tree, Buffer.from("//./")), null);
  assert.equal(await findTree(repository, first.tree, Buffer.from("/")), first.tree);
});
