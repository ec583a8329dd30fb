// The format against restic itself: what restic 0.19 and 0.14 wrote is read and written again byte for byte,
// and what we wrote is read by restic.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Sealer, type MasterKey } from "../codec/seal.ts";
import { Compressor, Decompressor } from "../codec/zstd.ts";
import { Kernel } from "../kernel/kernel.ts";
import { decodeConfig, encodeConfig } from "./config.ts";
import { goModeOfUnixMode } from "./file-mode.ts";
import { createTimeFormatter } from "./go-time.ts";
import { addNewerRarities, makeSource, nastyNames, removeNewerRarities } from "./golden-source.ts";
import { idOf, isId } from "./id.ts";
import { encodeIndex, indexIdsBytes, parseIndexFile, type IndexedPack } from "./index-file.ts";
import { createKeyFile, createMasterKey, openKeyFile, parseKeyFile } from "./key-file.ts";
import { decodeLockFile, encodeLockFile } from "./lock-file.ts";
import type { TreeNode } from "./node.ts";
import { parsePackHeader, readPackHeaderLength, sealPack, type PackedBlob } from "./pack.ts";
import { decodeSnapshot, encodeSnapshot } from "./snapshot.ts";
import { encodeTree, parseTree } from "./tree.ts";
import { decodeUnpacked, encodeUnpacked } from "./unpacked.ts";

const password = "correct horse";
// Both programs write times in the local zone: take one with odd offsets, half hours and daylight saving.
const zone = "America/St_Johns";

function requiredBinary(variable: string): string {
  const path = process.env[variable];
  assert.ok(path, `set ${variable} to the path of a restic binary`);
  return path;
}

const kernel = Kernel.alone();
const compressor = new Compressor();
const decompressor = new Decompressor();
const zoneBefore = process.env["TZ"];
let work = "";
let source = "";

before(() => {
  process.env["TZ"] = zone;
  work = mkdtempSync(join(tmpdir(), "holdfast-golden-"));
  source = join(work, "source");
  makeSource(source);
});

after(() => {
  rmSync(work, { recursive: true, force: true });
  if (zoneBefore === undefined) {
    delete process.env["TZ"];
  } else {
    process.env["TZ"] = zoneBefore;
  }
});

interface Opened {
  readonly directory: string;
  readonly sealer: Sealer;
  readonly masterKey: MasterKey;
}

async function openRepository(directory: string): Promise<Opened> {
  const [name] = readdirSync(join(directory, "keys"));
  assert.ok(name);
  const bytes = readFileSync(join(directory, "keys", name));
  assert.equal(idOf(bytes), name);
  const keyFile = parseKeyFile(bytes);
  assert.equal(await openKeyFile(keyFile, "wrong", kernel), null);
  const masterKey = await openKeyFile(keyFile, password, kernel);
  assert.ok(masterKey);
  return { directory, masterKey, sealer: new Sealer(masterKey, kernel) };
}

function documentsOf({ directory, sealer }: Opened, kind: string): Buffer[] {
  const names = readdirSync(join(directory, kind)).filter(isId); // restic writes to other names first
  return names.map((name) => decodeUnpacked(readFileSync(join(directory, kind, name)), name, sealer, decompressor));
}

function readIndex(json: Buffer): { packs: IndexedPack[]; supersedes: string[] } {
  const ids = Buffer.alloc(indexIdsBytes);
  const packs: { id: string; blobs: PackedBlob[] }[] = [];
  const supersedes: string[] = [];
  parseIndexFile(json, {
    ids,
    pack: () => packs.push({ id: ids.toString("hex", 32), blobs: [] }),
    blob: (type, offset, lengthBytes, plainLength) =>
      packs.at(-1)?.blobs.push({ id: ids.toString("hex", 0, 32), type, offset, lengthBytes, plainLength }),
    supersedes: (id) => supersedes.push(id),
  });
  return { packs, supersedes };
}

