// A year of daily life with one repository, shared by Holdfast and two versions of restic: nothing that is kept changes.
import assert from "node:assert/strict";
import { readdirSync, renameSync, rmSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { makeKeysCheap } from "./support/cheap-keys.ts";
import { expectStatus, isLong } from "./support/programs.ts";
import type { Outcome } from "./support/programs.ts";
import { noise, prose } from "./support/sample-tree.ts";
import { assertSameFacts, treeFacts } from "./support/tree-facts.ts";
import { password, Workplace } from "./support/workplace.ts";

/** The short year has the same verbs on fewer days. */
const year = isLong
  ? { days: 365, apart: 1, keep: [7, 4, 12], pruneEvery: 7, copyEvery: 30, compareEvery: 30 }
  : { days: 9, apart: 11, keep: [2, 2, 2], pruneEvery: 3, copyEvery: 4, compareEvery: 5 };
const policy = ["daily", "weekly", "monthly"].flatMap((span, at) => [`--keep-${span}`, String(year.keep[at])]);
const newPassword = `${password}, changed`;

type Program = "holdfast" | "restic" | "resticOld";
const programs: readonly Program[] = ["holdfast", "restic", "resticOld"];

interface Listed {
  readonly id: string;
  readonly time: string;
}

describe("a year of daily life", () => {
  const place = new Workplace("year");
  const second = place.at("second");
  /** What was captured, by the time of the snapshot: its id changes with its tags. */
  const captured = new Map<number, readonly string[]>();
  /** The same for the second repository, by id: what is changed in the first one later stays there as it was. */
  const copied = new Map<string, readonly string[]>();
  const counts = { operations: 0, checks: 0, comparisons: 0 };
  let day = 0;

  before(() => {
    for (let file = 0; file < 30; file++)
      place.write(`source/folder ${file % 5}/${file}`, prose(`first ${file}`, 9000));
    place.write("source/large", noise("large", 900_000));
    place.write("password", password);
    place.environment["TZ"] = "UTC";
    place.init();
    place.done(
      "init",
      "-r",
      second,
      "--from-repo",
      place.repository,
      "--from-password-file",
      "password",
      "--copy-chunker-params",
    );
    makeKeysCheap(second, password);
  });
  after(() => place[Symbol.dispose]());

  function perform(program: Program, words: readonly string[], repository = place.repository): Outcome {
    counts.operations++;
    const all = ["-r", repository, ...words];
    return expectStatus(program === "holdfast" ? place.holdfast(all) : place.restic(all, { which: program }), 0);
  }

  /** Both versions of restic in turn read everything. */
  function judge(repository = place.repository): void {
    place.resticChecks(counts.checks++ % 2 === 0 ? "restic" : "resticOld", "-r", repository);
  }

  function snapshots(repository = place.repository): Listed[] {
    return JSON.parse(place.done("snapshots", "--json", "-r", repository).stdout.toString()) as Listed[];
  }

  function compare({ id, time }: Listed, program: Program, repository = place.repository): void {
    const target = place.at("restored");
    const words = ["-r", repository, "restore", id, "--target", target];
    expectStatus(program === "holdfast" ? place.holdfast(words) : place.restic(words, { which: program }), 0);
    assertSameFacts(
      treeFacts(`${target}/source`),
      copied.get(id) ?? captured.get(Date.parse(time)) ?? assert.fail(`nobody made ${id}`),
    );
    rmSync(target, { recursive: true });
    counts.comparisons++;
  }

  const compareAll = (repository = place.repository): void => {
    for (const [at, each] of snapshots(repository).entries()) compare(each, programs[at % 3]!, repository);
  };

  /** A few files change, one comes, one goes, one gets another name. */
  function changeTree(): void {
    place.write(`source/folder ${day % 5}/${day % 30}`, prose(`day ${day}`, 5000 + (day % 7) * 3000));
    place.write(`source/folder ${(day + 1) % 5}/new ${day}`, noise(`new ${day}`, 20_000 + (day % 11) * 4000));
    place.write("source/large", noise(`large ${day}`, 30_000));
    place.write(`source/scratch ${day % 3}`, prose(`scratch ${day}`, 2000));
    rmSync(place.at(`source/folder ${(day - 5) % 5}/new ${day - 6}`), { force: true });
    const earlier = place.at(`source/folder ${day % 5}/new ${day - 1}`);
    if (readdirSync(place.at(`source/folder ${day % 5}`)).includes(`new ${day - 1}`))
      renameSync(earlier, `${earlier} moved`);
  }

  function backUp(): void {
    const when = Date.UTC(2025, 0, 1 + day * year.apart, 3, 30);
    const text = new Date(when).toISOString();
    perform(programs[day % 3]!, ["backup", "--time", `${text.slice(0, 10)} ${text.slice(11, 19)}`, "source"]);
    captured.set(when, treeFacts(place.at("source")));
    judge();
  }

  /** What restic would keep is what is kept, whoever decides. Its old version has rules of its own. */
  function forget(): void {
    const program = programs[Math.floor(day / 3) % 3]!;
    const judges = program === "resticOld" ? program : "restic";
    const outcome = perform(judges, ["forget", "--dry-run", "--json", ...policy]);
    const plan = JSON.parse(outcome.stdout.toString()) as { keep: Listed[] }[];
    perform(program, ["forget", ...policy]);
    const kept = plan.flatMap(({ keep }) => keep.map(({ id }) => id));
    assert.deepEqual(
      snapshots()
        .map(({ id }) => id)
        .toSorted(),
      kept.toSorted(),
    );
    judge();
  }

  function prune(): void {
    perform(programs[Math.floor(day / year.pruneEvery) % 3]!, ["prune", "--max-unused", "0"]);
    judge();
  }

  /** What was forgotten here stays there. */
  function copyToSecond(): void {
    const before = snapshots(second).length;
    const program = programs[Math.floor(day / year.copyEvery) % 3]!;
    perform(program, ["copy", "--from-repo", place.repository, "--from-password-file", place.at("password")], second);
    const after = snapshots(second);
    assert.ok(after.length > before);
    for (const { id, time } of after) if (!copied.has(id)) copied.set(id, captured.get(Date.parse(time)) ?? []);
    judge(second);
  }

  function changePassword(): void {
    place.write("new password", newPassword);
    perform("holdfast", ["key", "passwd", "--new-password-file", place.at("new password")]);
    assert.equal(place.holdfast(["snapshots"]).status, 12, "the old one opens nothing any more");
    place.environment["RESTIC_PASSWORD"] = newPassword;
    judge();
    place.write("new password", password);
    perform("restic", ["key", "passwd", "--new-password-file", place.at("new password")]);
    place.environment["RESTIC_PASSWORD"] = password;
    makeKeysCheap(place.repository, password);
    judge();
  }

  function tag(): void {
    perform("holdfast", ["tag", "--add", "seen", "latest"]);
    judge();
    perform("restic", ["tag", "--add", "seen too"]);
    judge();
  }

  /** From now on no snapshot has these files. */
  function rewrite(): void {
    perform("holdfast", ["rewrite", "--forget", "--exclude", "scratch 1"]);
    judge();
    perform("restic", ["rewrite", "--forget", "--exclude", "scratch 2"]);
    judge();
    for (const [when, facts] of captured)
      captured.set(
        when,
        facts.filter((line) => !/^[^ ]*\/"scratch [12]"/.test(line)),
      );
  }

  function repairIndex(): void {
    for (const { path } of place.storeFiles("index").slice(0, 2)) rmSync(path);
    perform("holdfast", ["repair", "index"]);
    judge();
    for (const { path } of place.storeFiles("index").slice(0, 1)) rmSync(path);
    perform("resticOld", ["rebuild-index"]);
    judge();
  }

  /** A new master key: the year goes on in the repository that has it. */
  function rotate(): void {
    const next = place.at("rotated");
    perform("holdfast", ["key", "rotate", "--to", next, "--new-password-file", place.at("password")]);
    assert.equal(snapshots(next).length, snapshots().length);
    place.repository = next;
    makeKeysCheap(next, password);
    judge();
  }

  const special: readonly (readonly [atPart: number, action: () => void])[] = [
    [0.25, changePassword],
    [0.35, tag],
    [0.5, rewrite],
    [0.6, repairIndex],
    [0.75, rotate],
  ];

  it(`R154 R182 R193: ${year.days} days of backup, forget, prune, copy and more, by three programs`, (context) => {
    for (; day < year.days; day++) {
      changeTree();
      backUp();
      forget();
      if (day % year.pruneEvery === year.pruneEvery - 1) prune();
      if (day % year.copyEvery === year.copyEvery - 1) copyToSecond();
      for (const [part, action] of special) if (day === Math.floor(part * year.days)) action();
      const all = snapshots();
      compare(all.at(-1)!, programs[(day + 1) % 3]!);
      compare(all[day % all.length]!, programs[(day + 2) % 3]!);
      if (day % year.compareEvery !== year.compareEvery - 1) continue;
      compareAll();
      context.diagnostic(`day ${day + 1}: ${JSON.stringify(counts)}`);
    }
    compareAll();
    compareAll(second);
    assert.ok(snapshots().length < year.days && snapshots(second).length > 0);
    assert.equal(place.check("--read-data").verdict, "clean");
    context.diagnostic(JSON.stringify({ ...counts, kept: snapshots().length, copied: snapshots(second).length }));
  });
});
