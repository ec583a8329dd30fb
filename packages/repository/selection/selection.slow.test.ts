// Differential test: restic and Holdfast choose the same files of one tree under the same patterns.
// HOLDFAST_RESTIC names the restic executable (0.17 or newer).

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { PathSelection, everyPath } from "./path-rules.ts";
import { cacheDirectoryMarker, selectEverything, type SelectionRules } from "./selection-rules.ts";
import { Selection } from "./selection.ts";

const names = [
  "a",
  "b.txt",
  "B.TXT",
  "cache",
  "x[1]",
  "n*m",
  "ü.txt",
  "Ünder",
  "back\\slash",
  "space here",
  ".git",
  "m",
];
const latin1Name = Buffer.from([0x6e, 0xe9, 0x2e, 0x74, 0x78, 0x74]);

const backupRules: Partial<SelectionRules>[] = [
  { exclude: ["*.txt"] },
  { exclude: ["cache", "m/.git"] },
  { exclude: ["ROOT/a/*"] },
  { exclude: ["ROOT/**/m"] },
  { exclude: ["a/**/b.txt", "!ü.txt"] },
  { exclude: ["*", "!a", "!cache", "!*.txt"] },
  { exclude: ["[a-c]*", "?.txt"] },
  { exclude: ["x\\[1\\]", "n\\*m", "back\\\\slash"] },
  { exclude: ["[^a-z]*"], iexclude: ["b.txt"] },
  { iexclude: ["ÜNDER", "*.TxT", "CACHE/*"] },
  { exclude: ["n?.txt", "**/.git/**", "*s*e"] },
  { excludeIfPresent: [{ name: "m" }, { name: ".git", header: "content of" }] },
  { excludeIfPresent: [cacheDirectoryMarker] },
  { excludeLargerThanBytes: 14 },
];

const restoreRules: { include?: string[]; iinclude?: string[]; exclude?: string[]; iexclude?: string[] }[] = [
  { include: ["/a/cache"] },
  { include: ["b.txt", "/m/*"] },
  { include: ["/a/**/m", "!/a/m"] },
  { iinclude: ["/A/B.txt", "ünder"] },
  { exclude: ["/a", "*.txt"] },
  { iexclude: ["M/**/.GIT"] },
];

describe("the same choice as restic's", () => {
  const restic = process.env["HOLDFAST_RESTIC"];
  assert.ok(restic, "HOLDFAST_RESTIC must name the restic executable to compare with");
  let base: string;
  let root: string;
  const run = (...words: string[]): Record<string, unknown>[] =>
    execFileSync(restic, ["--repo", join(base, "repository"), "--no-cache", "--json", ...words], {
      env: { PATH: process.env["PATH"], RESTIC_PASSWORD: "test", TZ: "UTC" },
      maxBuffer: 2 ** 26,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
    })
      .split("\n")
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line) as Record<string, unknown>);

  before(() => {
    base = mkdtempSync(join(tmpdir(), "holdfast-choice-"));
    root = join(base, "tree");
    grow(Buffer.from(root), 3);
    run("init");
    run("backup", `${root}/`, "--tag", "whole");
  });
  after(() => rmSync(base, { recursive: true }));

  for (const rules of backupRules) {
    it(`backup ${JSON.stringify(rules)}`, () => {
      const inRoot = (pattern: string): string => pattern.replace("ROOT", root);
      const full: SelectionRules = { ...selectEverything, ...rules, exclude: (rules.exclude ?? []).map(inRoot) };
      const words = [
        ...full.exclude.map((pattern) => `--exclude=${pattern}`),
        ...full.iexclude.map((pattern) => `--iexclude=${pattern}`),
        ...full.excludeIfPresent.map(
          ({ name, header }) => `--exclude-if-present=${name}${header === undefined ? "" : `:${header}`}`,
        ),
        ...(full.excludeLargerThanBytes === null ? [] : [`--exclude-larger-than=${full.excludeLargerThanBytes}`]),
      ];
      const status = run("backup", "--force", "--dry-run", "-vv", ...words, root);
      const theirs = status.filter((line) => line["action"] === "new").map((line) => trimmed(String(line["item"])));
      const ours = walk(new Selection(full), Buffer.from(root));
      assert.deepEqual(ours.toSorted(), theirs.filter((path) => path.startsWith(`${root}/`)).toSorted());
      assert.ok(ours.length > 0);
    });
  }

  for (const rules of restoreRules) {
    it(`restore ${JSON.stringify(rules)}`, () => {
      const full = { ...everyPath, ...rules };
      const words = Object.entries(full).flatMap(([option, patterns]) =>
        patterns.map((pattern) => `--${option}=${pattern}`),
      );
      const status = run("restore", `latest:${root}`, "--dry-run", "-vv", "--target", join(base, "nowhere"), ...words);
      // Which directories restic reports on the way to a file is a matter of its own.
      const isFile = (item: string): boolean =>
        statSync(root + item, { throwIfNoEntry: false })?.isDirectory() !== true;
      const restored = status.filter((line) => line["action"] === "restored" && isFile(String(line["item"])));
      const ours = choose(new PathSelection(full), Buffer.from(root), Buffer.from(""));
      assert.deepEqual(ours.toSorted(), restored.map((line) => String(line["item"])).toSorted());
      assert.ok(ours.length > 0);
    });
  }
});

const trimmed = (path: string): string => path.replace(/(?<=.)\/$/, "");
const inside = (directory: Buffer, name: Buffer): Buffer => Buffer.concat([directory, Buffer.from("/"), name]);

/** Nested directories; the innermost hold every name as a file, the others some names as directories. */
function grow(directory: Buffer, depth: number): void {
  mkdirSync(directory);
  const files = depth === 1 ? names : ["b.txt", "B.TXT", "ü.txt", "x[1]"];
  for (const name of files) writeFileSync(inside(directory, Buffer.from(name)), `content of ${name}`);
  writeFileSync(inside(directory, latin1Name), "latin1");
  writeFileSync(
    inside(directory, Buffer.from("CACHEDIR.TAG")),
    depth === 2 ? `${cacheDirectoryMarker.header}\n` : "none",
  );
  if (depth === 1) return;
  for (const name of ["a", "cache", "m", ".git", "Ünder", "n*m"]) grow(inside(directory, Buffer.from(name)), depth - 1);
}

/** What Selection keeps below `directory`; bytes that are not UTF-8 read as restic's JSON shows them. */
function walk(selection: Selection, directory: Buffer): string[] {
  const markers = selection.markersIn(directory, () => {});
  const kept: string[] = [];
  for (const entry of readdirSync(directory, { encoding: "buffer", withFileTypes: true })) {
    const path = inside(directory, entry.name);
    if (selection.excludesPath(path) || selection.excludesEntry(entry.name, markers)) continue;
    if (entry.isDirectory()) kept.push(path.toString(), ...walk(selection, path));
    else if (!selection.excludesSize(lstatSync(path).size)) kept.push(path.toString());
  }
  return kept;
}

/** The files that PathSelection takes; `at` is the path inside the snapshot. */
function choose(selection: PathSelection, disk: Buffer, at: Buffer): string[] {
  const taken: string[] = [];
  for (const entry of readdirSync(disk, { encoding: "buffer", withFileTypes: true })) {
    const path = inside(at, entry.name);
    const choice = selection.choose(path, entry.isDirectory());
    if (choice.enter) taken.push(...choose(selection, inside(disk, entry.name), path));
    if (choice.selected && !entry.isDirectory()) taken.push(path.toString());
  }
  return taken;
}