interface PackContent {
  readonly id: string;
  readonly blobs: PackedBlob[];
  readonly contents: Buffer[];
}

function readPack({ directory, sealer }: Opened, id: string): PackContent {
  const bytes = readFileSync(join(directory, "data", id.slice(0, 2), id));
  assert.equal(idOf(bytes), id);
  const headerBytes = readPackHeaderLength(bytes.subarray(-4), bytes.length);
  const blobs = parsePackHeader(bytes.subarray(-4 - headerBytes, -4), bytes.length, sealer);
  const contents = blobs.map(({ id: blobId, offset, lengthBytes, plainLength }) => {
    const opened = sealer.open(bytes.subarray(offset, offset + lengthBytes));
    const content = plainLength === 0 ? opened : decompressor.decompress(opened, plainLength);
    assert.equal(idOf(content), blobId);
    return content;
  });
  return { id, blobs, contents };
}

function packsOf(repository: Opened): PackContent[] {
  const data = join(repository.directory, "data");
  return readdirSync(data).flatMap((prefix) => readdirSync(join(data, prefix)).map((id) => readPack(repository, id)));
}

/** Compares bytes, showing the surroundings of the first difference only: trees are long. */
function assertSameText(actual: Buffer, expected: Buffer): void {
  if (!actual.equals(expected)) {
    const difference = actual.findIndex((byte, index) => byte !== expected[index]);
    const at = difference < 0 ? actual.length : difference;
    const around = (text: Buffer): string => text.toString("latin1", Math.max(0, at - 200), at + 60);
    assert.equal(around(actual), around(expected));
  }
}

const cases = [
  { title: "restic 0.19", binary: "HOLDFAST_RESTIC", options: [], version: 2, isOld: false },
  { title: "restic 0.14", binary: "HOLDFAST_RESTIC_OLD", options: [], version: 2, isOld: true },
  {
    title: "restic 0.14, version 1",
    binary: "HOLDFAST_RESTIC_OLD",
    options: ["--repository-version=1"],
    version: 1,
    isOld: true,
  },
];

