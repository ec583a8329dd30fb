// Damage of every kind to every kind of file is found and named, with what it hurts; restic's verdict agrees.
import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { encodeIndex } from "../../format/index-file.ts";
import { encodeLockFile } from "../../format/lock-file.ts";
import { hasCode } from "../../errors.ts";
import { relativePath } from "../../storage/file-layout.ts";
import type { FileType } from "../../storage/storage.ts";
import { fileTypes } from "../../storage/storage.ts";
import { BlobReader } from "../../store/blob-reader.ts";
import type { Repository } from "../../store/repository.ts";
import type { CheckReport, Finding } from "./check-report.ts";
import { check } from "./check.ts";
import { requiredBinary, ResticRepository } from "../restic-repository.ts";

interface Place {
  readonly type: FileType;
  readonly name: string;
}

let made: ResticRepository;
let repository: Repository;
/** Files of each kind, packs told apart by what they hold, in the order of the two snapshots where that counts. */
const files: Record<FileType | "data" | "tree", Place[]> = {
  config: [],
  key: [],
  lock: [],
  snapshot: [],
  index: [],
  pack: [],
  data: [],
  tree: [],
};
let snapshotIds: string[] = [];
let sourcePath = "";

before(async () => {
  made = await ResticRepository.make(requiredBinary("HOLDFAST_RESTIC"), 2, 2);
  made.makeSnapshots();
  sourcePath = made.source;
  repository = await made.open();
  // Two locks of a living process elsewhere.
  for (const pid of [1, 2]) {
    const time = BigInt(Date.now()) * 1_000_000n;
    await repository.saveUnpacked(
      "lock",
      encodeLockFile({ time, exclusive: false, hostname: "elsewhere", username: "u", pid, uid: 0, gid: 0 }),
    );
  }
  for (const type of fileTypes) {
    for await (const { name } of repository.storage.list(type)) files[type].push({ type, name });
  }
  const { snapshots } = await repository.loadSnapshots();
  snapshotIds = snapshots.map(({ id }) => id);
  const index = await repository.loadIndex();
  // The packs of the first snapshot first.
  const firstBlobs = new Set([await repository.loadBlob("tree", snapshots[0]!.tree)].map(() => snapshots[0]!.tree));
  const packsOf = new Map<string, Set<string>>();
  for (const { id, type, location } of index.blobs()) {
    const ids = packsOf.get(`${type} ${location.pack}`) ?? new Set();
    packsOf.set(`${type} ${location.pack}`, ids.add(id.toString("hex")));
  }
  const [rootNode] = await repository.loadTree(await treeAt("a"));
  for (const content of rootNode!.content!) firstBlobs.add(content);
  for (const [key, ids] of packsOf) {
    const [kind, name] = key.split(" ") as ["data" | "tree", string];
    const isFirst = [...ids].some((id) => firstBlobs.has(id));
    files[kind][isFirst ? "unshift" : "push"]({ type: "pack", name });
  }
  assert.deepEqual(
    [files.data.length, files.tree.length, files.index.length, files.lock.length, files.key.length],
    [2, 2, 2, 2, 2],
  );
});

after(async () => {
  await repository[Symbol.asyncDispose]();
  made[Symbol.dispose]();
});

/** The tree of a directory of the source in the last snapshot. */
async function treeAt(...names: string[]): Promise<string> {
  const { snapshots } = await repository.loadSnapshots();
  let tree = snapshots.at(-1)!.tree;
  for (const name of [...sourcePath.split("/").filter(Boolean), ...names]) {
    tree = (await repository.loadTree(tree)).find((node) => node.name.toString() === name)!.subtree!;
  }
  return tree;
}

function pathOf({ type, name }: Place): string {
  return join(made.directory, relativePath(type, name));
}

function checkAll(): Promise<CheckReport> {
  return check(repository, { readData: true, workers: 1 }, () => undefined);
}

/** Runs `work` while the content of a file is `content` (null: the file is gone), and puts it back. */
async function whileDamaged<T>(place: Place, content: Buffer | null, work: () => Promise<T>): Promise<T> {
  const path = pathOf(place);
  const whole = readFileSync(path);
  if (content === null) rmSync(path);
  else replaceFile(path, content);
  try {
    return await work();
  } finally {
    replaceFile(path, whole);
  }
}

