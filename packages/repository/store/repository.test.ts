// Opening repositories and reading blobs from them, with everything that can be wrong.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createHash, randomBytes } from "node:crypto";
import { hasCode, HoldfastError } from "../errors.ts";
import { encodeIndex } from "../format/index-file.ts";
import { createKeyFile } from "../format/key-file.ts";
import { sealPack } from "../format/pack.ts";
import type { BlobType } from "../format/pack.ts";
import type { FileType } from "../storage/storage.ts";
import { MemoryStorage } from "../testing/memory-storage.ts";
import { Repository } from "./repository.ts";

const identity = { hostname: "host", username: "user", uid: 0, gid: 0, pid: process.pid };
const optionsFor = (storage: MemoryStorage) => ({ storage, password: "secret", now: () => new Date(), identity });

async function namesOf(storage: MemoryStorage, type: FileType): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of storage.list(type)) names.push(name);
  return names;
}

/** Stores one pack with these blobs and an index file that names it; the name of the pack. */
async function addPack(repository: Repository, type: BlobType, plains: readonly Buffer[]): Promise<string> {
  const pieces: Buffer[] = [];
  let offset = 0;
  const blobs = plains.map((plain) => {
    const sealed = repository.sealer.seal(plain);
    pieces.push(sealed);
    const place = {
      id: createHash("sha256").update(plain).digest(),
      type,
      offset,
      lengthBytes: sealed.length,
      plainLength: 0,
    };
    offset += sealed.length;
    return place;
  });
  const bytes = Buffer.concat([...pieces, sealPack(blobs, repository.sealer)]);
  const name = createHash("sha256").update(bytes).digest("hex");
  await repository.storage.put("pack", name, [bytes]);
  const listed = blobs.map((blob) => ({ ...blob, id: blob.id.toString("hex") }));
  await repository.saveUnpacked("index", encodeIndex([{ id: name, blobs: listed }]));
  return name;
}

const idOf = (plain: Buffer): string => createHash("sha256").update(plain).digest("hex");

test("a repository is made once, and opens with its password only", async () => {
  const storage = new MemoryStorage();
  await assert.rejects(Repository.open(optionsFor(storage)), (error) => hasCode(error, "repository-missing"));
  await using made = await Repository.create(optionsFor(storage));
  assert.equal(made.version, 2);
  await assert.rejects(Repository.create(optionsFor(storage)), (error) => hasCode(error, "repository-exists"));
  await assert.rejects(Repository.open({ ...optionsFor(storage), password: "Secret" }), (error) =>
    hasCode(error, "wrong-password"),
  );
  await using opened = await Repository.open(optionsFor(storage));
  assert.equal(opened.id, made.id);
  assert.equal(opened.config.chunkerPolynomial, made.config.chunkerPolynomial);
});

test("damage to config and keys is damage, not a wrong password", async () => {
  const flip = (bytes: Buffer): Buffer => {
    bytes[40]! ^= 1;
    return bytes;
  };
  const spoilt = new MemoryStorage();
  await (await Repository.create(optionsFor(spoilt)))[Symbol.asyncDispose]();
  spoilt.damage("config", "config", flip);
  await assert.rejects(
    Repository.open(optionsFor(spoilt)),
    (error) => hasCode(error, "damaged") && /config/.test(error.message),
  );
  const other = new MemoryStorage();
  await (await Repository.create(optionsFor(other)))[Symbol.asyncDispose]();
  const [key] = await namesOf(other, "key");
  other.damage("key", key!, flip);
  await assert.rejects(
    Repository.open(optionsFor(other)),
    (error) => hasCode(error, "damaged") && error.message.includes(key!),
  );
  await other.remove("key", key!);
  await assert.rejects(Repository.open(optionsFor(other)), (error) => hasCode(error, "damaged"));
});

test("of more keys than are tried it is said that there are others, and a hint finds the right one", async () => {
  const storage = new MemoryStorage();
  await using repository = await Repository.create({ ...optionsFor(storage), version: 2 });
  const first = repository.keyId;
  const bytes = await storage.read("key", first);
  await storage.remove("key", first);
  const who = { username: "user", hostname: "host" };
  const cheap = { N: 16, r: 8, p: 1 };
  for (let created = 0n; created < 20n; created++) {
    const facts = { created, ...who };
    const key = await createKeyFile(repository.masterKey, "other", facts, repository.kernel, cheap);
    await storage.put("key", key.name, [key.bytes]);
  }
  await assert.rejects(Repository.open(optionsFor(storage)), (error) => {
    return hasCode(error, "wrong-password") && error.message.startsWith("wrong password");
  });
  await storage.put("key", first, [bytes]);
  await assert.rejects(Repository.open(optionsFor(storage)), (error) => {
    assert.ok(hasCode(error, "wrong-password") && /--key-hint/.test(error.hint) && /key check/.test(error.hint));
    return /none of the 20 of 21 keys that were tried/.test(error.message);
  });
  await using hinted = await Repository.open({ ...optionsFor(storage), keyHint: first });
  assert.equal(hinted.keyId, first);
});

test("a chunker polynomial that is not irreducible is refused", async () => {
  const storage = new MemoryStorage();
  await assert.rejects(Repository.create({ ...optionsFor(storage), polynomial: 1n << 53n }), (error) =>
    hasCode(error, "damaged"),
  );
});

