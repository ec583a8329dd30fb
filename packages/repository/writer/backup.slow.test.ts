// Backups as a whole, in memory: what comes out is what went in, and a second backup takes over what did not change.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { hasCode, HoldfastError } from "../errors.ts";
import { MemoryStorage } from "../testing/memory-storage.ts";
import { selectEverything } from "../selection/selection-rules.ts";
import type { BackupEntry, BackupEvent } from "./backup-request.ts";
import { backUp, contentOf, makeRepository, nodesOf, openRepository, Scratch, snapshotOf } from "./backup-fixture.ts";

/** Files of many sizes: empty, small, one chunk, several chunks, larger than a window; text and noise; a name of bytes. */
function makeFiles(root: string): Map<string, Buffer> {
  const files = new Map<string, Buffer>();
  const text = (n: number): Buffer => Buffer.from("holdfast ".repeat(Math.ceil(n / 9))).subarray(0, n);
  const add = (path: string, content: Buffer): void => {
    const full = Buffer.concat([Buffer.from(`${root}/`), Buffer.from(path, "latin1")]);
    fs.mkdirSync(full.subarray(0, full.lastIndexOf(0x2f)), { recursive: true });
    fs.writeFileSync(full, content);
    files.set(`/data/${path}`, content);
  };
  for (const [i, size] of [0, 1, 100, 600_000, 3_000_000].entries()) {
    add(`noise-${i}`, randomBytes(size));
    add(`deep/er/text-${i}`, text(size));
  }
  add("large-noise", randomBytes(20_000_000));
  add("large-text", text(9_000_000));
  add("exactly-a-window", randomBytes(8 * 1024 * 1024));
  add('bytes-\xff\xfe\n"', Buffer.from("odd name"));
  for (let i = 0; i < 700; i++) add(`many/file-${i}`, Buffer.from(`content ${i}`));
  return files;
}

async function assertHolds(
  repository: Awaited<ReturnType<typeof makeRepository>>,
  treeId: string,
  files: Map<string, Buffer>,
): Promise<void> {
  const nodes = await nodesOf(repository, treeId);
  const found = [...nodes].filter(([, node]) => node.type === "file").map(([path]) => path);
  assert.deepEqual(found.sort(), [...files.keys()].sort());
  for (const [path, content] of files) {
    assert.ok((await contentOf(repository, nodes.get(path))).equals(content), path);
    assert.equal(nodes.get(path)?.size, BigInt(content.length), path);
  }
}

for (const version of [1, 2] as const) {
  test(`version ${version}: every byte comes back, and a second backup stores nothing`, async () => {
    using scratch = new Scratch();
    const files = makeFiles(scratch.path);
    const storage = new MemoryStorage();
    const first = await (async () => {
      await using repository = await makeRepository(storage, version);
      const summary = await backUp(repository, scratch.path);
      assert.equal(summary.errors, 0);
      assert.equal(summary.files.new, files.size);
      return summary;
    })();
    // Another process: nothing is left in memory.
    await using repository = await openRepository(storage);
    await assertHolds(repository, first.treeId, files);
    const second = await backUp(repository, scratch.path);
    assert.equal(second.treeId, first.treeId);
    assert.deepEqual(second.files, { new: 0, changed: 0, unmodified: files.size });
    assert.equal(second.dirs.new + second.dirs.changed, 0);
    assert.equal(second.bytesAdded, 0);
    assert.equal(second.bytesProcessed, first.bytesProcessed);
    const without = await backUp(repository, scratch.path, { parent: null });
    assert.equal(without.treeId, first.treeId);
    assert.equal(without.bytesAdded, 0);
    assert.equal(without.files.new, files.size);
  });
}

test("what was added, changed, removed and touched is seen, the rest is taken over", async () => {
  using scratch = new Scratch();
  const files = makeFiles(scratch.path);
  await using repository = await makeRepository();
  await backUp(repository, scratch.path);
  const change = (path: string, content: Buffer): void => {
    fs.writeFileSync(join(scratch.path, path), content);
    files.set(`/data/${path}`, content);
  };
  change("zzz-behind-everything", Buffer.from("new at the end"));
  change("!first", Buffer.from("new at the start"));
  change("many/file-350", Buffer.from("changed content"));
  fs.rmSync(join(scratch.path, "many/file-351"));
  files.delete("/data/many/file-351");
  fs.chmodSync(join(scratch.path, "many/file-352"), 0o600);
  const second = await backUp(repository, scratch.path);
  assert.deepEqual(second.files, { new: 2, changed: 1 + 1, unmodified: files.size - 4 });
  await assertHolds(repository, second.treeId, files);
  const { snapshots } = await repository.loadSnapshots();
  assert.equal(snapshots.length, 2);
  assert.equal(snapshots[1]?.parent, snapshots[0]?.id);
  assert.equal(snapshots[1]?.summary?.filesNew, 2);
});