/** restic makes its files read-only. */
function replaceFile(path: string, content: Buffer): void {
  rmSync(path, { force: true });
  writeFileSync(path, content);
}

function flipped(content: Buffer, bit: number): Buffer {
  const copy = Buffer.from(content);
  copy[bit >> 3]! ^= 1 << (bit & 7);
  return copy;
}

function errorsAbout(report: CheckReport, { type, name }: Place): Finding[] {
  return report.findings.filter(
    (finding) => finding.severity === "error" && finding.file?.type === type && finding.file.name === name,
  );
}

function names(finding: Finding | undefined): { snapshots: readonly string[]; paths: string[] } {
  return { snapshots: finding?.snapshots ?? [], paths: (finding?.paths ?? []).map(String).sort() };
}

const kinds = ["config", "key", "lock", "snapshot", "index", "data", "tree"] as const;
const ways: Readonly<Record<string, (whole: Buffer) => Buffer>> = {
  "a bit flipped at the beginning": (whole) => flipped(whole, 3),
  "a bit flipped in the middle": (whole) => flipped(whole, whole.length * 4 + 5),
  "a bit flipped at the end": (whole) => flipped(whole, whole.length * 8 - 1),
  "the last byte cut off": (whole) => whole.subarray(0, -1),
  "half of it cut off": (whole) => whole.subarray(0, whole.length >> 1),
  "nothing in it": () => Buffer.alloc(0),
  "bytes behind its end": (whole) => Buffer.concat([whole, Buffer.from("more")]),
};

test("the undamaged repository is clean", async () => {
  const report = await checkAll();
  assert.deepEqual(report.findings, []);
  assert.ok(made.isSound());
});

for (const kind of kinds) {
  describe(`a ${kind} file`, () => {
    for (const [way, change] of Object.entries(ways)) {
      test(`with ${way} is found and named`, async () => {
        const place = files[kind][0]!;
        const content = change(readFileSync(pathOf(place)));
        await whileDamaged(place, content, async () => {
          const report = await checkAll();
          assert.equal(report.verdict, "damaged");
          assert.ok(errorsAbout(report, place).length > 0, JSON.stringify(report.findings));
          // restic looks at locks only when it takes one, and passes by keys as long as one of them opens.
          if (kind !== "lock" && kind !== "key") assert.equal(made.isSound(), false);
        });
      });
    }

    test("that took the place of another one is found and named, and so is the other", async () => {
      const [place, other = files.index[0]!] = files[kind] as [Place, Place | undefined];
      const otherContent = readFileSync(pathOf(other));
      await whileDamaged(other, readFileSync(pathOf(place)), () =>
        whileDamaged(place, otherContent, async () => {
          const report = await checkAll();
          assert.ok(errorsAbout(report, place).length > 0);
          assert.ok(errorsAbout(report, other).length > 0);
          if (kind !== "lock" && kind !== "key") assert.equal(made.isSound(), false);
        }),
      );
    });
  });
}

