// A repository with any one file of any kind lost or damaged gives back everything that is not in that file.
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import type { MemoryStorage } from "../../testing/memory-storage.ts";
import { assertRestHolds, blobsWithin, copyOf, makeDamageable, namesIn, repairAll } from "./repair-fixture.ts";
import type { LostBlobs, StoredName, Truth } from "./repair-fixture.ts";

const isLong = process.env["HOLDFAST_LONG"] === "1";
let base: MemoryStorage;
let truth: Truth;
before(async () => {
  ({ storage: base, truth } = await makeDamageable());
});

const nothing: LostBlobs = new Set();

interface Damage {
  readonly name: string;
  readonly change: (content: Buffer, other: Buffer) => Buffer | null;
  /** True where the bytes from `start` to `end` of a pack of so many bytes are not what they were. */
  readonly isHurt: (start: number, end: number, packBytes: number) => boolean;
}

function flipped(share: number): Damage {
  const at = (bytes: number): number => Math.min(bytes - 1, Math.floor(bytes * share));
  return {
    name: `has a bit flipped at ${share}`,
    change: (content) => {
      content[at(content.length)]! ^= 0x10;
      return content;
    },
    isHurt: (start, end, packBytes) => start <= at(packBytes) && at(packBytes) < end,
  };
}

const damages: readonly Damage[] = [
  { name: "is gone", change: () => null, isHurt: () => true },
  {
    name: "is cut short",
    change: (content) => content.subarray(0, Math.floor(content.length / 2)),
    isHurt: (_, end, packBytes) => end > Math.floor(packBytes / 2),
  },
  { name: "is cut by a byte", change: (content) => content.subarray(0, -1), isHurt: () => false },
  { name: "is empty", change: (content) => content.subarray(0, 0), isHurt: () => true },
  { name: "has grown", change: (content) => Buffer.concat([content, Buffer.from("more")]), isHurt: () => false },
  { name: "has the content of another", change: (_, other) => other, isHurt: () => true },
  flipped(0),
  flipped(0.4),
  flipped(1),
];

for (const type of ["config", "key", "snapshot", "index", "pack"] as const) {
  describe(`a repository of which one file of the type ${type}`, () => {
    for (const [turn, damage] of damages.entries()) {
      test(`${damage.name}, gives back all the rest after its repair`, async () => {
        const files = (await namesIn(base)).filter((file) => file.type === type);
        assert.equal(files.length > 1, type !== "config");
        // Three snapshots made the files of each kind; each damage has its turn with one of them, or with all.
        const turns = Math.min(3, files.length);
        for (const [at, file] of files.entries())
          if (isLong || at % turns === turn % turns) await damaged(file, damage);
      });
    }
  });
}

async function damaged(file: StoredName, { change, isHurt }: Damage): Promise<void> {
  const { type, name } = file;
  const storage = await copyOf(base);
  const content = await storage.read(type, name);
  const packBytes = content.length;
  const others = (await namesIn(storage)).filter((other) => other.type === type && other.name !== name);
  // There is only one config.
  const other = others[0] ?? (await namesIn(storage)).find((each) => each.type === "key")!;
  const changed = change(Buffer.from(content), await storage.read(other.type, other.name));
  if (changed === null) await storage.remove(type, name);
  else storage.damage(type, name, () => changed);
  await repairAll(storage);
  const lost = type === "pack" ? blobsWithin(truth, name, (start, end) => isHurt(start, end, packBytes)) : nothing;
  try {
    await assertRestHolds(storage, truth, lost, type === "snapshot" ? [name] : []);
  } catch (error) {
    throw new Error(`${type} ${name}`, { cause: error });
  }
}