test("a directory with thousands of names is one sorted tree", async () => {
  using scratch = new Scratch();
  for (let i = 0; i < 9000; i++) fs.writeFileSync(join(scratch.path, `name-${i}`), i % 100 === 0 ? `${i}` : "");
  await using repository = await makeRepository();
  const first = await backUp(repository, scratch.path);
  assert.equal((await nodesOf(repository, first.treeId)).size, 9000 + 1);
  const second = await backUp(repository, scratch.path);
  assert.equal(second.treeId, first.treeId);
  assert.equal(second.files.unmodified, 9000);
});

test("streams lie beside files, in any directory, and may be empty", async () => {
  using scratch = new Scratch();
  fs.writeFileSync(join(scratch.path, "file"), "on disk");
  const content = Buffer.concat([randomBytes(30_000_000), Buffer.alloc(5_000_000)]);
  const stream = (bytes: Buffer, step: number) => {
    let at = 0;
    return async (into: Buffer): Promise<number> => {
      await Promise.resolve();
      const length = bytes.copy(into, 0, at, Math.min(bytes.length, at + step));
      at += length;
      return length;
    };
  };
  await using repository = await makeRepository();
  const finish = (): Promise<void> => Promise.resolve();
  const owner = { uid: 7, gid: 8 };
  const common = { kind: "stream", mode: 0o640, ...owner, mtimeNs: 7n, whenBroken: "fail", finish } as const;
  const { treeId, files } = await backUp(repository, scratch.path, {
    entries: [
      { ...common, at: Buffer.from("/dumps/large.sql"), read: stream(content, 70_001), hint: { kind: "rabin" } },
      {
        ...common,
        at: Buffer.from("/dumps/pages.db"),
        read: stream(content, 1 << 20),
        hint: { kind: "pages", runBytes: 65_536, doublesAtBytes: 2 ** 30 },
      },
      { ...common, at: Buffer.from("/empty"), read: stream(Buffer.alloc(0), 1), hint: { kind: "small" } },
      { kind: "files", from: Buffer.from(scratch.path), at: Buffer.from("/files/data"), selection: selectEverything },
    ],
  });
  assert.equal(files.new, 4);
  const nodes = await nodesOf(repository, treeId);
  assert.ok((await contentOf(repository, nodes.get("/dumps/large.sql"))).equals(content));
  assert.ok((await contentOf(repository, nodes.get("/dumps/pages.db"))).equals(content));
  assert.equal(nodes.get("/dumps/pages.db")?.content?.length, Math.ceil(content.length / 65_536));
  assert.deepEqual(nodes.get("/empty")?.content, []);
  assert.equal(nodes.get("/empty")?.uid, 7);
  assert.equal(nodes.get("/empty")?.gid, 8);
  assert.equal((await contentOf(repository, nodes.get("/files/data/file"))).toString(), "on disk");
});

test("a stream whose producer fails leaves no snapshot", async () => {
  await using repository = await makeRepository();
  const failing = backUp(repository, "/", {
    entries: [
      {
        kind: "stream",
        at: Buffer.from("/dump"),
        mode: 0o600,
        uid: 0,
        gid: 0,
        mtimeNs: 1n,
        hint: { kind: "rabin" },
        whenBroken: "fail",
        read: async () => Promise.resolve(0),
        finish: async () => Promise.reject(new HoldfastError("source", "the program ended with status 3")),
      },
    ],
  });
  await assert.rejects(failing, /status 3/);
  assert.equal((await repository.loadSnapshots()).snapshots.length, 0);
});

test("a stream that may be left out is reported, and the rest is stored", async () => {
  using scratch = new Scratch();
  fs.writeFileSync(join(scratch.path, "file"), "on disk");
  await using repository = await makeRepository();
  const broken = (at: string, failAfterBytes: number): BackupEntry => {
    let given = 0;
    return {
      kind: "stream",
      at: Buffer.from(at),
      mode: 0o600,
      uid: 0,
      gid: 0,
      mtimeNs: 1n,
      hint: { kind: "rabin" },
      whenBroken: "leave-out",
      finish: async () => Promise.reject(new HoldfastError("source", "the program ended with status 3")),
      read: async (into) => {
        if (given >= failAfterBytes) throw new HoldfastError("source", "the connection was lost");
        given += into.fill(7).length;
        return Promise.resolve(into.length);
      },
    };
  };
  const events: BackupEvent[] = [];
  // More of them than there are windows: each must give its own back.
  const entries = ["a", "b", "c", "d", "e"].map((name) => broken(`/${name}/dump`, 40_000_000));
  const request = {
    entries: [
      ...entries,
      {
        kind: "files",
        from: Buffer.from(scratch.path),
        at: Buffer.from("/data"),
        selection: selectEverything,
      } as const,
    ],
  };
  const summary = await backUp(repository, "/", request, events);
  assert.equal(summary.errors, 5);
  const reported = events.flatMap((event) =>
    event.kind === "error" ? [`${event.path.toString()}: ${event.error.message}`] : [],
  );
  assert.deepEqual(reported[0], "/a/dump: the connection was lost");
  const nodes = await nodesOf(repository, summary.treeId);
  assert.deepEqual([...nodes.keys()].sort(), ["/a", "/b", "/c", "/d", "/data", "/data/file", "/e"]);
});