describe("what is missing", () => {
  const at = (...names: string[]): string => join(sourcePath, ...names);

  test("a data pack: names the snapshots and the files", async () => {
    const [first, second] = files.data as [Place, Place];
    await whileDamaged(first, null, async () => {
      const [finding, ...others] = errorsAbout(await checkAll(), first);
      assert.equal(finding?.kind, "pack-missing");
      assert.deepEqual(others, []);
      assert.deepEqual(names(finding), { snapshots: snapshotIds, paths: [at("a", "one"), at("a", "two")] });
      assert.equal(finding.pathCount, 2);
      assert.equal(made.isSound(), false);
    });
    await whileDamaged(second, null, async () => {
      const [finding] = errorsAbout(await checkAll(), second);
      assert.deepEqual(names(finding), { snapshots: snapshotIds.slice(1), paths: [at("b", "three")] });
    });
  });

  test("a tree pack: names the snapshots and the directories", async () => {
    const [first, second] = files.tree as [Place, Place];
    await whileDamaged(first, null, async () => {
      const report = await checkAll();
      const [finding] = errorsAbout(report, first);
      assert.equal(finding?.kind, "pack-missing");
      // The first snapshot from its root on; the second in the directory that it shares with the first.
      assert.deepEqual(names(finding), { snapshots: snapshotIds, paths: ["/", at("a")] });
      assert.equal(report.unused, null);
      assert.equal(made.isSound(), false);
    });
    await whileDamaged(second, null, async () => {
      const [finding] = errorsAbout(await checkAll(), second);
      assert.deepEqual(names(finding), { snapshots: snapshotIds.slice(1), paths: ["/"] });
    });
  });

  test("an index: its packs are in none, and what needs their blobs is named", async () => {
    for (const place of files.index) {
      await whileDamaged(place, null, async () => {
        const { findings, verdict } = await checkAll();
        assert.equal(verdict, "damaged");
        const missing = findings.find(({ kind }) => kind === "blobs-missing");
        assert.ok(
          (missing?.snapshots?.length ?? 0) > 0 && (missing?.pathCount ?? 0) > 0 && (missing?.blobCount ?? 0) > 0,
        );
        assert.equal(findings.filter(({ kind }) => kind === "pack-unindexed").length, 2);
        assert.equal(made.isSound(), false);
      });
    }
  });

  test("the blobs of one data pack in all indexes: names the files that need them", async () => {
    const [left] = files.data as [Place];
    const packs = new Map<
      string,
      { id: string; type: "data" | "tree"; offset: number; lengthBytes: number; plainLength: number }[]
    >();
    for (const { id, type, location } of (await repository.loadIndex()).blobs()) {
      if (location.pack === left.name) continue;
      packs.set(location.pack, [...(packs.get(location.pack) ?? []), { id: id.toString("hex"), type, ...location }]);
    }
    const name = await repository.saveUnpacked("index", encodeIndex([...packs].map(([id, blobs]) => ({ id, blobs }))));
    const [first, second] = files.index as [Place, Place];
    await whileDamaged(first, null, () =>
      whileDamaged(second, null, async () => {
        const { findings } = await checkAll();
        const missing = findings.find(({ kind }) => kind === "blobs-missing");
        assert.deepEqual(names(missing), { snapshots: snapshotIds, paths: [at("a", "one"), at("a", "two")] });
        assert.equal(made.isSound(), false);
      }),
    );
    await repository.storage.remove("index", name);
  });

  test("the config, and the key in use", async () => {
    for (const place of [files.config[0]!, { type: "key", name: repository.keyId } as const]) {
      await whileDamaged(place, null, async () => {
        assert.deepEqual(
          errorsAbout(await checkAll(), place).map(({ kind }) => kind),
          ["file-missing"],
        );
      });
    }
  });

  test("a lock and a snapshot leave nothing wrong behind", async () => {
    for (const place of [files.lock[0]!, files.snapshot[1]!]) {
      const report = await whileDamaged(place, null, checkAll);
      assert.equal(report.verdict, "clean");
    }
  });
});

describe("a bit flipped in one blob", () => {
  test("hurts just the file that has the blob, by every way to it", async () => {
    const [place] = files.data as [Place];
    const index = await repository.loadIndex();
    const [one] = await repository.loadTree(await treeAt("a"));
    const [location] = index.locations(one!.content![0]!, "data");
    assert.equal(location?.pack, place.name);
    const content = flipped(readFileSync(pathOf(place)), (location.offset + 20) * 8);
    await whileDamaged(place, content, async () => {
      const [finding] = errorsAbout(await checkAll(), place);
      assert.deepEqual(finding?.blobs, [{ type: "data", id: one!.content![0] }]);
      assert.deepEqual(names(finding), { snapshots: snapshotIds, paths: [join(sourcePath, "a", "one")] });
      // Without reading data it cannot be known.
      assert.equal((await check(repository, { readData: false }, () => undefined)).verdict, "clean");
    });
  });

  test("in a pack's header hurts no file and is found", async () => {
    const [place] = files.data as [Place];
    const whole = readFileSync(pathOf(place));
    await whileDamaged(place, flipped(whole, (whole.length - 10) * 8), async () => {
      const [finding] = errorsAbout(await checkAll(), place);
      assert.match(finding?.message ?? "", /header cannot be read/);
      assert.deepEqual(names(finding), { snapshots: [], paths: [] });
    });
  });
});

