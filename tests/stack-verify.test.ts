// What a host remembers of its repositories: which packs were read back, and which recovery points it must find again.
import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, it } from "node:test";
import { expectStatus, jsonLines, message, type Outcome } from "./support/programs.ts";
import { linesOf, smallPlace, type Json } from "./support/stack-points.ts";
import type { StackPlace } from "./support/stack-place.ts";

function coverageOf(outcome: Outcome): { packs: number; unverified_packs: number; verified_since: string | null } {
  return message(outcome, "stack_check")["coverage"] as ReturnType<typeof coverageOf>;
}

function verified(place: StackPlace): Json | null {
  return message(place.verb(["status", "--json"]), "stack_status")["verified"] as Json | null;
}

function findingsOf(outcome: Outcome): Json[] {
  return message(outcome, "stack_check")["findings"] as Json[];
}

/** A pack of the repository with one bit in the middle changed; puts it back when called. */
function flip(file: string): () => void {
  const whole = readFileSync(file);
  const broken = Buffer.from(whole);
  broken[broken.length >> 1]! ^= 1;
  rmSync(file);
  writeFileSync(file, broken);
  return () => writeFileSync(file, whole);
}

describe("R193: reading back in turn", () => {
  it("covers everything after some runs, and only then is it verified; a new recovery point is not yet", () => {
    using place = smallPlace("stack-turns");
    const first = place.point();
    const packs = place.storeFiles("data").length;
    assert.ok(packs >= 2);
    const one = place.ends(0, "check", "app", "--read-data-subset", "30%", "--json");
    assert.ok(coverageOf(one).unverified_packs > 0 && coverageOf(one).verified_since === null);
    assert.equal(verified(place), null);
    for (let run = 2; run <= 4; run++) place.ends(0, "check", "app", "--read-data-subset", "30%");
    const covered = verified(place);
    assert.equal(covered?.["snapshot_id"], first);
    writeFileSync(place.application.settings, "{}");
    place.point();
    assert.equal(verified(place)?.["snapshot_id"], first);
    const more = place.ends(0, "check", "app", "--read-data-subset", "1b", "--json");
    assert.ok(coverageOf(more).packs > packs && coverageOf(more).unverified_packs > 0);
    assert.equal(verified(place)?.["snapshot_id"], first, "what was verified stays so");
    const whole = place.ends(0, "check", "app", "--read-data", "--json");
    assert.deepEqual([coverageOf(whole).unverified_packs, typeof coverageOf(whole).verified_since], [0, "string"]);
    place.ends(2, "check", "app", "--read-data", "--read-data-subset", "1/2");
    place.ends(2, "check", "app", "--read-data-subset", "0%");
  });

  it("finds damage in the turn of its pack, and goes on saying so in every run after", () => {
    using place = smallPlace("stack-turns-damage");
    place.point();
    const [file] = place.storeFiles("data").toSorted((a, b) => b.sizeBytes - a.sizeBytes);
    assert.ok(file);
    const restore = flip(file.path);
    const name = path.basename(file.name);
    const codes = Array.from({ length: 4 }, () => place.verb(["check", "app", "--read-data-subset", "30%"]).status);
    assert.equal(codes.at(-1), 1, codes.join());
    const subset = ["check", "app", "--read-data-subset", "1b", "--json"];
    for (let run = 0; run < 2; run++)
      assert.ok(findingsOf(place.ends(1, ...subset)).some(({ message: text }) => String(text).includes(name)));
    restore();
    place.ends(0, ...subset);
  });
});

