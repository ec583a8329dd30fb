// What damage hurts is told for each group of snapshots, and a disaster is told in bounded words and memory.
import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { test } from "node:test";
import { encodeIndex } from "../../format/index-file.ts";
import type { IndexedPack } from "../../format/index-file.ts";
import { sealPack } from "../../format/pack.ts";
import { encodeSnapshot } from "../../format/snapshot.ts";
import type { Repository } from "../../store/repository.ts";
import { MemoryStorage } from "../../testing/memory-storage.ts";
import { makeRepository } from "../../writer/backup-fixture.ts";
import { check } from "./check.ts";
import type { CheckReport } from "./check-report.ts";

/** Stores one blob in a pack of its own. */
async function store(
  repository: Repository,
  type: "data" | "tree",
  content: string,
): Promise<{ id: string; pack: IndexedPack }> {
  const id = hash("sha256", content, "buffer");
  const sealed = repository.sealer.seal(Buffer.from(content));
  const blob = { id, type, offset: 0, lengthBytes: sealed.length, plainLength: 0 } as const;
  const bytes = Buffer.concat([sealed, sealPack([blob], repository.sealer)]);
  const name = hash("sha256", bytes);
  await repository.storage.put("pack", name, [bytes]);
  return { id: id.toString("hex"), pack: { id: name, blobs: [{ ...blob, id: id.toString("hex") }] } };
}

/** Snapshots of `files` files, each in a pack of its own; those with the number n have the first `files - n` of them. */
async function make(
  files: number,
  tags: readonly string[],
): Promise<{ repository: Repository; packs: string[]; ids: string[] }> {
  const repository = await makeRepository(new MemoryStorage());
  const packs: IndexedPack[] = [];
  const contents: string[] = [];
  for (let number = 0; number < files; number++) {
    const { id, pack } = await store(repository, "data", `file ${number}`);
    contents.push(id);
    packs.push(pack);
  }
  const trees: IndexedPack[] = [];
  const ids: string[] = [];
  for (const [number, tag] of tags.entries()) {
    const nodes = contents.slice(number).map((id, at) => ({
      name: String(at + number).padStart(6, "0"),
      type: "file",
      content: [id],
    }));
    const { id: tree, pack } = await store(repository, "tree", `${JSON.stringify({ nodes })}\n`);
    trees.push(pack);
    const facts = {
      parent: null,
      paths: ["/"],
      hostname: "h",
      username: "u",
      uid: 0,
      gid: 0,
      excludes: [],
      original: null,
    };
    const time = new Date(number * 1000).toISOString();
    const snapshot = { ...facts, time, tree, tags: [tag], programVersion: "", summary: null, unknownFields: {} };
    ids.push(await repository.saveUnpacked("snapshot", encodeSnapshot(snapshot)));
  }
  await repository.saveUnpacked("index", encodeIndex([...packs, ...trees]));
  return { repository, packs: packs.map(({ id }) => id), ids };
}

function checkGroups(repository: Repository): Promise<CheckReport> {
  const groupOf = ({ tags }: { readonly tags: readonly string[] }): string | null => (tags[0] === "" ? null : tags[0]!);
  return check(repository, { readData: true, workers: 1, groupOf }, () => {});
}

test("a lost pack names each group with its own snapshots and files, and all of them together", async () => {
  const { repository, packs, ids } = await make(3, ["mist", "mail", ""]);
  await repository.storage.remove("pack", packs[1]!);
  const { findings } = await checkGroups(repository);
  assert.equal(findings.length, 1);
  const [{ groups = [], snapshots = [], snapshotCount, paths = [], blobCount }] = findings as [(typeof findings)[0]];
  assert.deepEqual([snapshots, snapshotCount, paths.map(String), blobCount], [ids.slice(0, 2), 2, ["/000001"], 1]);
  assert.deepEqual(
    groups.map((group) => [group.name, group.snapshots, group.snapshotCount, group.paths.map(String), group.pathCount]),
    [
      ["mist", [ids[0]], 1, ["/000001"], 1],
      ["mail", [ids[1]], 1, ["/000001"], 1],
    ],
  );
});

test("when more is lost than is told apart, every pack is named, and the rest of what it hurts is told once", async () => {
  const files = 400;
  const { repository, packs } = await make(files, ["mist"]);
  for (const pack of packs) await repository.storage.remove("pack", pack);
  const { findings, verdict } = await checkGroups(repository);
  assert.equal(verdict, "damaged");
  assert.deepEqual(new Set(findings.map(({ file }) => file?.name)), new Set(packs));
  const apart = findings.filter(({ pathCount }) => pathCount === 1);
  const together = findings.filter(({ pathCount = 0 }) => pathCount > 1);
  assert.deepEqual([apart.length, together.length, together[0]?.pathCount], [255, 1, files - 255]);
  assert.equal(together[0]?.paths?.length, 20);
  assert.equal(findings.filter(({ message }) => message.includes("told with another one above")).length, files - 256);
});

test("of very many snapshots the first are named and all are counted", async () => {
  const { repository, packs, ids } = await make(
    1,
    Array.from({ length: 1200 }, () => "mist"),
  );
  await repository.storage.remove("pack", packs[0]!);
  const [finding] = (await checkGroups(repository)).findings;
  // Only the first snapshot has the file: the others have none of the one that there is.
  assert.deepEqual(finding?.snapshots, [ids[0]]);
  const trees = await Array.fromAsync(repository.storage.list("pack"));
  for (const { name } of trees) await repository.storage.remove("pack", name);
  const all = (await checkGroups(repository)).findings.filter(({ kind }) => kind === "pack-missing");
  const counts = all.map(({ snapshotCount = 0, snapshots = [] }) => [snapshotCount, snapshots.length]);
  assert.ok(counts.some(([count, named]) => count === 1199 && named === 1000));
});
