// Streams that are larger than all windows: every byte comes back in order, and failures end them.
import assert from "node:assert/strict";
import { createCipheriv } from "node:crypto";
import { test } from "node:test";
import { hasCode, HoldfastError } from "../errors.ts";
import type { ErrorCode } from "../errors.ts";
import { FaultStorage, faultScript } from "../testing/fault-storage.ts";
import { MemoryStorage } from "../testing/memory-storage.ts";
import { backUp, contentOf, makeRepository, nodesOf } from "./backup-fixture.ts";
import type { BackupEntry } from "./backup-request.ts";
import type { ReadStream } from "./stream-saver.ts";

/** The same for the same length; does not compress, so that packs become full. */
function noise(sizeBytes: number): Buffer {
  return createCipheriv("aes-128-ctr", Buffer.alloc(16, 1), Buffer.alloc(16)).update(Buffer.alloc(sizeBytes));
}

/** Gives the bytes in pieces of ever other sizes. */
function readerOf(bytes: Buffer): ReadStream {
  let at = 0;
  return (into) => {
    const got = bytes.copy(into, 0, at, at + 1 + ((at * 7919) % 3_000_000));
    at += got;
    return Promise.resolve(got);
  };
}

function entryOf(read: ReadStream, name = "dump"): BackupEntry {
  return {
    kind: "stream",
    at: Buffer.from(`/${name}`),
    read,
    finish: () => Promise.resolve(),
    whenBroken: name === "dump" ? "fail" : "leave-out",
    mode: 0o600,
    uid: 0,
    gid: 0,
    mtimeNs: 0n,
    hint: { kind: name === "small" ? "small" : "rabin" },
  };
}

const code = (expected: ErrorCode) => (error: unknown) => hasCode(error, expected);
const timeout = 60_000;

test("what is larger than all windows comes back in its order", { timeout }, async () => {
  const bytes = noise(60_000_000);
  await using repository = await makeRepository();
  const summary = await backUp(repository, "/", {
    entries: [entryOf(readerOf(bytes)), entryOf(readerOf(bytes.subarray(3)), "small")],
  });
  const nodes = await nodesOf(repository, summary.treeId);
  assert.ok((await contentOf(repository, nodes.get("/dump"))).equals(bytes));
  assert.ok((await contentOf(repository, nodes.get("/small"))).equals(bytes.subarray(3)));
});

test("streams that break at any place leave the next ones their windows", { timeout }, async () => {
  const bytes = noise(30_000_000);
  const broken = (failAtBytes: number, name: string): BackupEntry => {
    const read = readerOf(bytes.subarray(0, failAtBytes));
    return entryOf(async (into) => {
      const got = await read(into);
      if (got === 0) throw new HoldfastError("source", "the connection was lost");
      return got;
    }, name);
  };
  await using repository = await makeRepository();
  const summary = await backUp(repository, "/", {
    entries: [
      broken(0, "a"),
      broken(1, "b"),
      broken(9_000_000, "c"),
      broken(30_000_000, "d"),
      entryOf(readerOf(bytes)),
    ],
  });
  assert.equal(summary.errors, 4);
  const nodes = await nodesOf(repository, summary.treeId);
  assert.ok((await contentOf(repository, nodes.get("/dump"))).equals(bytes));
});

test("a storage that fails ends the stream", { timeout }, async () => {
  const full = { operation: "put", type: "pack", number: 1, fault: { kind: "fail", code: "no-space" } } as const;
  await using repository = await makeRepository(new FaultStorage(new MemoryStorage(), faultScript([full])));
  const endless: ReadStream = async (into) => {
    noise(into.length).copy(into);
    into.writeDoubleLE(Math.random());
    await new Promise(setImmediate);
    return into.length;
  };
  await assert.rejects(backUp(repository, "/", { entries: [entryOf(endless)] }), code("no-space"));
});

test("an interrupted backup leaves its stream, also while the storage takes nothing", { timeout }, async () => {
  await using repository = await makeRepository();
  const order = new AbortController();
  const bytes = noise(100_000_000);
  const running = backUp(repository, "/", {
    entries: [entryOf(readerOf(bytes))],
    signal: order.signal,
    mayWrite: new Promise((_, reject) =>
      order.signal.addEventListener("abort", () => reject(new HoldfastError("interrupted", "no lock any more"))),
    ),
  });
  setTimeout(() => order.abort(), 1500);
  await assert.rejects(running, code("interrupted"));
});