for (const { title, binary, options, version, isOld } of cases) {
  describe(title, () => {
    let repository: Opened;
    const restic = (...args: string[]): string => {
      const env = { ...process.env, TZ: zone, RESTIC_PASSWORD: password, RESTIC_REPOSITORY: join(work, title) };
      return execFileSync(requiredBinary(binary), ["--no-cache", ...args], {
        env,
        encoding: "utf8",
        maxBuffer: 2 ** 28,
      });
    };

    before(async () => {
      if (!isOld) {
        addNewerRarities(source);
      }
      restic("init", ...options);
      restic("backup", "--tag=<a>&b", "--tag=\u2028", "--exclude=*.tmp", '--host=hö"st', source);
      writeFileSync(join(source, "new"), "new");
      restic("backup", source);
      restic("tag", "--add=later");
      rmSync(join(source, "new"));
      removeNewerRarities(source);
      repository = await openRepository(join(work, title));
    });

    test("trees are read and written again byte for byte", () => {
      const formatTime = createTimeFormatter();
      const names = new Set<string>();
      let treeCount = 0;
      for (const { blobs, contents } of packsOf(repository)) {
        for (const content of contents.filter((_, index) => blobs[index]?.type === "tree")) {
          const nodes = parseTree(content);
          assertSameText(encodeTree(nodes, formatTime), content);
          nodes.forEach(({ name }) => names.add(name.toString("hex")));
          treeCount += 1;
        }
      }
      assert.ok(treeCount >= 5);
      for (const name of nastyNames) {
        assert.ok(names.has(Buffer.from(name).toString("hex")), `${name.toString()} was read`);
      }
    });

    test("index, snapshot and config are written again byte for byte", () => {
      const indexes = documentsOf(repository, "index");
      assert.ok(indexes.length >= 2);
      for (const json of indexes) {
        const { packs, supersedes } = readIndex(json);
        assert.deepEqual(supersedes, []);
        assertSameText(encodeIndex(packs), json);
      }
      const snapshots = documentsOf(repository, "snapshots");
      assert.equal(snapshots.length, 2);
      for (const json of snapshots) {
        const snapshot = decodeSnapshot(json);
        assert.deepEqual([snapshot.unknownFields, snapshot.summary?.unknownFields ?? {}], [{}, {}]);
        assert.notEqual(snapshot.original, null);
        assertSameText(encodeSnapshot(snapshot), json);
      }
      const bytes = readFileSync(join(repository.directory, "config"));
      const config = decodeConfig(bytes, repository.sealer);
      assert.equal(config.version, version);
      assertSameText(repository.sealer.open(encodeConfig(config, repository.sealer)), repository.sealer.open(bytes));
    });

    test("the index says the same as the headers of the packs", () => {
      const byOffset = (blobs: Iterable<PackedBlob>): PackedBlob[] => [...blobs].sort((a, b) => a.offset - b.offset);
      const listed = documentsOf(repository, "index").flatMap((json) => readIndex(json).packs);
      const found = packsOf(repository);
      assert.deepEqual(
        new Map(listed.map(({ id, blobs }) => [id, byOffset(blobs)])),
        new Map(found.map(({ id, blobs }) => [id, blobs])),
      );
      assert.equal(
        found.some(({ blobs }) => blobs.some(({ plainLength }) => plainLength > 0)),
        version === 2,
      );
    });

    test("a lock is read and written again byte for byte", async () => {
      const env = { ...process.env, TZ: zone, RESTIC_PASSWORD: password, RESTIC_REPOSITORY: repository.directory };
      const child = spawn(requiredBinary(binary), ["--no-cache", "backup", "--stdin"], {
        env,
        stdio: ["pipe", "ignore", "ignore"],
      });
      const ended = new Promise((resolve) => child.once("close", resolve));
      let json: Buffer | undefined;
      try {
        for (let tries = 0; json === undefined && tries < 200; tries += 1) {
          await delay(50);
          json = documentsOf(repository, "locks")[0];
        }
      } finally {
        child.stdin.end();
        await ended;
      }
      assert.ok(json, "restic locked the repository");
      const lock = decodeLockFile(json);
      assert.equal(lock.pid, child.pid);
      assertSameText(encodeLockFile(lock), json);
    });

    test("restic opens the repository with a key of ours", async () => {
      const facts = { created: 1_700_000_000_123_456_789n, username: "<me>", hostname: "here" };
      const { name, bytes } = await createKeyFile(repository.masterKey, "andere Wörter", facts, kernel);
      writeFileSync(join(repository.directory, "keys", name), bytes);
      const env = { ...process.env, RESTIC_PASSWORD: "andere Wörter", RESTIC_REPOSITORY: repository.directory };
      const output = execFileSync(requiredBinary(binary), ["--no-cache", "cat", "masterkey"], {
        env,
        encoding: "utf8",
      });
      const shown = JSON.parse(output) as { encrypt: string };
      assert.equal(shown.encrypt, repository.masterKey.encrypt.toString("base64"));
      rmSync(join(repository.directory, "keys", name));
    });
  });
}

/** A node of a tree of ours, with nothing but what is given. */
function nodeOf(name: string | Buffer, fields: Partial<TreeNode>): TreeNode {
  const time = 1_600_000_000_000_000_000n;
  return {
    name: Buffer.from(name),
    type: "file",
    mode: goModeOfUnixMode(0o100644),
    mtime: time,
    atime: time,
    ctime: time,
    uid: 0,
    gid: 0,
    user: "",
    group: "",
    inode: 2n ** 64n - 1n,
    deviceId: 1n,
    size: 0n,
    links: 1n,
    linkTarget: null,
    xattrs: [],
    genericAttributes: null,
    device: 0n,
    content: null,
    subtree: null,
    error: "",
    ...fields,
  };
}

