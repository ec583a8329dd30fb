// Any tree in, the same tree out: names as bytes, modes, links, holes, sizes around the borders of chunks.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { assertSameTree, capture, restoreTo } from "../reader/restore-fixture.ts";
import { SharedRepository } from "../store/lock-fixture.ts";

const isLong = process.env["HOLDFAST_LONG"] === "1";
const runs = isLong ? 3000 : 50;
const kibibyte = 1024;

interface Common {
  readonly name: Buffer;
  readonly mode: number;
  readonly mtimeSeconds: number;
}
type Piece = { readonly sizeBytes: number; readonly of: "noise" | "zeros" | "hole" | "pattern" };
type Entry = Common &
  (
    | { readonly kind: "file"; readonly pieces: readonly Piece[]; readonly otherNames: readonly Buffer[] }
    | { readonly kind: "directory"; readonly entries: readonly Entry[] }
    | { readonly kind: "link"; readonly target: Buffer }
    | { readonly kind: "pipe" }
  );

/** What a Unix name or the target of a link may be. */
function bytes(maxLength: number, forbidden: readonly number[]): fc.Arbitrary<Buffer> {
  const text = fc.oneof(
    { weight: 2, arbitrary: fc.uint8Array({ minLength: 1, maxLength }) },
    {
      weight: 3,
      arbitrary: fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }).map((each) => Buffer.from(each)),
    },
  );
  return text
    .map((each) => Buffer.from(each))
    .filter((each) => each.length > 0 && each.length <= maxLength && !each.some((byte) => forbidden.includes(byte)))
    .filter((each) => !["", ".", ".."].includes(each.toString()));
}
const name = bytes(255, [0, 0x2f]);

/** restic's chunks have from 512 KiB to 8 MiB; blobs of small files share a batch of 4 MiB. */
const sizeBytes = fc.oneof(
  { weight: 6, arbitrary: fc.nat(3000) },
  { weight: 3, arbitrary: fc.integer({ min: -2, max: 2 }).map((near) => 512 * kibibyte + near) },
  { weight: 2, arbitrary: fc.integer({ min: -1, max: 1 }).map((near) => 4096 * kibibyte + near) },
  { weight: 1, arbitrary: fc.integer({ min: -1, max: 1 }).map((near) => 8192 * kibibyte + near) },
  { weight: 2, arbitrary: fc.nat(2_000_000) },
);
const piece: fc.Arbitrary<Piece> = fc.record({
  sizeBytes,
  of: fc.constantFrom<Piece["of"]>("noise", "zeros", "hole", "pattern"),
});
const common = {
  name,
  mode: fc.oneof(fc.integer({ min: 0, max: 0o7777 }), fc.constantFrom(0o644, 0o755)),
  mtimeSeconds: fc.oneof(fc.integer({ min: -(2 ** 31), max: 2 ** 32 }), fc.double({ min: 0, max: 2e9, noNaN: true })),
};
const { entries } = fc.letrec<{ entries: Entry[]; entry: Entry }>((tie) => ({
  entries: fc.uniqueArray(tie("entry"), { maxLength: 5, selector: (each) => each.name.toString("hex") }),
  entry: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.record({
      ...common,
      kind: fc.constant("file" as const),
      pieces: fc.array(piece, { maxLength: 3 }),
      otherNames: fc.oneof(fc.constant([]), fc.array(name, { maxLength: 2 })),
    }),
    fc.record({ ...common, kind: fc.constant("link" as const), target: bytes(300, [0]) }),
    fc.record({ ...common, kind: fc.constant("pipe" as const) }),
    fc.record({ ...common, kind: fc.constant("directory" as const), entries: tie("entries") }),
    fc.record({ ...common, kind: fc.constant("directory" as const), entries: tie("entries") }),
  ),
}));

const below = (directory: Buffer, each: Buffer): Buffer => Buffer.concat([directory, Buffer.from("/"), each]);

/** Makes a directory with these entries; names that are taken already are left out. `spare` is a free path nearby. */
function make(directory: Buffer, list: readonly Entry[], spare: string): void {
  fs.mkdirSync(directory);
  for (const entry of list) {
    const path = below(directory, entry.name);
    if (fs.lstatSync(path, { throwIfNoEntry: false })) continue;
    if (entry.kind === "directory") make(path, entry.entries, spare);
    else if (entry.kind === "link") fs.symlinkSync(entry.target, path);
    else if (entry.kind === "pipe") makePipe(path, spare);
    else makeFile(directory, path, entry);
    if (entry.kind !== "link") fs.chmodSync(path, entry.mode);
    // Later than all other times, so that reading does not change it.
    fs.lutimesSync(path, Math.max(entry.mtimeSeconds, Date.now() / 1000) + 3600, entry.mtimeSeconds);
  }
}

function makeFile(directory: Buffer, path: Buffer, { pieces, otherNames }: Extract<Entry, { kind: "file" }>): void {
  const descriptor = fs.openSync(path, "wx");
  let at = 0;
  for (const [number, each] of pieces.entries()) {
    if (each.of !== "hole") fs.writeSync(descriptor, contentOf(each, number), 0, each.sizeBytes, at);
    at += each.sizeBytes;
  }
  fs.ftruncateSync(descriptor, at);
  fs.closeSync(descriptor);
  for (const other of otherNames) {
    const second = below(directory, other);
    if (!fs.lstatSync(second, { throwIfNoEntry: false })) fs.linkSync(path, second);
  }
}

function contentOf({ of, sizeBytes: length }: Piece, number: number): Buffer {
  if (of === "zeros") return Buffer.alloc(length);
  if (of === "pattern") return Buffer.alloc(length, `pattern ${number} `);
  return createHash("shake256", { outputLength: Math.max(1, length) })
    .update(`${number} ${length}`)
    .digest();
}

/** `mkfifo` takes no name that is not text: it is made elsewhere. */
function makePipe(path: Buffer, spare: string): void {
  execFileSync("mkfifo", [spare]);
  fs.renameSync(spare, path);
}

test(`any of ${runs} trees comes back as it was`, async (context) => {
  const base = fs.existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
  const work = fs.mkdtempSync(join(base, "any-tree-"));
  const seed = Date.now() % 2 ** 31;
  context.diagnostic(`seed ${seed}`);
  const shared = await SharedRepository.make();
  let trees = 0;
  const property = fc.asyncProperty(
    entries.filter(({ length }) => length > 0),
    async (list) => {
      const place = join(work, String(trees++));
      fs.mkdirSync(place);
      make(Buffer.from(join(place, "source")), list, join(place, "pipe"));
      await using repository = await shared.open();
      const snapshot = await capture(repository, join(place, "source"));
      const { errors } = await restoreTo(repository, snapshot, join(place, "target"));
      assert.deepEqual(errors, []);
      assertSameTree(join(place, "target"), join(place, "source"));
      fs.rmSync(place, { recursive: true });
    },
  );
  try {
    await fc.assert(property, { seed, numRuns: runs, endOnFailure: true });
  } finally {
    fs.rmSync(work, { recursive: true, force: true });
  }
});
