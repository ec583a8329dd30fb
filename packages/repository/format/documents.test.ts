// Config, keys, locks, snapshots and the sealed form of them.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { Sealer } from "../codec/seal.ts";
import { Compressor, Decompressor } from "../codec/zstd.ts";
import { hasCode } from "../errors.ts";
import { Kernel } from "../kernel/kernel.ts";
import { decodeConfig, encodeConfig } from "./config.ts";
import { idOf } from "./id.ts";
import {
  createKeyFile,
  createMasterKey,
  decodeMasterKey,
  encodeMasterKey,
  openKeyFile,
  parseKeyFile,
} from "./key-file.ts";
import {
  decodeLockFile,
  encodeLockFile,
  isStaleLock,
  locksConflict,
  staleLockAgeMs,
  type LockFile,
} from "./lock-file.ts";
import { decodeSnapshot, encodeSnapshot, SharedTexts } from "./snapshot.ts";
import { decodeUnpacked, encodeUnpacked } from "./unpacked.ts";

const kernel = Kernel.alone();
const masterKey = createMasterKey();
const sealer = new Sealer(masterKey, kernel);
const compressor = new Compressor();
const decompressor = new Decompressor();
const isDamaged = (error: unknown): boolean => hasCode(error, "damaged");
const isUnsupported = (error: unknown): boolean => hasCode(error, "unsupported");
const id = "0123456789abcdef".repeat(4);
const cheap = { N: 1024, r: 8, p: 1 };

describe("unpacked files", () => {
  const json = Buffer.from(JSON.stringify({ text: "again ".repeat(1000) }));

  test("are named by their sealed bytes and give back their document, compressed or not", () => {
    for (const with_ of [compressor, null]) {
      const { name, bytes } = encodeUnpacked(json, sealer, with_);
      assert.equal(name, idOf(bytes));
      assert.equal(bytes.length < 500, with_ !== null);
      assert.deepEqual(decodeUnpacked(bytes, name, sealer, decompressor), json);
      assert.equal(sealer.open(bytes)[0], with_ === null ? 0x7b : 2);
    }
  });

  test("may hold what cannot be compressed", () => {
    for (const sizeBytes of [0, 1, 200, 70_000, 131_072, 300_000]) {
      const bytes = randomBytes(sizeBytes);
      const encoded = encodeUnpacked(bytes, sealer, compressor);
      assert.deepEqual(decodeUnpacked(encoded.bytes, encoded.name, sealer, decompressor), bytes);
    }
  });

  test("that do not match their name, their seal or a known encoding are refused", () => {
    const { name, bytes } = encodeUnpacked(json, sealer, compressor);
    assert.throws(() => decodeUnpacked(bytes, id, sealer, decompressor), isDamaged);
    const changed = Buffer.from(bytes);
    changed[30] = (changed[30] ?? 0) ^ 1;
    assert.throws(() => decodeUnpacked(changed, name, sealer, decompressor), isDamaged);
    assert.throws(() => decodeUnpacked(changed, null, sealer, decompressor), isDamaged);
    assert.throws(() => decodeUnpacked(sealer.seal(Buffer.alloc(0)), null, sealer, decompressor), isDamaged);
    assert.throws(() => decodeUnpacked(sealer.seal(Buffer.of(2, 1, 2, 3)), null, sealer, decompressor), isDamaged);
    assert.throws(() => decodeUnpacked(sealer.seal(Buffer.of(3, 1, 2, 3)), null, sealer, decompressor), isUnsupported);
    assert.deepEqual(decodeUnpacked(sealer.seal(Buffer.from("[]")), null, sealer, decompressor).toString(), "[]");
  });
});

