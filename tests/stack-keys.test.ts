// Stacks in a second repository, copied or under a new master key: they keep working, and so do their records.
import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { makeKeysCheap } from "./support/cheap-keys.ts";
import { expectStatus, jsonLines, message } from "./support/programs.ts";
import { makeOrdinaryTree } from "./support/sample-tree.ts";
import { assertSameTree } from "./support/tree-facts.ts";
import { StackPlace } from "./support/stack-place.ts";
import { password } from "./support/workplace.ts";

const otherPassword = "seven other words of 12 letters";

/** A stack of files whose points go to `plan`; both repositories stand in the configuration. */
class TwoPlaces extends StackPlace {
  readonly far = this.at("far");
  readonly farPasswordFile = this.write("far-password", `${otherPassword}\n`);

  constructor(name: string) {
    super(name);
    makeOrdinaryTree(this.at("data"));
    for (const each of Object.keys(this.sources)) delete this.sources[each];
    this.sources["data"] = { files: [this.at("data")] };
  }

  storesIn(plan: "local" | "far"): void {
    const repositories = {
      local: { url: this.repository, password_file: this.passwordFile },
      far: { url: this.far, password_file: this.farPasswordFile },
    };
    const stack = { sources: this.sources, plans: { daily: { to: { [plan]: {} } } } };
    this.configure(this.sources, { repositories, stacks: { app: stack } });
  }

  copyToFar(): Record<string, unknown> {
    const environment = { RESTIC_PASSWORD: otherPassword, RESTIC_FROM_PASSWORD: password };
    const words = ["-r", this.far, "copy", "--json", "--from-repo", this.repository];
    return message(expectStatus(this.holdfast(words, { environment }), 0), "summary");
  }

  farResticChecks(): void {
    const words = ["-r", this.far, "check", "--read-data"];
    expectStatus(this.restic(words, { environment: { RESTIC_PASSWORD: otherPassword } }), 0);
  }

  points(): Record<string, unknown>[] {
    const lines = jsonLines(this.ends(0, "snapshots", "app", "--json").stdout);
    return lines.filter((line) => line["message_type"] === "recovery_point");
  }
}

const notesOf = (point: Record<string, unknown> | undefined): unknown[] =>
  ((point?.["pins"] ?? []) as { note: string }[]).map(({ note }) => note).toSorted();

describe("R156: recovery points that were copied into another repository", () => {
  const place = new TwoPlaces("stack-copy");
  before(() => {
    place.prepare();
    place.storesIn("local");
    expectStatus(place.holdfast(["-r", place.far, "init"], { environment: { RESTIC_PASSWORD: otherPassword } }), 0);
    makeKeysCheap(place.far, otherPassword);
    place.point();
    place.ends(0, "pin", "app", "--note", "before the move");
    assert.equal(place.copyToFar()["snapshots_copied"], 2, "the point and its record");
    place.storesIn("far");
  });
  after(() => place[Symbol.dispose]());

  it("are listed, restored and proven there, with their pins", () => {
    const [point] = place.points();
    assert.deepEqual([point?.["outcome"], point?.["repository"]], ["good", "far"]);
    assert.deepEqual(notesOf(point), ["before the move"]);
    place.ends(0, "restore", "app", "--to", place.at("restored"));
    assertSameTree(place.at("restored", "data", place.at("data")), place.at("data"));
    place.ends(0, "drill", "app");
  });

  it("have one record of all that either side knew, however often they are copied", () => {
    place.ends(0, "pin", "app", "--note", "said here");
    place.storesIn("local");
    place.ends(0, "pin", "app", "--note", "said there later");
    place.copyToFar();
    place.copyToFar();
    place.storesIn("far");
    assert.deepEqual(notesOf(place.points()[0]), ["before the move", "said here", "said there later"]);
    place.ends(0, "pin", "app", "--remove");
    assert.deepEqual(notesOf(place.points()[0]), []);
    // The pins still stand in the source: what was taken away here stays so.
    place.copyToFar();
    assert.deepEqual(notesOf(place.points()[0]), []);
  });

  it("are the ground of the next backup there", () => {
    place.point();
    assert.equal(place.points().length, 2);
    place.farResticChecks();
  });
});

