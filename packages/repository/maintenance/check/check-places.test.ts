// Damage to each file of a small repository is noticed, never gives a wrong byte, and what it does not hurt is restored.
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { hasCode, HoldfastError } from "../../errors.ts";
import { restore } from "../../reader/restore.ts";
import type { RestoreEvent } from "../../reader/restore-request.ts";
import { everyPath } from "../../selection/path-rules.ts";
import type { FileType, Storage } from "../../storage/storage.ts";
import type { StoredSnapshot } from "../../store/repository.ts";
import type { MemoryStorage } from "../../testing/memory-storage.ts";
import { crashAt, FaultStorage } from "../../testing/fault-storage.ts";
import { openRepository } from "../../writer/backup-fixture.ts";
import type { CheckReport } from "./check-report.ts";
import { blobsWithin, checkAll, copyOf, makeDamageable, namesIn } from "../repair/repair-fixture.ts";
import type { KnownFile, LostBlobs, StoredName, Truth } from "../repair/repair-fixture.ts";

const isLong = process.env["HOLDFAST_LONG"] === "1";
let base: MemoryStorage;
let truth: Truth;
before(async () => {
  ({ storage: base, truth } = await makeDamageable());
});

/** From the content and that of another file of the same kind; null: the file is gone. */
const damages: Readonly<Record<string, (content: Buffer, other: Buffer) => Buffer | null>> = {
  gone: () => null,
  "cut short": (content) => content.subarray(0, content.length >> 1),
  "cut by a byte": (content) => content.subarray(0, -1),
  empty: () => Buffer.alloc(0),
  extended: (content) => Buffer.concat([content, Buffer.from([0])]),
  "the content of another": (_, other) => other,
  "of zeros": (content) => Buffer.alloc(content.length),
  "a bit flipped": (content) => {
    content[Math.floor(content.length * 0.7)]! ^= 4;
    return content;
  },
};

for (const type of ["config", "key", "snapshot", "index", "pack"] as const) {
  describe(`R198: each file of the type ${type}`, () => {
    for (const [turn, [what, change]] of Object.entries(damages).entries()) {
      test(`${what}: is noticed, gives no wrong byte, and what it does not hurt is restored`, async () => {
        const files = (await namesIn(base)).filter((file) => file.type === type);
        // Each damage has its turn with one file of every kind, or with all.
        for (const [at, file] of files.entries())
          if (isLong || at === turn % files.length) await damaged(file, what, change);
      });
    }
  });
}

async function damaged(file: StoredName, what: string, change: (typeof damages)[string]): Promise<void> {
  const { type, name } = file;
  const storage = await copyOf(base);
  const others = (await namesIn(storage)).filter((each) => each.name !== name);
  const other = others.find((each) => each.type === type) ?? others[0]!;
  const content = await storage.read(type, name);
  const changed = change(Buffer.from(content), await storage.read(other.type, other.name));
  if (changed === null) await storage.remove(type, name);
  else storage.damage(type, name, () => changed);
  const where = `${type} ${name} ${what}`;
  const report = await checked(storage, type);
  // The snapshot that is simply not there, like a key that nobody used, is nothing that a repository could know.
  if (report === null || (changed === null && (type === "snapshot" || type === "key"))) return;
  assert.equal(report.verdict, "damaged", where);
  const named = report.findings.some((finding) => finding.file?.name === name);
  assert.ok(named || (type === "index" && changed === null), `${where} is not named`);
  const hurt = (start: number, end: number): boolean => !isEqualWithin(content, changed, start, end);
  const lost: LostBlobs = type === "pack" ? blobsWithin(truth, name, hurt) : new Set();
  await assertRest(storage, lost, type, where);
}

/** Null when it cannot even be opened, with the right error. */
async function checked(storage: Storage, type: FileType): Promise<CheckReport | null> {
  try {
    await using repository = await openRepository(storage);
    return await checkAll(repository);
  } catch (error) {
    if (type !== "config") throw error;
    assert.ok(hasCode(error, "damaged") || hasCode(error, "repository-missing"), String(error));
    return null;
  }
}

