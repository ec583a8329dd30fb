// `holdfast check` as a program: damage is found, and named with stacks, recovery points and sources.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { chmodSync, cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import { message, type Outcome } from "./support/programs.ts";
import { forgedPoint, linesOf, partialPoint, smallPlace } from "./support/stack-points.ts";

interface Finding {
  readonly message: string;
  readonly snapshots: readonly string[];
  readonly sources: readonly string[];
}

function findingsOf(outcome: Outcome): readonly Finding[] {
  return message(outcome, "stack_check")["findings"] as readonly Finding[];
}

describe("check", () => {
  it("R198: a changed byte in any file of the repository is found, and the sound repository passes", () => {
    using place = smallPlace("stack-check");
    place.point();
    place.ends(0, "check", "app", "--read-data");
    const files = place.storeFiles().filter(({ name }) => !name.startsWith("locks/"));
    assert.ok(files.length >= 5, "too few files for a repository");
    for (const { name, path } of files) {
      const bytes = readFileSync(path);
      const broken = Buffer.from(bytes);
      const middle = broken.length >> 1;
      broken[middle] = (broken[middle] as number) ^ 1;
      chmodSync(path, 0o600);
      writeFileSync(path, broken);
      const { status, stdout } = place.verb(["check", "app", "--read-data"]);
      assert.ok(status === 1 || status === 12, `${name}: exit code ${status}\n${stdout.toString()}`);
      writeFileSync(path, bytes);
    }
    place.ends(0, "check", "app", "--read-data");
  });

  it("R198: damage is named with the stack, its recovery points and sources, and the run is recorded", () => {
    using place = smallPlace("stack-damage");
    const first = place.point();
    writeFileSync(place.application.settings, "{}");
    const second = place.point();
    const packs = place.storeFiles("data").toSorted((a, b) => b.sizeBytes - a.sizeBytes);
    rmSync(packs[0]?.path ?? assert.fail("no pack"));
    const findings = findingsOf(place.ends(1, "check", "--json"));
    assert.ok(findings.some(({ snapshots }) => snapshots.includes(first) && snapshots.includes(second)));
    assert.ok(findings.some(({ sources }) => sources.includes("database")));
    const [last] = linesOf(place.ends(0, "runs", "--limit", "1", "--json"), "run");
    assert.deepEqual([last?.["operation"], last?.["outcome"]], ["check", "failed"]);
    assert.match(place.ends(1, "status").stdout.toString(), /its last check failed/);
  });

  it("damage that hurts another stack only is not laid at this one's door", () => {
    using place = smallPlace("stack-others");
    place.point();
    const other = place.write("other", randomBytes(20_000));
    const plans = { daily: { to: { local: {} } } };
    place.configure(place.sources, {}, { other: { sources: { one: { files: [other] } }, plans } });
    const known = new Set(place.storeFiles("data").map(({ name }) => name));
    place.ends(0, "backup", "other");
    // The largest has the random file, and no trees: without those nobody could tell whom it hurts.
    const own = place.storeFiles("data").filter(({ name }) => !known.has(name));
    rmSync(own.toSorted((a, b) => b.sizeBytes - a.sizeBytes)[0]?.path ?? assert.fail("no pack of its own"));
    const checks = linesOf(place.ends(1, "check", "--json"), "stack_check");
    assert.deepEqual(
      checks.map(({ stack, exit_code: code }) => [stack, code]),
      [
        ["app", 0],
        ["other", 1],
      ],
    );
  });

  it("R200: a source that the newest recovery point does not have makes it incomplete", () => {
    using place = smallPlace("stack-incomplete");
    assert.match(place.ends(1, "check").stdout.toString(), /no recovery point/);
    place.point();
    place.configure({ ...place.sources, extra: { files: [place.passwordFile] } });
    const { stdout } = place.ends(3, "check");
    assert.match(stdout.toString(), /incomplete: the source extra of the configuration is not in it/);
    place.configure();
    place.ends(0, "check");
    partialPoint(place);
    assert.match(place.ends(3, "check").stdout.toString(), /incomplete: the source database .* failed/);
  });

  it("R200, R204, R205: one bad source among three is reported by name: gone, empty, or not what it was", () => {
    using place = smallPlace("stack-magic");
    const id = place.point();
    const { database, uploads } = place.application;
    const forgeries: readonly [RegExp, string, (folder: string) => void][] = [
      [/app\.db does not begin like a SQLite/, "database", (folder) => garble(`${folder}/database${database}`)],
      [/app\.db is empty/, "database", (folder) => writeFileSync(`${folder}/database${database}`, "")],
      [/uploads is not in/, "uploads", (folder) => rmSync(`${folder}/uploads${uploads}`, { recursive: true })],
    ];
    const good = place.at("good");
    cpSync(place.repository, good, { recursive: true });
    for (const [problem, source, change] of forgeries) {
      const forged = forgedPoint(place, id, change);
      const findings = findingsOf(place.ends(1, "check", "--json"));
      const found = findings.find((finding) => problem.test(finding.message)) ?? assert.fail(JSON.stringify(findings));
      assert.deepEqual([found.sources, found.snapshots], [[source], [forged]]);
      rmSync(place.repository, { recursive: true });
      cpSync(good, place.repository, { recursive: true });
    }
  });
});

/** Of the same length, and no database. */
function garble(file: string): void {
  writeFileSync(file, Buffer.alloc(readFileSync(file).length, "x"));
}