describe("the keys of a repository of the configuration", () => {
  const place = new TwoPlaces("stack-keys");
  before(() => {
    place.prepare();
    place.storesIn("local");
    place.point();
    delete place.environment["RESTIC_PASSWORD"];
  });
  after(() => place[Symbol.dispose]());

  const states = (): string[] =>
    jsonLines(place.ends(0, "key", "check", "local", "--json").stdout).map(({ state }) => String(state));

  it("are listed, added, looked at and removed; the one in use stays", () => {
    place.ends(0, "key", "add", "local", "--new-password-file", place.write("second", "a second password of 2026"));
    assert.deepEqual(states().toSorted(), ["opens", "other-password"]);
    const keys = JSON.parse(place.ends(0, "key", "list", "local", "--json").stdout.toString()) as {
      id: string;
      current: boolean;
    }[];
    const [current, other] = [keys.find((each) => each.current), keys.find((each) => !each.current)];
    place.ends(2, "key", "remove", "local", current?.id ?? "");
    place.ends(0, "key", "remove", "local", other?.id ?? "");
    assert.deepEqual(states(), ["opens"]);
    place.ends(2, "key", "remove", "local");
    place.ends(2, "key", "list", "nowhere");
    place.ends(2, "key", "turn", "local");
  });

  it("a new password is told to be written into the file, and no secret is printed", () => {
    const next = place.write("next", "the next password of 2026\n");
    const outcome = place.ends(0, "key", "passwd", "local", "--new-password-file", next);
    assert.ok(outcome.stderr.includes(place.passwordFile));
    assert.ok(!`${outcome.stdout.toString()}${outcome.stderr}`.includes("the next password"));
    place.ends(12, "snapshots");
    writeFileSync(place.passwordFile, readFileSync(next));
    assert.deepEqual(states(), ["opens"]);
  });

  it("a sheet to recover with is written once, for its owner only, and opens the repository", () => {
    const sheet = place.at("sheet.txt");
    place.ends(0, "key", "export", "local", "--to", sheet);
    assert.equal(statSync(sheet).mode & 0o777, 0o600);
    const text = readFileSync(sheet, "utf8");
    const key = /^Key +(.+)$/m.exec(text)?.[1] ?? assert.fail("no key");
    assert.match(text, /restore latest --tag stack:app/);
    expectStatus(place.restic(["snapshots"], { environment: { RESTIC_PASSWORD: key } }), 0);
    place.ends(1, "key", "export", "local", "--to", sheet);
    assert.equal(readFileSync(sheet, "utf8"), text);
  });

  it("a new master key: everything is copied to another place and read back; again, it goes on", () => {
    writeFileSync(place.farPasswordFile, readFileSync(place.passwordFile));
    place.ends(2, "key", "rotate", "local", "--to", "far");
    writeFileSync(place.farPasswordFile, `${otherPassword}\n`);
    place.ends(2, "key", "rotate", "local", "--to", "local");
    place.ends(2, "key", "rotate", "local");
    const first = message(place.ends(0, "key", "rotate", "local", "--to", "far", "--json"), "summary");
    assert.deepEqual([first["created"], first["snapshots_copied"], first["snapshots"]], [true, 1, 1]);
    place.point();
    const second = message(place.ends(0, "key", "rotate", "local", "--to", "far", "--json"), "summary");
    assert.deepEqual([second["created"], second["snapshots_copied"], second["snapshots"]], [false, 1, 2]);
    assert.match(
      place.ends(0, "key", "rotate", "local", "--to", "far").stdout.toString(),
      /What is left for you to do/,
    );
    const masterKey = (repository: string, word: string): string =>
      place
        .restic(["-r", repository, "cat", "masterkey"], { environment: { RESTIC_PASSWORD: word } })
        .stdout.toString();
    const [old, fresh] = [
      masterKey(place.repository, "the next password of 2026"),
      masterKey(place.far, otherPassword),
    ];
    assert.ok(old.includes("encrypt") && fresh.includes("encrypt") && old !== fresh);
    place.farResticChecks();
    place.storesIn("far");
    assert.equal(place.points().length, 2);
    place.ends(0, "drill", "app");
    const again = place.point();
    assert.ok(again, "backups go on there");
  });

  it("`repo key rotate` does the same without a configuration, and refuses a copy of the same repository", () => {
    const words = [
      "-p",
      place.passwordFile,
      "key",
      "rotate",
      "--new-password-file",
      place.write("third", "3 new words"),
    ];
    const made = message(
      expectStatus(place.holdfast([...words, "--to", place.at("third place"), "--json"]), 0),
      "summary",
    );
    assert.equal(made["created"], true);
    expectStatus(place.holdfast(words), 2);
    const same = [...words.slice(0, -1), place.passwordFile, "--to", place.repository];
    assert.match(expectStatus(place.holdfast(same), 2).stderr, /same master key/);
    expectStatus(place.holdfast(["-p", place.passwordFile, "key", "check"]), 0);
    expectStatus(place.holdfast(["-p", place.write("wrong", "none of them"), "key", "check"]), 12);
  });
});