test("the closing file is made when all the rest is stored, and lies in its place at the root", async () => {
  using scratch = new Scratch();
  fs.mkdirSync(join(scratch.path, "below"));
  for (let i = 0; i < 50; i++) fs.writeFileSync(join(scratch.path, "below", `${i}`), `${i}`);
  await using repository = await makeRepository();
  const events: BackupEvent[] = [];
  const files = (at: string) =>
    ({ kind: "files", from: Buffer.from(scratch.path), at: Buffer.from(at), selection: selectEverything }) as const;
  const missing = { ...files("/zz/gone"), from: Buffer.from("/not/there") };
  const make = async (): Promise<Buffer> =>
    Promise.resolve(Buffer.from(`${events.filter(({ kind }) => kind === "error").length} errors`));
  const { treeId } = await backUp(
    repository,
    "/",
    {
      entries: [files("/aa"), missing, files("/zz/there")],
      closingFile: { name: Buffer.from("mm.json"), mode: 0o600, make },
    },
    events,
  );
  const root = await repository.loadTree(treeId);
  assert.deepEqual(
    root.map(({ name }) => name.toString()),
    ["aa", "mm.json", "zz"],
  );
  assert.equal((await contentOf(repository, root[1])).toString(), "1 errors");
});

test("each entry has its own rules", async () => {
  using scratch = new Scratch();
  fs.mkdirSync(join(scratch.path, "below"));
  for (const name of ["keep", "drop.tmp", "below/drop.tmp"]) fs.writeFileSync(join(scratch.path, name), name);
  await using repository = await makeRepository();
  const from = Buffer.from(scratch.path);
  const { treeId } = await backUp(repository, "/", {
    entries: [
      { kind: "files", from, at: Buffer.from("/all"), selection: selectEverything },
      { kind: "files", from, at: Buffer.from("/some"), selection: { ...selectEverything, exclude: ["*.tmp"] } },
    ],
  });
  const names = [...(await nodesOf(repository, treeId)).keys()].sort();
  assert.deepEqual(names, [
    "/all",
    "/all/below",
    "/all/below/drop.tmp",
    "/all/drop.tmp",
    "/all/keep",
    "/some",
    "/some/below",
    "/some/keep",
  ]);
});

test("holes are not read: a sparse file of 40 GB takes no longer than its data", { timeout: 60_000 }, async () => {
  using scratch = new Scratch();
  const path = join(scratch.path, "sparse");
  const fd = fs.openSync(path, "w");
  fs.ftruncateSync(fd, 40e9);
  fs.writeSync(fd, "middle", 20e9 + 12_345);
  fs.closeSync(fd);
  await using repository = await makeRepository();
  const { treeId, bytesStored } = await backUp(repository, scratch.path);
  const node = (await nodesOf(repository, treeId)).get("/data/sparse");
  assert.equal(node?.size, 40_000_000_000n);
  assert.ok(bytesStored < 1_000_000);
  // Chunks of zeros have the least length, so the place of the data tells which blob it is in.
  const at = Math.floor((20e9 + 12_345) / 524_288);
  const blob = await repository.loadBlob("data", node?.content?.[at] ?? "");
  assert.ok(blob.includes("middle"));
});

test("a file that never stands still is stored and flagged", async () => {
  using scratch = new Scratch();
  const path = join(scratch.path, "growing");
  fs.writeFileSync(path, randomBytes(30_000_000));
  const fd = fs.openSync(path, "r+");
  let stop = false;
  const writing = (async () => {
    for (let i = 0; !stop; i++) {
      fs.writeSync(fd, `${i}`, 15_000_000);
      await sleep(1);
    }
  })();
  const events: BackupEvent[] = [];
  await using repository = await makeRepository();
  const { errors, treeId } = await backUp(repository, scratch.path, {}, events);
  stop = true;
  await writing;
  fs.closeSync(fd);
  assert.equal(errors, 1);
  const problem = events.find((event) => event.kind === "error");
  assert.equal(problem?.kind === "error" && problem.during, "changed");
  assert.ok((await nodesOf(repository, treeId)).has("/data/growing"));
});