describe("leftovers", () => {
  test("a pack in no index, an index of nothing and a stale lock are rubbish, as is garbage among the packs", async () => {
    const index = await repository.saveUnpacked("index", encodeIndex([]));
    const old = encodeLockFile({
      time: 0n,
      exclusive: true,
      hostname: "elsewhere",
      username: "u",
      pid: 1,
      uid: 0,
      gid: 0,
    });
    const lock = await repository.saveUnpacked("lock", old);
    const garbage = "ab".repeat(32);
    await repository.storage.put("pack", garbage, [Buffer.from("garbage")]);
    try {
      const report = await checkAll();
      assert.equal(report.verdict, "rubbish");
      assert.deepEqual(
        new Set(report.findings.map(({ kind, severity, file }) => `${severity} ${kind} ${file?.name}`)),
        new Set([`rubbish index-empty ${index}`, `rubbish lock-stale ${lock}`, `rubbish pack-unindexed ${garbage}`]),
      );
      assert.ok(made.isSound());
    } finally {
      await repository.storage.remove("index", index);
      await repository.storage.remove("lock", lock);
      await repository.storage.remove("pack", garbage);
    }
  });

  test("garbage under a name in other directories is an error, named", async () => {
    for (const type of ["key", "lock", "snapshot", "index"] as const) {
      const place = { type, name: "cd".repeat(32) };
      await repository.storage.put(type, place.name, [Buffer.from("garbage")]);
      const report = await checkAll();
      await repository.storage.remove(type, place.name);
      assert.equal(errorsAbout(report, place).length, 1, type);
    }
  });

  test("a pack that two index files list is a hint; one that they contradict each other about is an error", async () => {
    const blobs = [];
    const [pack] = files.data as [Place];
    const index = await repository.loadIndex();
    for (const { id, type, location } of index.blobs()) {
      if (location.pack === pack.name) blobs.push({ id: id.toString("hex"), type, ...location });
    }
    const again = await repository.saveUnpacked("index", encodeIndex([{ id: pack.name, blobs }]));
    const report = await checkAll();
    await repository.storage.remove("index", again);
    assert.equal(report.verdict, "clean");
    assert.deepEqual(
      report.findings.map(({ kind }) => kind),
      ["pack-indexed-twice"],
    );
    const wrong = blobs.map((blob) => ({ ...blob, plainLength: blob.plainLength + 1 }));
    const liar = await repository.saveUnpacked("index", encodeIndex([{ id: pack.name, blobs: wrong }]));
    const lied = await checkAll();
    await repository.storage.remove("index", liar);
    assert.equal(lied.verdict, "damaged");
    assert.ok(lied.findings.some(({ kind }) => kind === "index-contradiction"));
  });
});

test("a blob that is stored twice is not lost with one of its packs", async () => {
  const [pack] = files.data as [Place];
  const index = await repository.loadIndex();
  // The same pack in other words: sealed again, it has another name.
  const { sealPack } = await import("../../format/pack.ts");
  const { hash } = await import("node:crypto");
  const whole = readFileSync(pathOf(pack));
  const blobs = [...index.blobs()]
    .filter(({ location }) => location.pack === pack.name)
    .map(({ id, type, location }) => ({ id: Buffer.from(id), type, ...location }))
    .sort((a, b) => a.offset - b.offset);
  const body = whole.subarray(
    0,
    blobs.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0),
  );
  const copy = Buffer.concat([body, sealPack(blobs, repository.sealer)]);
  const name = hash("sha256", copy);
  await repository.storage.put("pack", name, [copy]);
  const listed = await repository.saveUnpacked(
    "index",
    encodeIndex([{ id: name, blobs: blobs.map((blob) => ({ ...blob, id: blob.id.toString("hex") })) }]),
  );
  try {
    const sound = await checkAll();
    assert.equal(sound.verdict, "clean");
    assert.equal(sound.duplicateBlobs, blobs.length);
    await whileDamaged(pack, null, async () => {
      const [finding] = errorsAbout(await checkAll(), pack);
      assert.deepEqual(names(finding), { snapshots: [], paths: [] });
    });
  } finally {
    await repository.storage.remove("index", listed);
    await repository.storage.remove("pack", name);
  }
});

