// Parsers of every kind of file are given what nobody honest writes: they refuse it in words, at once, and never crash.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { zstdCompressSync } from "node:zlib";
import { checkScryptParameters } from "../codec/key-derivation.ts";
import { Sealer } from "../codec/seal.ts";
import { Compressor, Decompressor } from "../codec/zstd.ts";
import { decodeConfig, encodeConfig } from "../format/config.ts";
import { encodeIndex, indexIdsBytes, parseIndexFile } from "../format/index-file.ts";
import { createKeyFile, createMasterKey, decodeMasterKey, encodeMasterKey, parseKeyFile } from "../format/key-file.ts";
import { decodeLockFile, encodeLockFile } from "../format/lock-file.ts";
import { packLengthFieldBytes, parsePackHeader, readPackHeaderLength, sealPack } from "../format/pack.ts";
import { decodeSnapshot, encodeSnapshot } from "../format/snapshot.ts";
import { parseTree } from "../format/tree.ts";
import { decodeUnpacked, encodeUnpacked } from "../format/unpacked.ts";
import { Kernel } from "../kernel/kernel.ts";
import { factsOfTree } from "../maintenance/tree-facts.ts";
import { fuzz, mutateBytes, mutateJson } from "../testing/fuzzing.ts";
import type { FuzzOptions, Seeded } from "../testing/fuzzing.ts";

const isLong = process.env["HOLDFAST_LONG"] === "1";
const options: FuzzOptions = {
  inputs: isLong ? 1_000_000 : 3000,
  seed: 20261121,
  limitMs: 2000,
  codes: ["damaged", "unsupported"],
};
const kernel = Kernel.alone();
const masterKey = createMasterKey();
const sealer = new Sealer(masterKey, kernel);
const id = "ab".repeat(32);
const other = "0123456789abcdef".repeat(4);

const config = encodeConfig({ version: 2, id, chunkerPolynomial: 0x3da3358b4dc173n }, sealer);
const keyFile = await createKeyFile(masterKey, "x", { created: 0n, username: "u", hostname: "h" }, kernel, {
  N: 16,
  r: 8,
  p: 1,
});
const lock = encodeLockFile({ time: 1n, exclusive: true, hostname: "h", username: "u", pid: 1, uid: 1, gid: 1 });
const snapshot = {
  later: { number: 1, nested: ["field"] },
  time: "2026-11-21T12:00:00.123456789+01:00",
  parent: other,
  tree: id,
  paths: ["/srv", "/etc"],
  hostname: "host",
  username: "user",
  uid: 1000,
  gid: 1000,
  excludes: ["*.tmp"],
  tags: ["holdfast", "stack:mist"],
  original: other,
  program_version: "holdfast 0.1.0",
  summary: { backup_start: "2026-11-21T12:00:00Z", backup_end: "2026-11-21T12:00:01Z", files_new: 3, data_added: 4096 },
};
const index = {
  later: 1,
  supersedes: [other],
  packs: [
    {
      id,
      blobs: [
        { id: other, type: "data", offset: 0, length: 100 },
        { id, type: "tree", offset: 100, length: 38, uncompressed_length: 70 },
      ],
    },
  ],
};
const node = {
  later: 1,
  name: "a",
  type: "file",
  mode: 420,
  mtime: "2026-11-21T12:00:00Z",
  atime: "2026-11-21T12:00:00Z",
  ctime: "2026-11-21T12:00:00Z",
  uid: 0,
  gid: 0,
  user: "root",
  group: "root",
  inode: 1,
  device_id: 2,
  size: 3,
  links: 1,
  extended_attributes: [{ name: "user.a", value: "AAAA" }],
  generic_attributes: { a: 1 },
  content: [id, other],
};
const tree = {
  nodes: [
    node,
    { ...node, name: 'b\\"\\xff\\u00e4', type: "symlink", linktarget: "x", linktarget_raw: "/w==", content: null },
    { ...node, name: "c", type: "dir", subtree: id, content: null },
  ],
};
const entries = [
  { id: Buffer.from(id, "hex"), type: "data", lengthBytes: 100, plainLength: 0 },
  { id: Buffer.from(other, "hex"), type: "tree", lengthBytes: 60, plainLength: 90 },
] as const;

/** Bytes of the JSON mutated, or its structure, in turn. */
function mutated(json: unknown): (random: Seeded) => Buffer {
  const bytes = Buffer.from(JSON.stringify(json));
  return (random) => (random.below(2) === 0 ? mutateBytes(bytes, random) : Buffer.from(mutateJson(json, random)));
}

async function holds(
  name: string,
  make: (random: Seeded) => Buffer,
  parse: (input: Buffer) => void,
  change: Partial<FuzzOptions> = {},
): Promise<void> {
  const { parsed, refused } = await fuzz(name, { ...options, ...change }, make, parse);
  // A generator of nothing but garbage, or of nothing but honest files, would test little.
  assert.ok(refused > 0, `nothing of ${parsed} was refused`);
}

