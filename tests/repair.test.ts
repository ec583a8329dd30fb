// Repairs through the command line: what check tells leads to a whole repository; full disks, append-only servers.
import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, it } from "node:test";
import { expectStatus, jsonLines, message } from "./support/programs.ts";
import { RestServer } from "./support/rest-server.ts";
import { noise, prose } from "./support/sample-tree.ts";
import { SmallFileSystem } from "./support/small-file-system.ts";
import { Workplace } from "./support/workplace.ts";

const mebibyte = 1024 * 1024;

function filled(name: string): Workplace {
  const place = new Workplace(name);
  place.write("source/noise", noise("cli repair", 50_000));
  place.write("source/folder/prose", prose("cli repair", 60_000));
  place.init();
  place.backup("source");
  place.write("source/folder/later", noise("later", 20_000));
  place.write("source/other/third", noise("third", 10_000));
  place.backup("source");
  return place;
}

function damage(file: string, change: (bytes: Buffer) => Buffer): void {
  writeFileSync(file, change(readFileSync(file)));
}

function flip(bytes: Buffer, at: number): Buffer {
  bytes[at] = (bytes[at] ?? 0) ^ 2;
  return bytes;
}

/** The packs of one type, in which the listing names the most blobs first. */
function packsOf(place: Workplace, type: "data" | "tree"): string[] {
  const blobs = jsonLines(place.done("list", "blobs", "--json").stdout).filter((blob) => blob["type"] === type);
  return [...new Set(blobs.map((blob) => String(blob["pack"])))];
}