test("sockets are skipped and said; an entry that is missing is an error of its path", async () => {
  using scratch = new Scratch();
  const { createServer } = await import("node:net");
  const server = createServer().listen(join(scratch.path, "socket"));
  await new Promise((resolve) => server.once("listening", resolve));
  const events: BackupEvent[] = [];
  await using repository = await makeRepository();
  const { errors, treeId } = await backUp(
    repository,
    scratch.path,
    {
      entries: [
        { kind: "files", from: Buffer.from(scratch.path), at: Buffer.from("/data"), selection: selectEverything },
        { kind: "files", from: Buffer.from("/not/there"), at: Buffer.from("/there"), selection: selectEverything },
      ],
    },
    events,
  );
  server.close();
  assert.ok(events.some((event) => event.kind === "skipped" && event.path.toString().endsWith("/socket")));
  assert.ok(!(await nodesOf(repository, treeId)).has("/data/socket"));
  assert.equal(errors, 1);
});

test("an interrupted backup throws and leaves no snapshot", async () => {
  using scratch = new Scratch();
  makeFiles(scratch.path);
  await using repository = await makeRepository();
  const controller = new AbortController();
  const running = backUp(repository, scratch.path, { signal: controller.signal });
  setTimeout(() => controller.abort(), 150);
  await assert.rejects(running, (error) => hasCode(error, "interrupted"));
  assert.equal((await repository.loadSnapshots()).snapshots.length, 0);
});

test("nothing is written before the lock is settled, and nothing at all when it is lost", async () => {
  using scratch = new Scratch();
  makeFiles(scratch.path);
  const storage = new MemoryStorage();
  await using repository = await makeRepository(storage);
  const lost = sleep(700).then(() => Promise.reject(new HoldfastError("locked", "another holds it")));
  await assert.rejects(backUp(repository, scratch.path, { mayWrite: lost }), (error) => hasCode(error, "locked"));
  for (const type of ["pack", "index", "snapshot"] as const) {
    for await (const file of storage.list(type)) assert.fail(`${type} ${file.name} was written`);
  }
});

test("a dry run counts and stores nothing; skip-if-unchanged makes no second snapshot", async () => {
  using scratch = new Scratch();
  makeFiles(scratch.path);
  const storage = new MemoryStorage();
  await using repository = await makeRepository(storage);
  const dry = await backUp(repository, scratch.path, { dryRun: true });
  assert.equal(dry.snapshotId, null);
  assert.ok(dry.bytesAdded > 30_000_000);
  for await (const file of storage.list("pack")) assert.fail(`pack ${file.name} was written`);
  await using again = await openRepository(storage);
  const real = await backUp(again, scratch.path);
  assert.equal(real.treeId, dry.treeId);
  assert.equal((await backUp(again, scratch.path, { skipIfUnchanged: true })).snapshotId, null);
  assert.equal((await snapshotOf(again, real)).tree, real.treeId);
});

test("a pack that the storage changed is found by reading back", async () => {
  using scratch = new Scratch();
  makeFiles(scratch.path);
  class Spoiling extends MemoryStorage {
    override async put(
      type: Parameters<MemoryStorage["put"]>[0],
      name: string,
      pieces: readonly Uint8Array[],
    ): Promise<void> {
      await super.put(type, name, pieces);
      if (type === "pack")
        this.damage("pack", name, (bytes) => {
          bytes[100]! ^= 1;
          return bytes;
        });
    }
  }
  await using repository = await makeRepository(new Spoiling());
  await assert.rejects(backUp(repository, scratch.path, { readBack: true }), (error) => hasCode(error, "damaged"));
  assert.equal((await repository.loadSnapshots()).snapshots.length, 0);
});

test("what a failed or dry run claimed is stored by the next one of the same process", async () => {
  using scratch = new Scratch();
  const files = makeFiles(scratch.path);
  let isFull = true;
  class Filling extends MemoryStorage {
    override async put(...request: Parameters<MemoryStorage["put"]>): Promise<void> {
      if (isFull && request[0] === "pack") throw new HoldfastError("no-space", "the disk is full");
      return super.put(...request);
    }
  }
  const storage = new Filling();
  await using repository = await makeRepository(storage);
  await assert.rejects(backUp(repository, scratch.path), (error) => hasCode(error, "no-space"));
  await backUp(repository, scratch.path, { dryRun: true });
  isFull = false;
  const { treeId } = await backUp(repository, scratch.path);
  await using reader = await openRepository(storage);
  await assertHolds(reader, treeId, files);
});

test("two backups at once through one repository are refused", async () => {
  using scratch = new Scratch();
  makeFiles(scratch.path);
  await using repository = await makeRepository();
  const first = backUp(repository, scratch.path);
  await assert.rejects(
    (async () => {
      await sleep(50);
      return backUp(repository, scratch.path);
    })(),
    (error) => hasCode(error, "internal"),
  );
  assert.equal((await first).errors, 0);
});