describe("config", () => {
  const config = { version: 2, id, chunkerPolynomial: 0x25b468838dcb75n } as const;

  test("is written as restic does and read back", () => {
    const bytes = encodeConfig(config, sealer);
    assert.equal(sealer.open(bytes).toString(), `{"version":2,"id":"${id}","chunker_polynomial":"25b468838dcb75"}`);
    assert.deepEqual(decodeConfig(bytes, sealer), config);
  });

  test("of other versions is unsupported, of wrong fields damage", () => {
    const sealed = (fields: object): Buffer =>
      sealer.seal(Buffer.from(JSON.stringify({ version: 2, id, chunker_polynomial: "25", ...fields })));
    for (const version of [0, 3, -1]) {
      assert.throws(() => decodeConfig(sealed({ version }), sealer), isUnsupported);
    }
    for (const fields of [
      { version: "2" },
      { version: 1.5 },
      { id: "x" },
      { chunker_polynomial: 25 },
      { chunker_polynomial: "xyz" },
      { chunker_polynomial: "" },
    ]) {
      assert.throws(() => decodeConfig(sealed(fields), sealer), isDamaged, JSON.stringify(fields));
    }
    assert.throws(() => decodeConfig(sealer.seal(Buffer.from("[]")), sealer), isDamaged);
    assert.throws(() => decodeConfig(sealer.seal(Buffer.from("{")), sealer), isDamaged);
  });
});

describe("key files", () => {
  const facts = { created: 1_700_000_000_123_456_789n, username: "<me>", hostname: "here" };

  test("open with their password only", async () => {
    const { name, bytes } = await createKeyFile(masterKey, "pässword", facts, kernel, cheap);
    assert.equal(name, idOf(bytes));
    const keyFile = parseKeyFile(bytes);
    assert.deepEqual(
      [keyFile.created, keyFile.username, keyFile.hostname, keyFile.parameters],
      [facts.created, "<me>", "here", cheap],
    );
    assert.deepEqual(await openKeyFile(keyFile, "pässword", kernel), masterKey);
    assert.equal(await openKeyFile(keyFile, "password", kernel), null);
    assert.match(
      bytes.toString(),
      /^\{"created":"[^"]+","username":"\\u003cme\\u003e","hostname":"here","kdf":"scrypt","N":1024,"r":8,"p":1,"salt":"[^"]{88}","data":"[^"]+"\}$/,
    );
  });

  test("with wrong content are damage, with another derivation unsupported", async () => {
    const { bytes } = await createKeyFile(masterKey, "x", facts, kernel, cheap);
    const fields = JSON.parse(bytes.toString()) as Record<string, unknown>;
    const changed = (change: object): Buffer => Buffer.from(JSON.stringify({ ...fields, ...change }));
    assert.throws(() => parseKeyFile(changed({ kdf: "argon2" })), isUnsupported);
    for (const change of [{ N: "1" }, { salt: 5 }, { data: "?" }, { created: "yesterday" }]) {
      assert.throws(() => parseKeyFile(changed(change)), isDamaged, JSON.stringify(change));
    }
    await assert.rejects(async () => openKeyFile(parseKeyFile(changed({ data: "AAAA" })), "x", kernel), isDamaged);
    await assert.rejects(async () => openKeyFile(parseKeyFile(changed({ salt: "AAAA" })), "x", kernel), isDamaged);
    await assert.rejects(async () => openKeyFile(parseKeyFile(changed({ N: 2 ** 30 })), "x", kernel), isUnsupported);
  });

  test("hold a master key of the right form", () => {
    assert.deepEqual(decodeMasterKey(Buffer.from(encodeMasterKey(masterKey))), masterKey);
    for (const change of [
      { encrypt: Buffer.alloc(32) },
      { encrypt: Buffer.alloc(31, 1) },
      { macK: Buffer.alloc(16) },
      { macR: Buffer.alloc(17, 1) },
    ]) {
      assert.throws(() => decodeMasterKey(Buffer.from(encodeMasterKey({ ...masterKey, ...change }))), isDamaged);
    }
  });
});