test("opening a repository with a damaged config or only damaged keys says so", async () => {
  const [config] = files.config as [Place];
  await whileDamaged(config, flipped(readFileSync(pathOf(config)), 100), () =>
    assert.rejects(made.open(), (error) => hasCode(error, "damaged")),
  );
  await whileDamaged(config, null, () => assert.rejects(made.open(), (error) => hasCode(error, "repository-missing")));
  const [first, second] = files.key as [Place, Place];
  await whileDamaged(first, Buffer.from("{"), () =>
    whileDamaged(second, Buffer.from("{"), () =>
      assert.rejects(
        made.open(),
        (error) =>
          hasCode(error, "damaged") && (error.message.includes(first.name) || error.message.includes(second.name)),
      ),
    ),
  );
});

test("an interrupted check ends with `interrupted`, before it begins and while it runs", async () => {
  const before = AbortSignal.abort();
  await assert.rejects(
    check(repository, { readData: true, signal: before }, () => undefined),
    (error) => hasCode(error, "interrupted"),
  );
  const controller = new AbortController();
  const stopAtData = ({ kind, phase }: { kind: string; phase?: string }): void => {
    if (kind === "progress" && phase === "trees") controller.abort();
  };
  await assert.rejects(check(repository, { readData: true, signal: controller.signal }, stopAtData), (error) =>
    hasCode(error, "interrupted"),
  );
});

test("every finding comes to the listener, and progress of every phase", async () => {
  const [pack] = files.data as [Place];
  await whileDamaged(pack, null, async () => {
    const phases = new Set<string>();
    const found: Finding[] = [];
    const report = await check(repository, { readData: true, workers: 1 }, (event) => {
      if (event.kind === "progress") phases.add(event.phase);
      else found.push(event.finding);
    });
    assert.deepEqual(found, report.findings);
    assert.deepEqual([...phases], ["files", "index", "packs", "trees", "data", "impact"]);
  });
});

describe("any bit of the repository", () => {
  const isLong = process.env["HOLDFAST_LONG"] === "1";

  test(`flipped is found, and no blob is ever read wrong (${isLong ? "a bit of every 8th byte" : "100 bits at random"})`, async () => {
    const places = fileTypes.filter((type) => type !== "lock").flatMap((type) => files[type]);
    const contents = new Map<string, Buffer>();
    const index = await repository.loadIndex();
    for (const { id, type } of index.blobs())
      contents.set(`${type} ${id.toString("hex")}`, await repository.loadBlob(type, id.toString("hex")));
    for (const { place, bit } of isLong ? bitsOfEveryByte(places) : randomBits(places, 100)) {
      await whileDamaged(place, flipped(readFileSync(pathOf(place)), bit), async () => {
        const report = await checkAll();
        assert.ok(
          errorsAbout(report, place).length > 0,
          `bit ${bit} of ${place.type} ${basename(place.name)} was not found`,
        );
        if (place.type === "pack") await assertNothingWrongIsRead(contents);
      });
    }
  });

  async function assertNothingWrongIsRead(contents: ReadonlyMap<string, Buffer>): Promise<void> {
    const reader = new BlobReader(repository.storage, repository.sealer, repository.decompressor, new Set());
    const index = await repository.loadIndex();
    for (const [key, content] of contents) {
      const [type, id] = key.split(" ") as ["data" | "tree", string];
      try {
        assert.ok((await reader.load(index, type, id)).equals(content));
      } catch (error) {
        assert.ok(hasCode(error, "damaged"), String(error));
      }
    }
  }

  function* randomBits(places: readonly Place[], count: number): Generator<{ place: Place; bit: number }> {
    for (let i = 0; i < count; i++) {
      const place = places[i % places.length]!;
      yield { place, bit: Math.floor(Math.random() * readFileSync(pathOf(place)).length * 8) };
    }
  }

  function* bitsOfEveryByte(places: readonly Place[]): Generator<{ place: Place; bit: number }> {
    for (const place of places) {
      const { length } = readFileSync(pathOf(place));
      // The large pack of random data is like all of its bytes.
      const step = length > 4096 ? 61 : 1;
      for (let byte = 0; byte < length; byte += step) yield { place, bit: byte * 8 + (byte % 8) };
    }
  }
});