describe("a damaged repository", () => {
  it("becomes whole by the commands that check prints, and nothing else", () => {
    using place = filled("repair-advice");
    const pathOf = (name: string): string => place.at("repository", "data", name.slice(0, 2), name);
    const [data] = packsOf(place, "data");
    const trees = packsOf(place, "tree");
    damage(pathOf(data ?? ""), (bytes) => flip(bytes, 50));
    rmSync(pathOf(trees.at(-1) ?? ""));
    const index = place.storeFiles("index")[0]?.path ?? "";
    const snapshot = place.storeFiles("snapshots")[0]?.path ?? "";
    damage(index, (bytes) => bytes.subarray(5));
    damage(snapshot, (bytes) => flip(bytes, 20));
    const damaged = [
      [`index-${path.basename(index)}`, readFileSync(index)],
      [`snapshot-${path.basename(snapshot)}`, readFileSync(snapshot)],
    ] as const;
    const commands: string[] = [];
    for (let turn = 0; ; turn++) {
      const checked = place.holdfast(["check", "--read-data"]);
      if (checked.status === 0) break;
      expectStatus(checked, 1);
      assert.ok(turn < 4, `not whole after: ${commands.join("; ")}\n${checked.stdout.toString()}`);
      const advised = [...checked.stdout.toString().matchAll(/^ {2}holdfast repo ([^#\n]+)/gm)].map(
        (found) => found[1],
      );
      assert.ok(advised.length > 0, checked.stdout.toString());
      for (const words of advised.map((text) => (text ?? "").trim().split(/ +/))) {
        if (words[0] === "check") continue;
        commands.push(words.join(" "));
        // Code 3: something is left for the next step, or was lost.
        assert.ok([0, 3].includes(place.holdfast(words).status ?? -1), words.join(" "));
      }
    }
    assert.deepEqual(
      [...new Set(commands.map((command) => command.replaceAll(/ [0-9a-f]{12,}/g, "")))],
      ["repair index", "repair packs", "recover", "repair snapshots --forget"],
    );
    place.resticChecks();
    assert.ok(existsSync(place.at(`pack-${data}`)));
    assert.equal(statSync(place.at(`pack-${data}`)).mode & 0o777, 0o600);
    for (const [name, bytes] of damaged) {
      assert.deepEqual(readFileSync(place.at(name)), bytes, `${name} was kept as it was`);
      assert.equal(statSync(place.at(name)).mode & 0o777, 0o600);
    }
  });

  it("is only described by --dry-run, in lines and in JSON", () => {
    using place = filled("repair-dry");
    const [data] = packsOf(place, "data");
    rmSync(place.at("repository", "data", data?.slice(0, 2) ?? "", data ?? ""));
    rmSync(place.storeFiles("index")[1]?.path ?? "");
    const state = place.storeFiles().map(({ name }) => name);
    const dry = (status: number, ...words: string[]): Record<string, unknown> =>
      message(expectStatus(place.holdfast([...words, "-n", "--json"]), status), "summary");
    // Of the pack that is gone the blobs are lost.
    const summaries = [dry(0, "repair", "index"), dry(3, "repair", "packs", data ?? ""), dry(0, "recover")];
    assert.deepEqual(
      summaries.map((summary) => summary["dry_run"]),
      [true, true, true],
    );
    assert.equal(summaries[0]?.["is_needed"], true);
    const lines = place.done("repair", "snapshots", "--dry-run").stdout.toString();
    assert.match(lines, /removed missing content[^]*would save new snapshot[^]*would modify/);
    assert.deepEqual(
      place.storeFiles().map(({ name }) => name),
      state,
    );
  });

  it("that lost its config gets a new one, and restores and grows with it", () => {
    using place = filled("repair-config");
    rmSync(place.at("repository", "config"));
    const lost = expectStatus(place.holdfast(["snapshots"]), 10);
    assert.match(lost.stderr, /lost its file `config`[^]*repair config/);
    assert.match(expectStatus(place.holdfast(["init"]), 1).stderr, /lost its file `config`/);
    assert.equal(message(place.done("repair", "config", "-n", "--json"), "summary")["state"], "missing");
    expectStatus(place.holdfast(["snapshots"]), 10);
    place.done("repair", "config");
    assert.equal(place.check("--read-data").verdict, "clean");
    place.done("restore", "latest", "--target", place.at("restored"));
    const restored = readFileSync(place.at("restored", "source", "noise"));
    assert.ok(restored.equals(readFileSync(place.at("source", "noise"))));
    place.backup("source");
    damage(place.at("repository", "config"), (bytes) => flip(bytes, 30));
    const bytes = readFileSync(place.at("repository", "config"));
    assert.match(expectStatus(place.holdfast(["snapshots"]), 1).stderr, /repair config/);
    place.done("repair", "config");
    assert.ok(readFileSync(place.at("config-damaged")).equals(bytes));
    place.resticChecks();
  });

  it("is refused what has no meaning", () => {
    using place = new Workplace("repair-usage");
    place.init();
    const index = ["repair", "index"];
    for (const words of [["repair"], ["repair", "toString"], [...index, "--forget"], [...index, "--no-lock"]])
      expectStatus(place.holdfast(words), 2);
    expectStatus(place.holdfast(["init", "--repository-version", "constructor"]), 2);
    expectStatus(place.holdfast(["repair", "packs", "0".repeat(64)]), 1);
  });
});

describe("a repair", () => {
  it("that finds the disk full loses nothing, and finishes with more space", () => {
    using place = new Workplace("repair-full");
    using disk = new SmallFileSystem(place.at("disk"), 30 * mebibyte);
    place.repository = path.join(disk.directory, "repository");
    place.write("source/large", noise("large", 12 * mebibyte));
    place.init();
    const { snapshotId } = place.backup("source");
    const pack = place.storeFiles("data").toSorted((left, right) => right.sizeBytes - left.sizeBytes)[0];
    const id = path.basename(pack?.name ?? "");
    damage(pack?.path ?? "", (bytes) => flip(bytes, 50));
    disk.resize(14 * mebibyte);
    const failed = expectStatus(place.holdfast(["repair", "packs", id]), 1);
    assert.match(failed.stderr, /space/);
    assert.ok(existsSync(pack?.path ?? ""), "the damaged pack is still there");
    disk.resize(60 * mebibyte);
    expectStatus(place.holdfast(["repair", "packs", id]), 3);
    place.done("repair", "snapshots", "--forget");
    place.resticChecks();
    assert.notEqual(place.snapshots()[0], snapshotId);
  });

  it("on an append-only server is refused, and leaves the repository as usable as it was", async () => {
    using place = filled("repair-append");
    place.backup("source", "--tag", "holdfast,stack:app,plan:daily");
    const [data] = packsOf(place, "data");
    damage(place.at("repository", "data", data?.slice(0, 2) ?? "", data ?? ""), (bytes) => flip(bytes, 50));
    rmSync(place.storeFiles("index")[0]?.path ?? "");
    {
      await using server = await RestServer.start(place.directory, "--append-only");
      place.repository = server.address("repository");
      expectStatus(place.holdfast(["repair", "index"]), 1);
      const packs = expectStatus(place.holdfast(["repair", "packs", data ?? ""]), 1);
      assert.match(packs.stderr, /append-only|refused|not allow/);
      assert.match(expectStatus(place.holdfast(["check"]), 0).stdout.toString(), /no errors were found/);
    }
    place.repository = place.at("repository");
    place.done("repair", "index");
    expectStatus(place.holdfast(["repair", "packs", data ?? ""]), 3);
    place.done("repair", "snapshots", "--forget");
    place.resticChecks();
    // What is left of a recovery point must not pass for one.
    const list = JSON.parse(place.done("snapshots", "--json").stdout.toString()) as { tags?: string[] }[];
    assert.deepEqual(list.at(-1)?.tags, ["repaired"]);
  });
});