describe("locks", () => {
  const lock: LockFile = {
    time: 1_700_000_000_000_000_001n,
    exclusive: false,
    hostname: "here",
    username: "me",
    pid: 42,
    uid: 0,
    gid: 5,
  };
  const minute = 60_000_000_000n;
  const at = (now: bigint, hostname: string, alive: boolean) => ({ now, hostname, isProcessAlive: () => alive });

  test("are written as restic does and read back", () => {
    assert.match(
      encodeLockFile(lock).toString(),
      /^\{"time":"[^"]+","exclusive":false,"hostname":"here","username":"me","pid":42,"gid":5\}$/,
    );
    assert.deepEqual(decodeLockFile(encodeLockFile(lock)), lock);
    assert.throws(() => decodeLockFile(Buffer.from('{"time":"x"}')), isDamaged);
  });

  test("are stale when old, or when their process is gone from this host", () => {
    assert.equal(staleLockAgeMs, 1_800_000);
    assert.equal(isStaleLock(lock, at(lock.time + 30n * minute, "elsewhere", false)), false);
    assert.equal(isStaleLock(lock, at(lock.time + 30n * minute + 1n, "elsewhere", false)), true);
    assert.equal(isStaleLock(lock, at(lock.time + 30n * minute + 1n, "here", true)), true);
    assert.equal(isStaleLock(lock, at(lock.time, "here", true)), false);
    assert.equal(isStaleLock(lock, at(lock.time, "here", false)), true);
    assert.equal(isStaleLock(lock, at(lock.time - 60n * minute, "here", true)), false);
  });

  test("asks for the process of this host only", () => {
    const asked: number[] = [];
    const isProcessAlive = (pid: number): boolean => asked.push(pid) > 0;
    isStaleLock(lock, { now: lock.time, hostname: "elsewhere", isProcessAlive });
    isStaleLock(lock, { now: lock.time, hostname: "here", isProcessAlive });
    assert.deepEqual(asked, [42]);
  });

  test("exclude each other unless both are shared", () => {
    assert.equal(locksConflict({ exclusive: false }, { exclusive: false }), false);
    assert.equal(locksConflict({ exclusive: true }, { exclusive: false }), true);
    assert.equal(locksConflict({ exclusive: false }, { exclusive: true }), true);
  });
});

describe("snapshots", () => {
  const small = `{"time":"2015-01-02T18:10:50.895208559+01:00","tree":"${id}","paths":["/tmp/\\u003cdata\\u003e"]}`;
  const summary =
    '{"backup_start":"2024-01-01T00:00:00Z","backup_end":"2024-01-01T00:00:01.5Z","files_new":1,"files_changed":2,"files_unmodified":3,"dirs_new":4,' +
    '"dirs_changed":5,"dirs_unmodified":6,"data_blobs":7,"tree_blobs":8,"data_added":9,"data_added_packed":10,"total_files_processed":11,"total_bytes_processed":12';
  const full =
    `{"time":"2024-01-01T00:00:00Z","parent":"${id}","tree":"${id}","paths":["/a"],"hostname":"h","username":"u","uid":1,"gid":2,"excludes":["*.tmp"],` +
    `"tags":["t"],"original":"${id}","program_version":"restic 0.19.1","summary":${summary},"later":[1]},"holdfast":{"b":1,"a":"\\u0026"}}`;

  test("keep every byte, also of fields that are not known", () => {
    for (const text of [small, full]) {
      assert.equal(encodeSnapshot(decodeSnapshot(Buffer.from(text))).toString(), text);
    }
    assert.deepEqual(decodeSnapshot(Buffer.from(full)).unknownFields, { holdfast: { b: 1, a: "&" } });
    assert.equal(decodeSnapshot(Buffer.from(full)).summary?.totalBytesProcessed, 12);
    assert.deepEqual(decodeSnapshot(Buffer.from(small)).tags, []);
  });

  test("share what they have in common, and only that", () => {
    const shared = new SharedTexts();
    const read = (paths: readonly string[], hostname = "h") =>
      decodeSnapshot(Buffer.from(JSON.stringify({ ...(JSON.parse(full) as object), paths, hostname })), shared);
    assert.equal(read(["/a", "/b"]).paths, read(["/a", "/b"]).paths);
    const lists = [["/a"], ["/a", "/b"], ["/a\0/b"], ["/a\0/b", "/c"], ["/a", "/b\0/c"], [""], []];
    for (const list of [...lists, ...lists]) assert.deepEqual(read(list).paths, list);
    assert.deepEqual(
      ["h", "g", "", "h"].map((host) => read(["/a"], host).hostname),
      ["h", "g", "", "h"],
    );
  });

  test("with wrong fields are damage", () => {
    const fields = JSON.parse(full) as Record<string, unknown>;
    const wrong = [
      { time: 1 },
      { time: "now" },
      { tree: null },
      { tree: "abc" },
      { paths: "/a" },
      { paths: [1] },
      { parent: 5 },
      { uid: "1" },
      { tags: {} },
      { summary: [] },
      { summary: { files_new: "1" } },
    ];
    for (const change of wrong) {
      assert.throws(
        () => decodeSnapshot(Buffer.from(JSON.stringify({ ...fields, ...change }))),
        isDamaged,
        JSON.stringify(change),
      );
    }
  });
});