function isEqualWithin(content: Buffer, changed: Buffer | null, start: number, end: number): boolean {
  return changed !== null && content.subarray(start, end).equals(changed.subarray(start, end));
}

/** Every file whose trees and blobs are whole comes back, in every snapshot that is left; and no other bytes at all. */
async function assertRest(storage: Storage, lost: LostBlobs, type: FileType, where: string): Promise<void> {
  await using repository = await openRepository(storage);
  const { snapshots } = await repository.loadSnapshots();
  assert.ok(snapshots.length >= truth.snapshots.size - 1, where);
  for (const snapshot of isLong ? snapshots : snapshots.slice(-1)) {
    const target = mkdtempSync("/dev/shm/holdfast-places-");
    try {
      const errors = await restored(repository, snapshot, target);
      const known = truth.snapshots.get(snapshot.time) ?? assert.fail(where);
      // Without its index, what a pack has is not known, which is said; `repair index` reads it from the packs.
      const isKnown = type !== "index" || errors.length === 0;
      for (const file of known.files) compare(file, target, { lost, isKnown, where });
      const files = readdirSync(target, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
      assert.ok(files.length <= known.files.length, where);
      assert.ok(lost.size > 0 || type === "index" || errors.length === 0, `${where}: ${errors.join()}`);
    } finally {
      rmSync(target, { recursive: true });
    }
  }
}

async function restored(
  repository: Awaited<ReturnType<typeof openRepository>>,
  snapshot: StoredSnapshot,
  target: string,
): Promise<string[]> {
  const errors: string[] = [];
  const listener = (event: RestoreEvent): void => {
    if (event.kind === "error") errors.push(`${event.path.toString()}: ${event.error.message}`);
  };
  const fixed = { subfolder: "/", rules: everyPath, overwrite: "always", delete: false, sparse: false } as const;
  try {
    await restore(repository, { ...fixed, snapshot, target, verify: false, dryRun: false, workers: 1 }, listener);
  } catch (error) {
    assert.ok(error instanceof HoldfastError && error.code === "damaged", String(error));
    errors.push(error.message);
  }
  return errors;
}

function compare(
  { path, trees, pieces }: KnownFile,
  target: string,
  { lost, isKnown, where }: { lost: LostBlobs; isKnown: boolean; where: string },
): void {
  const whole = trees.every((id) => !lost.has(`tree ${id}`)) && pieces.every(({ id }) => !lost.has(`data ${id}`));
  const content = Buffer.concat(pieces.map((piece) => piece.content));
  let found: Buffer | null = null;
  try {
    found = readFileSync(join(target, path));
  } catch {
    // Not there.
  }
  if (whole && isKnown) assert.ok(found?.equals(content), `${where}: ${path} did not come back`);
  assert.ok(found === null || found.equals(content), `${where}: ${path} has other bytes`);
}

describe("a file that the storage does not give", () => {
  for (const type of ["snapshot", "index", "pack"] as const) {
    test(`of the type ${type}: is named, everything else is checked, and it is not called missing`, async () => {
      const name = (await namesIn(base)).find((file) => file.type === type)!.name;
      const storage = new FaultStorage(base, (call) =>
        call.operation === "read" && call.name === name ? { kind: "fail", code: "permission" } : undefined,
      );
      await using repository = await openRepository(storage);
      const report = await checkAll(repository);
      assert.equal(report.verdict, "damaged");
      const findings = report.findings.filter(({ file }) => file?.name === name);
      assert.ok(findings.length > 0 && findings.every(({ kind }) => !kind.endsWith("missing")));
      assert.match(findings[0]!.message, /cannot be read: injected: permission/);
      if (type === "pack") assert.equal(report.packsRead, report.packs - 1);
    });
  }

  test("because the process is to end: the check ends, and says nothing of damage", async () => {
    await assert.rejects(
      async () => {
        await using repository = await openRepository(new FaultStorage(base, crashAt(20, "not-done")));
        await checkAll(repository);
      },
      (error) => hasCode(error, "interrupted"),
    );
  });
});