describe("recovery points that vanish", () => {
  it("are missed by check and status, until somebody says that it was on purpose", () => {
    using place = smallPlace("stack-vanished");
    const first = place.point();
    const second = place.point();
    place.ends(0, "check");
    rmSync(path.join(place.repository, "snapshots", first));
    const status = place.ends(1, "status").stdout.toString();
    assert.match(
      status,
      new RegExp(`recovery point that this host knew is gone from local.*${first.slice(0, 8)}[^]*→`),
    );
    for (let run = 0; run < 2; run++) {
      const [finding] = findingsOf(place.ends(1, "check", "--json"));
      assert.deepEqual([finding?.["kind"], finding?.["snapshots"]], ["vanished", [first]]);
    }
    assert.match(place.ends(1, "check").stdout.toString(), /have vanished[^]*→ .*--accept-vanished/);
    place.ends(0, "check", "--accept-vanished");
    place.ends(0, "check");
    place.ends(0, "status");
    rmSync(path.join(place.repository, "snapshots", second));
    place.ends(1, "check");
  });

  it("are missed by a host that has only seen them, and in another repository under the old name", () => {
    using place = smallPlace("stack-replaced");
    const id = place.point();
    place.stateDirectory = place.at("another state");
    place.configure();
    place.ends(0, "check");
    rmSync(place.repository, { recursive: true });
    place.prepare();
    place.point();
    const [finding] = findingsOf(place.ends(1, "check", "--json"));
    assert.deepEqual([finding?.["kind"], finding?.["snapshots"]], ["vanished", [id]]);
  });

  it("R204: a damaged snapshot file is damage of its own stack, which this host knows, and has not vanished", () => {
    using place = smallPlace("stack-snapshot-damage");
    const other = place.write("other", "other\n");
    const plans = { daily: { to: { local: {} } } };
    place.configure(place.sources, {}, { other: { sources: { one: { files: [other] } }, plans } });
    const first = place.point();
    place.point();
    place.ends(0, "backup", "other");
    flip(path.join(place.repository, "snapshots", first));
    const checks = linesOf(place.ends(1, "check", "--json"), "stack_check");
    assert.deepEqual(
      checks.map(({ stack, exit_code: code }) => [stack, code]),
      [
        ["app", 1],
        ["other", 0],
      ],
    );
    const [finding] = (checks[0]?.["findings"] ?? []) as Json[];
    assert.deepEqual([finding?.["kind"], finding?.["snapshots"]], ["damage", [first]]);
  });
});

describe("repo check", () => {
  it("R204: names the stacks that a lost pack hurts, and what of each", () => {
    using place = smallPlace("stack-named");
    const id = place.point();
    const [file] = place.storeFiles("data").toSorted((a, b) => b.sizeBytes - a.sizeBytes);
    rmSync(file?.path ?? assert.fail("no pack"));
    const check = (...words: string[]): Outcome => expectStatus(place.holdfast(["check", ...words]), 1);
    const [error] = jsonLines(check("--json").stdout).filter((line) => line["message_type"] === "error");
    const [stack] = (error?.["stacks"] ?? []) as Json[];
    assert.deepEqual([stack?.["stack"], stack?.["snapshots"], stack?.["snapshot_count"]], ["app", [id], 1]);
    assert.ok(((stack?.["paths"] ?? []) as string[]).length > 0);
    assert.match(check().stdout.toString(), /hurts the stack app in 1 snapshot/);
  });

  it("reads only a part of the packs, and looks only at some snapshots, as restic's options say", () => {
    using place = smallPlace("repo-check-subset");
    const first = place.point();
    writeFileSync(place.application.settings, "x".repeat(5000));
    place.point();
    const summary = (...words: string[]): Json =>
      message(expectStatus(place.holdfast(["check", "--json", ...words]), 0), "summary");
    const all = summary("--read-data");
    const parts = [1, 2, 3].map((part) => Number(summary("--read-data-subset", `${part}/3`)["packs_read"]));
    assert.equal(
      parts.reduce((sum, packs) => sum + packs, 0),
      all["packs_read"],
    );
    assert.equal(summary("--read-data-subset", "1b")["packs_read"], 1);
    assert.ok(Number(summary("--read-data-subset", "50%")["packs_read"]) < Number(all["packs_read"]));
    const some = summary("--read-data", first.slice(0, 10));
    assert.deepEqual([some["snapshots"], some["unused_bytes"]], [1, null]);
    assert.ok(Number(some["packs_read"]) > 0 && Number(some["packs_read"]) < Number(all["packs_read"]));
    assert.equal(summary("--tag", "stack:app")["snapshots"], 2);
    assert.equal(summary("--host", "elsewhere")["snapshots"], 0);
    for (const wrong of ["0/3", "4/3", "1/300", "0%", "101%", "0", "x"])
      expectStatus(place.holdfast(["check", "--read-data-subset", wrong]), 2);
  });
});