test("restic checks, lists and restores a repository that we wrote alone", async () => {
  const directory = join(work, "ours");
  for (const name of ["data", "index", "keys", "locks", "snapshots"]) {
    mkdirSync(join(directory, name), { recursive: true });
  }
  const masterKey = createMasterKey();
  const sealer = new Sealer(masterKey, kernel);
  const put = (kind: string, name: string, bytes: Buffer): void => {
    mkdirSync(join(directory, kind), { recursive: true });
    writeFileSync(join(directory, kind, name), bytes);
  };
  const putPack = (type: "data" | "tree", content: Buffer, isCompressed: boolean): IndexedPack => {
    const sealed = sealer.seal(isCompressed ? compressor.compress(content) : content);
    const id = idOf(content);
    const sizes = { type, lengthBytes: sealed.length, plainLength: isCompressed ? content.length : 0 };
    const pack = Buffer.concat([sealed, sealPack([{ id: Buffer.from(id, "hex"), ...sizes }], sealer)]);
    const packId = idOf(pack);
    put(`data/${packId.slice(0, 2)}`, packId, pack);
    return { id: packId, blobs: [{ id, offset: 0, ...sizes }] };
  };

  const facts = { created: 0n, username: "me", hostname: "here" };
  const keyFile = await createKeyFile(masterKey, password, facts, kernel, { N: 16384, r: 8, p: 1 });
  put("keys", keyFile.name, keyFile.bytes);
  writeFileSync(
    join(directory, "config"),
    encodeConfig({ version: 2, id: "ab".repeat(32), chunkerPolynomial: 0x25b468838dcb75n }, sealer),
  );
  const data = Buffer.from("the content of the file");
  const dataPack = putPack("data", data, false);
  const nodes = [
    nodeOf(Buffer.from([0x62, 0xff]), { content: [idOf(data)], size: BigInt(data.length) }),
    nodeOf("directory <&>", {
      type: "dir",
      mode: goModeOfUnixMode(0o040755),
      subtree: idOf(Buffer.from('{"nodes":[]}\n')),
    }),
    nodeOf("link", { type: "symlink", mode: goModeOfUnixMode(0o120777), linkTarget: Buffer.from([0x41, 0xff]) }),
  ];
  const tree = encodeTree(
    nodes.toSorted((a, b) => Buffer.compare(a.name, b.name)),
    createTimeFormatter(),
  );
  const packs = [dataPack, putPack("tree", tree, true), putPack("tree", Buffer.from('{"nodes":[]}\n'), false)];
  const index = encodeUnpacked(encodeIndex(packs), sealer, compressor);
  put("index", index.name, index.bytes);
  const snapshot = encodeUnpacked(
    encodeSnapshot({
      time: createTimeFormatter()(1_700_000_000_000_000_000n),
      parent: null,
      tree: idOf(tree),
      paths: ["/ours"],
      hostname: "here",
      username: "",
      uid: 0,
      gid: 0,
      excludes: [],
      tags: [],
      original: null,
      programVersion: "holdfast",
      summary: null,
      unknownFields: {},
    }),
    sealer,
    compressor,
  );
  put("snapshots", snapshot.name, snapshot.bytes);

  const env = { ...process.env, RESTIC_PASSWORD: password, RESTIC_REPOSITORY: directory };
  for (const variable of ["HOLDFAST_RESTIC", "HOLDFAST_RESTIC_OLD"]) {
    const run = (...args: string[]): string =>
      execFileSync(requiredBinary(variable), ["--no-cache", ...args], { env, encoding: "utf8" });
    assert.match(run("check", "--read-data"), /no errors were found/);
    const target = join(work, `restored by ${variable}`);
    run("restore", "latest", "--target", target);
    assert.deepEqual(readFileSync(Buffer.concat([Buffer.from(`${target}/b`), Buffer.of(0xff)])), data);
    assert.ok(readdirSync(target).includes("directory <&>"));
  }
});
