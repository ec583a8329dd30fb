// Which packs are read in turn: nothing that stays is left out for ever, whatever comes and goes.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { PackSize, PackSubset } from "@holdfast/repository";
import type { PackMemories } from "../state/verified-packs.ts";
import { choosePacksInTurn, coverageOf, memoriesAfter } from "./pack-rotation.ts";

const pack = (number: number, sizeBytes = 100): PackSize => ({
  name: (number * 2654435761).toString(16).padStart(64, "0").split("").toReversed().join(""),
  sizeBytes,
});

/** What happens between two runs: packs that come, with their sizes, and which of the others go. */
const days = fc.array(
  fc.record({
    come: fc.array(fc.integer({ min: 1, max: 1000 }), { maxLength: 8 }),
    go: fc.array(fc.nat(), { maxLength: 4 }),
  }),
  { minLength: 1, maxLength: 30 },
);

class Rotation {
  readonly packs = new Map<string, PackSize>();
  memories: PackMemories = new Map();
  #made = 0;
  #now = 0;

  add(sizeBytes: number): string {
    const made = pack(this.#made++, sizeBytes);
    this.packs.set(made.name, made);
    return made.name;
  }

  remove(at: number, staying: string): void {
    const name = [...this.packs.keys()][at % Math.max(1, this.packs.size)];
    if (name !== undefined && name !== staying) this.packs.delete(name);
  }

  run(subset: PackSubset, damaged: ReadonlySet<string> = new Set()): ReadonlySet<string> {
    const packs = [...this.packs.values()];
    const read = choosePacksInTurn(packs, this.memories, subset);
    const seen = new Set([...read].filter((name) => damaged.has(name)));
    this.memories = memoriesAfter(packs, this.memories, { read, damaged: seen, nowMs: ++this.#now });
    return read;
  }
}

describe("packs in turn", () => {
  it("with a share of 1/t, every pack that stays is read in t runs at the latest, whatever comes and goes", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 100 }),
        fc.integer({ min: 1, max: 1000 }),
        days,
        (percent, sizeBytes, all) => {
          const rotation = new Rotation();
          for (const size of all[0]!.come) rotation.add(size);
          const staying = rotation.add(sizeBytes);
          let waited = 0;
          for (const { come, go } of all) {
            waited = rotation.run({ kind: "percent", percent }).has(staying) ? 0 : waited + 1;
            assert.ok(waited < Math.ceil(100 / percent), `waited for ${waited} runs of ${percent} %`);
            for (const size of come) rotation.add(size);
            for (const at of go) rotation.remove(at, staying);
          }
        },
      ),
    );
  });

  it("that holds when just those vanish that were read, and the share of what is left becomes ever smaller", () => {
    const rotation = new Rotation();
    for (let i = 0; i < 100; i++) rotation.add(100);
    for (let run = 1; run <= 10; run++) {
      for (const name of rotation.run({ kind: "percent", percent: 10 })) rotation.packs.delete(name);
    }
    assert.equal(rotation.packs.size, 0);
  });

  it("with a size, only what waited longer comes first: no newcomer overtakes a pack that was passed over", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3000 }), days, (sizeBytes, all) => {
        const rotation = new Rotation();
        for (const size of all[0]!.come) rotation.add(size);
        const staying = rotation.add(500);
        const first = rotation.packs.size;
        let waited = 0;
        for (const { come } of [...all, ...all]) {
          waited = rotation.run({ kind: "bytes", sizeBytes }).has(staying) ? 0 : waited + 1;
          assert.ok(waited < Math.max(first, rotation.packs.size), `waited for ${waited} runs`);
          for (const size of come) rotation.add(size);
        }
      }),
    );
  });

  it("reads about the share that is asked for, and at least one pack", () => {
    const packs = Array.from({ length: 1000 }, (_, number) => pack(number));
    assert.equal(choosePacksInTurn(packs, new Map(), { kind: "percent", percent: 10 }).size, 100);
    assert.equal(choosePacksInTurn(packs, new Map(), { kind: "bytes", sizeBytes: 1050 }).size, 10);
    assert.equal(choosePacksInTurn(packs, new Map(), { kind: "bytes", sizeBytes: 1 }).size, 1);
    assert.equal(choosePacksInTurn([], new Map(), { kind: "percent", percent: 10 }).size, 0);
    const parts = [1, 2, 3].map((part) => choosePacksInTurn(packs, new Map(), { kind: "part", part, of: 3 }));
    assert.equal(new Set(parts.flatMap((part) => [...part])).size, 1000);
    assert.equal(
      parts.reduce((sum, { size }) => sum + size, 0),
      1000,
    );
  });

  it("a pack that was damaged is read by every run until it is whole again or gone", () => {
    for (const subset of [
      { kind: "percent", percent: 10 },
      { kind: "bytes", sizeBytes: 100 },
      { kind: "part", part: 1, of: 200 },
    ] satisfies PackSubset[]) {
      const rotation = new Rotation();
      for (let i = 0; i < 20; i++) rotation.add(100);
      const bad = [...rotation.run({ kind: "percent", percent: 100 })][3]!;
      rotation.run({ kind: "percent", percent: 100 }, new Set([bad]));
      assert.ok(rotation.run(subset, new Set([bad])).has(bad), subset.kind);
      assert.ok(rotation.run(subset).has(bad), subset.kind);
      if (subset.kind !== "part") assert.ok(!rotation.run(subset).has(bad), subset.kind);
    }
  });

  it("everything was verified since the oldest reading, and not before all was read; damage is not verified", () => {
    const rotation = new Rotation();
    assert.deepEqual(coverageOf(rotation.memories), { packs: 0, unverified: 0, sinceMs: null });
    for (let i = 0; i < 4; i++) rotation.add(100);
    for (let run = 1; run <= 3; run++) {
      rotation.run({ kind: "percent", percent: 25 });
      assert.deepEqual(coverageOf(rotation.memories), { packs: 4, unverified: 4 - run, sinceMs: null });
    }
    rotation.run({ kind: "percent", percent: 25 });
    assert.deepEqual(coverageOf(rotation.memories), { packs: 4, unverified: 0, sinceMs: 1 });
    const all = new Set(rotation.packs.keys());
    rotation.run({ kind: "percent", percent: 100 }, new Set([[...all][0]!]));
    assert.deepEqual(coverageOf(rotation.memories), { packs: 4, unverified: 1, sinceMs: null });
    rotation.add(100);
    rotation.remove(0, "");
    rotation.run({ kind: "bytes", sizeBytes: 1 });
    assert.equal(coverageOf(rotation.memories).packs, 4);
  });
});
