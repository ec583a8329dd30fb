// kill -9 at random moments of each repair: the next run finishes, and leaves what an undisturbed one leaves.
import assert from "node:assert/strict";
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { killAtRandom } from "./support/killing.ts";
import { expectStatus, isLong, jsonLines } from "./support/programs.ts";
import { noise } from "./support/sample-tree.ts";
import { Workplace } from "./support/workplace.ts";

const kills = isLong ? 50 : 2;

describe("a repair that is killed", () => {
  const place = new Workplace("repair-kill");
  let damagedPacks: readonly string[] = [];
  after(() => place[Symbol.dispose]());

  /** The repairs in their order. */
  const repairs: Readonly<Record<string, () => string[]>> = {
    index: () => ["repair", "index"],
    packs: () => ["repair", "packs", ...damagedPacks.filter(isStored)],
    recover: () => ["recover"],
    snapshots: () => ["repair", "snapshots", "--forget"],
  };

  before(() => {
    place.repository = place.at("damaged");
    place.init();
    for (let turn = 0; turn < 4; turn++) {
      for (let file = 0; file < 20; file++)
        place.write(`source/turn ${turn}/folder ${file % 5}/${file}`, noise(`${turn} ${file}`, 250_000));
      place.backup("source");
    }
    const packs = place.storeFiles("data").toSorted((left, right) => right.sizeBytes - left.sizeBytes);
    const chosen = [packs[1], packs.at(-1)].map((file) => file ?? assert.fail());
    for (const { path: file } of chosen) {
      const bytes = readFileSync(file);
      bytes[40] = (bytes[40] ?? 0) ^ 1;
      writeFileSync(file, bytes);
    }
    damagedPacks = chosen.map(({ name }) => path.basename(name));
    rmSync(place.storeFiles("index")[1]?.path ?? assert.fail());
    rmSync(place.storeFiles("snapshots")[0]?.path ?? assert.fail());
  });

  function isStored(pack: string): boolean {
    return existsSync(path.join(place.repository, "data", pack.slice(0, 2), pack));
  }

  /** What the repair changes: the blobs that the index knows, or the snapshots with their trees. */
  function facts(name: string): unknown {
    if (name === "index" || name === "packs") {
      const blobs = jsonLines(place.done("list", "blobs", "--json").stdout).map((blob) => String(blob["id"]));
      return [...new Set(blobs)].toSorted();
    }
    const snapshots = JSON.parse(place.done("snapshots", "--json").stdout.toString()) as Record<string, unknown>[];
    // Recovered ones are made anew each time.
    const others = snapshots.filter(({ tags }) => tags === undefined);
    const isRecovered = snapshots.length > others.length;
    return [isRecovered, ...others.map(({ time, tree, original }) => ({ time, tree, original }))];
  }

  for (const name of Object.keys(repairs)) {
    it(`${kills} times in ${name}, is finished by the next run`, async () => {
      place.repository = place.at("finished");
      cpSync(place.at("damaged"), place.repository, { recursive: true });
      const words = repairs[name]?.() ?? [];
      // Code 3: blobs of these packs are lost.
      const status = name === "packs" ? 3 : 0;
      const { seconds } = expectStatus(place.holdfast(words), status);
      const finished = facts(name);
      removeCopies();
      let killed = 0;
      for (let turn = 0; turn < kills; turn++) {
        place.repository = place.at(`turn ${turn}`);
        cpSync(place.at("damaged"), place.repository, { recursive: true });
        const running = place.start(words);
        const isLocked = (): boolean => readdirSync(path.join(place.repository, "locks")).length > 0;
        const { outcome, waitMs } = await killAtRandom(running, Math.min(400, seconds * 1000), isLocked);
        if (outcome.signal === "SIGKILL") killed++;
        // What was finished before the kill is not to be done again: nothing knows these packs any more.
        if (name !== "packs" || damagedPacks.some(isStored)) {
          const again = place.holdfast(repairs[name]?.() ?? []);
          assert.ok([0, status].includes(again.status ?? -1), `${name}, ${turn}: ${again.status}, ${again.stderr}`);
        }
        assert.deepEqual(facts(name), finished, `${name}, turn ${turn}, killed after ${waitMs} ms`);
        for (const copy of removeCopies()) assert.ok(damagedPacks.includes(copy.slice("pack-".length)), copy);
        rmSync(place.repository, { recursive: true });
      }
      assert.ok(killed > 0, "none was killed in time");
      // The next repair begins where this one ended.
      rmSync(place.at("damaged"), { recursive: true });
      cpSync(place.at("finished"), place.at("damaged"), { recursive: true });
      rmSync(place.at("finished"), { recursive: true });
    });
  }

  it("leaves a repository that restic finds whole in the end", () => {
    place.repository = place.at("damaged");
    assert.notEqual(place.check("--read-data").verdict, "damaged");
    place.resticChecks();
  });

  /** Removes the copies of packs in the current directory; their names, but for those of parts. */
  function removeCopies(): string[] {
    const copies = readdirSync(place.directory).filter((name) => name.startsWith("pack-"));
    for (const copy of copies) rmSync(place.at(copy));
    return copies.filter((name) => !name.includes(".part-"));
  }
});