describe(`${options.inputs} inputs each`, () => {
  test("config: of any content under a right seal", () =>
    holds("config", mutated(JSON.parse(sealer.open(config).toString())), (json) =>
      decodeConfig(sealer.seal(json), sealer),
    ));

  test("key file, and the master key in it", async () => {
    const json: unknown = JSON.parse(keyFile.bytes.toString());
    await holds("key file", mutated(json), (bytes) => {
      const { parameters, salt } = parseKeyFile(bytes);
      // What passes asks for at most a gigabyte and some seconds.
      checkScryptParameters(parameters, salt.length);
    });
    await holds("master key", mutated(JSON.parse(encodeMasterKey(masterKey))), decodeMasterKey);
  });

  test("lock", () => holds("lock", mutated(JSON.parse(lock.toString())), decodeLockFile));

  test("snapshot, which can be written again as far as it can be read", () =>
    holds("snapshot", mutated(snapshot), (json) => {
      const again = encodeSnapshot(decodeSnapshot(json));
      assert.deepEqual(JSON.parse(encodeSnapshot(decodeSnapshot(again)).toString()), JSON.parse(again.toString()));
    }));

  test("index", async () => {
    let blobs = 0;
    const visitor = {
      ids: new Uint8Array(indexIdsBytes),
      pack: () => {},
      blob: () => void blobs++,
      supersedes: () => {},
    };
    await holds("index", mutated(index), (json) => parseIndexFile(json, visitor));
    await holds("index as an array", mutated(index.packs), (json) => parseIndexFile(json, visitor));
    assert.ok(blobs > 0);
  });

  test("tree", async () => {
    await holds("tree", mutated(tree), parseTree, { codes: [...options.codes, "hostile"] });
    const { parsed } = await fuzz("facts of a tree", options, mutated(tree), factsOfTree);
    assert.equal(parsed, options.inputs, "a tree that cannot be parsed is a fact like others");
  });

  test("pack header: its length, and its entries under a right seal", async () => {
    const end = sealPack(entries, sealer);
    const header = sealer.open(end.subarray(0, -packLengthFieldBytes));
    await holds(
      "pack header",
      (random) => mutateBytes(header, random),
      (bytes) => {
        const sealed = sealer.seal(bytes);
        parsePackHeader(sealed, 160 + sealed.length + packLengthFieldBytes, sealer);
      },
    );
    await holds(
      "end of a pack",
      (random) => mutateBytes(end, random),
      (bytes) => {
        const packBytes = 160 + bytes.length;
        const sealedBytes = readPackHeaderLength(bytes.subarray(-packLengthFieldBytes), packBytes);
        const sealed = bytes.subarray(
          Math.max(0, bytes.length - packLengthFieldBytes - sealedBytes),
          -packLengthFieldBytes,
        );
        parsePackHeader(sealed, packBytes, sealer);
      },
    );
  });

  test("sealed bytes: nothing that was changed opens", async () => {
    const { parsed } = await fuzz(
      "sealed",
      options,
      (random) => mutateBytes(config, random),
      (bytes) => {
        if (!bytes.equals(config)) sealer.open(bytes);
      },
    );
    assert.ok(parsed < options.inputs / 100, "only those whose mutations took each other back");
  });

  for (const route of ["native", "zlib"] as const) {
    test(`zstd frames, by the route ${route}: never more than is allowed, whatever they announce`, async () => {
      using decompressor = new Decompressor(route);
      using compressor = new Compressor("zlib");
      const text = Buffer.from("some text that can be compressed ".repeat(50));
      const frames = [
        compressor.compress(text),
        zstdCompressSync(text),
        zstdCompressSync(Buffer.alloc(200_000)),
        Buffer.concat([zstdCompressSync(text), zstdCompressSync(text)]),
      ];
      const target = Buffer.alloc(4096);
      await holds(
        `zstd ${route}`,
        (random) => mutateBytes(random.pick(frames), random),
        (frame) => {
          assert.ok(decompressor.decompress(frame, 1 << 20).length <= 1 << 20);
          assert.ok(decompressor.decompressInto(frame, target) <= target.length);
        },
        { inputs: Math.min(options.inputs, 200_000) },
      );
    });
  }

  test("files of JSON in all encodings, under a right seal and without one", async () => {
    using compressor = new Compressor();
    using decompressor = new Decompressor();
    const { bytes } = encodeUnpacked(Buffer.from(JSON.stringify(snapshot)), sealer, compressor);
    const plain = sealer.open(bytes);
    const forms = [plain, Buffer.from(JSON.stringify(snapshot)), encodeIndex([])];
    await holds(
      "unpacked",
      (random) => mutateBytes(random.pick(forms), random),
      (form) => decodeSnapshot(decodeUnpacked(sealer.seal(form), null, sealer, decompressor)),
    );
    await holds(
      "unpacked, sealed",
      (random) => mutateBytes(bytes, random),
      (sealed) => decodeUnpacked(sealed, null, sealer, decompressor),
    );
  });
});

test("a frame that announces more than it can hold takes no memory", () => {
  using decompressor = new Decompressor();
  // A frame of 14 bytes that speaks of almost 4 GiB (RFC 8878, 3.1.1): single segment, size in four bytes.
  const frame = Buffer.from("28b52ffda0f0ffffff010000", "hex");
  const before = process.memoryUsage().arrayBuffers;
  assert.throws(() => decompressor.decompress(frame, 0xffff_ffff), /compressed data cannot be read/);
  assert.ok(process.memoryUsage().arrayBuffers - before < 2 ** 20, "memory was asked for");
});