test("blobs come back checked; of two copies the good one counts", async () => {
  const storage = new MemoryStorage();
  const plain = randomBytes(1000);
  const tree = Buffer.from('{"nodes":[]}\n');
  const packs: string[] = [];
  {
    await using repository = await Repository.create(optionsFor(storage));
    packs.push(await addPack(repository, "data", [plain, randomBytes(5)]), await addPack(repository, "data", [plain]));
    packs.push(await addPack(repository, "tree", [tree, randomBytes(600_000)]));
  }
  for (const hurt of [packs[0]!, packs[1]!]) {
    await using repository = await Repository.open(optionsFor(storage));
    storage.damage("pack", hurt, (bytes) =>
      Buffer.concat([bytes.subarray(0, 50), Buffer.from([bytes[50]! ^ 1]), bytes.subarray(51)]),
    );
    const load = repository.loadBlob("data", idOf(plain));
    if (hurt === packs[0]) assert.ok((await load).equals(plain));
    else
      await assert.rejects(
        load,
        (error) =>
          hasCode(error, "damaged") &&
          error.message.includes(idOf(plain)) &&
          packs.includes(String(error.context["pack"])),
      );
    assert.deepEqual(await repository.loadTree(idOf(tree)), []);
  }
  storage.damage("pack", packs[2]!, (bytes) => bytes.subarray(0, 40));
  {
    await using repository = await Repository.open(optionsFor(storage));
    await assert.rejects(
      repository.loadTree(idOf(tree)),
      (error) => hasCode(error, "damaged") && error.message.includes("40 bytes"),
    );
  }
  storage.damage("pack", packs[2]!, (bytes) => bytes.subarray(0, 40));
  {
    await using repository = await Repository.open(optionsFor(storage));
    await assert.rejects(
      repository.loadTree(idOf(tree)),
      (error) => hasCode(error, "damaged") && error.message.includes("40 bytes"),
    );
  }
  await using repository = await Repository.open(optionsFor(storage));
  await storage.remove("pack", packs[2]!);
  await assert.rejects(
    repository.loadTree(idOf(tree)),
    (error) => hasCode(error, "damaged") && error.message.includes("missing"),
  );
  await assert.rejects(
    repository.loadBlob("data", "ab".repeat(32)),
    (error) => hasCode(error, "damaged") && error.message.includes("no index"),
  );
});

test("many trees of one pack are read in few requests", async () => {
  let reads = 0;
  class Counting extends MemoryStorage {
    override async read(...request: Parameters<MemoryStorage["read"]>): Promise<Buffer> {
      if (request[0] === "pack") reads++;
      return super.read(...request);
    }
  }
  const storage = new Counting();
  await using repository = await Repository.create(optionsFor(storage));
  const plains = Array.from({ length: 500 }, (_, i) => Buffer.from(`{"nodes":[], "n": ${i}}\n`));
  await addPack(repository, "tree", plains);
  for (const plain of plains) assert.ok((await repository.loadBlob("tree", idOf(plain))).equals(plain));
  assert.equal(reads, 1);
});

test("a place that cannot be read makes no tree around it unreadable, and another copy of a blob is tried", async () => {
  const unreadable = new Map<string, number>();
  class BadSector extends MemoryStorage {
    override async read(...request: Parameters<MemoryStorage["read"]>): Promise<Buffer> {
      const [type, name, range] = request;
      const bad = unreadable.get(name);
      const { offset = 0, lengthBytes = Infinity } = range ?? {};
      if (type === "pack" && bad !== undefined && offset <= bad && bad < offset + lengthBytes)
        throw new HoldfastError("storage", "input/output error");
      return super.read(...request);
    }
  }
  await using repository = await Repository.create(optionsFor(new BadSector()));
  const trees = [1, 2, 3].map((number) => Buffer.from(`{"nodes":[], "n": ${number}}\n`));
  unreadable.set(await addPack(repository, "tree", trees), 5);
  assert.ok((await repository.loadBlob("tree", idOf(trees[2]!))).equals(trees[2]!));
  await assert.rejects(repository.loadBlob("tree", idOf(trees[0]!)), (error) => hasCode(error, "storage"));
  await addPack(repository, "tree", [trees[0]!]);
  repository.forgetIndex();
  assert.ok((await repository.loadBlob("tree", idOf(trees[0]!))).equals(trees[0]!));
});

test("a damaged snapshot is named, the others are read", async () => {
  const storage = new MemoryStorage();
  await using repository = await Repository.create(optionsFor(storage));
  const json = (tree: string): Buffer =>
    Buffer.from(JSON.stringify({ time: "2026-01-01T00:00:00Z", tree, paths: ["/"] }));
  const good = await repository.saveUnpacked("snapshot", json("aa".repeat(32)));
  const bad = await repository.saveUnpacked("snapshot", json("bb".repeat(32)));
  storage.damage("snapshot", bad, (bytes) => bytes.subarray(1));
  const { snapshots, damaged } = await repository.loadSnapshots();
  assert.deepEqual(
    snapshots.map(({ id }) => id),
    [good],
  );
  assert.deepEqual(
    damaged.map(({ id }) => id),
    [bad],
  );
});

test("an index that is forgotten is read again, with what was stored since", async () => {
  const storage = new MemoryStorage();
  await using repository = await Repository.create(optionsFor(storage));
  await repository.loadIndex();
  await using other = await Repository.open(optionsFor(storage));
  const plain = Buffer.from("stored by another");
  await addPack(other, "data", [plain]);
  await assert.rejects(repository.loadBlob("data", idOf(plain)));
  repository.forgetIndex();
  assert.deepEqual(await repository.loadBlob("data", idOf(plain)), plain);
  await assert.rejects(
    repository.claiming(true, async () => repository.forgetIndex()),
    (error) => hasCode(error, "internal"),
  );
});
