// The pages of the guide that hold commands do what they say, with both versions of restic.
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, it } from "node:test";
import { commandsOf, runPage } from "./support/page.ts";
import { programPath } from "./support/programs.ts";
import { makeOrdinaryTree } from "./support/sample-tree.ts";
import { assertSameTree } from "./support/tree-facts.ts";
import { Workplace } from "./support/workplace.ts";

const checkout = path.resolve(import.meta.dirname, "..");
const rows = 500;
const settings = "[app]\ncolour = green\n";

/** What the pages suppose to be there. */
function prepared(name: string): Workplace {
  const place = new Workplace(name);
  for (const folder of ["srv", "tmp"]) mkdirSync(place.at(folder));
  makeOrdinaryTree(place.at("srv", "app"));
  place.write("srv/app/config/settings.ini", settings);
  makeOrdinaryTree(place.at("srv", "shop", "uploads"));
  using database = new DatabaseSync(place.at("srv", "shop", "shop.db"));
  database.exec("PRAGMA journal_mode = WAL; CREATE TABLE sale (id INTEGER PRIMARY KEY, what TEXT)");
  const insert = database.prepare("INSERT INTO sale VALUES (?, ?)");
  for (let id = 1; id <= rows; id++) insert.run(id, `what was sold as ${id}`);
  return place;
}

/** The configuration that the page shows, with its paths in `place`. */
function writeConfiguration(page: string, place: Workplace): void {
  const text = readFileSync(path.join(checkout, page), "utf8");
  const [, shown] = /^```yaml\n(.*?)^```$/ms.exec(text) ?? assert.fail(`${page} shows no configuration`);
  const moved = shown!.replaceAll(/(?<=[\s[])\/(srv|etc\/holdfast)\//g, (name) => `${place.at(name)}/`);
  place.write("etc/holdfast/holdfast.yml", `state_directory: ${place.at("state")}\n${moved}`);
}

function assertShop(file: string): void {
  using database = new DatabaseSync(file, { readOnly: true });
  const found = database.prepare("SELECT id, what FROM sale ORDER BY id").all();
  assert.equal(found.length, rows);
  assert.ok(found.every((row, index) => row["what"] === `what was sold as ${index + 1}`));
  assert.deepEqual({ ...database.prepare("PRAGMA integrity_check").get() }, { integrity_check: "ok" });
}

function assertRestored(place: Workplace): void {
  assertSameTree(place.at("tmp", "restored", place.at("srv", "app")), place.at("srv", "app"));
  const part = place.at("tmp", "restored-part", place.at("srv", "app"));
  assertSameTree(`${part}/config`, place.at("srv", "app", "config"));
  assert.equal(readFileSync(place.at("tmp", "settings.ini"), "utf8"), settings);
}

describe("the page docs/restore-without-holdfast.md", () => {
  for (const which of ["restic", "resticOld"] as const) {
    it(`brings everything back with ${which}`, () => {
      using place = prepared(`page-${which}`);
      mkdirSync(place.at("etc", "holdfast"), { recursive: true });
      writeFileSync(place.at("etc", "holdfast", "key"), "three words and 7 numbers\n", { mode: 0o600 });
      writeConfiguration("docs/restore-without-holdfast.md", place);
      const { stdout } = runPage("docs/restore-without-holdfast.md", place, programPath(which));
      assertRestored(place);
      const stack = place.at("tmp", "restored-stack");
      assertShop(path.join(stack, "database", place.at("srv", "shop", "shop.db")));
      assertShop(place.at("tmp", "shop.db"));
      const uploads = place.at("srv", "shop", "uploads");
      assertSameTree(path.join(stack, "uploads", uploads), uploads);
      const manifest = JSON.parse(readFileSync(path.join(stack, "holdfast.json"), "utf8")) as { outcome: string };
      assert.equal(manifest.outcome, "good");
      assert.match(stdout.toString(), /no errors were found/);
    });
  }

  it("restores with restic alone", () => {
    const commands = commandsOf("docs/restore-without-holdfast.md");
    const restoring = commands.filter((block) => /restic (restore|dump|check|snapshots)/.test(block));
    assert.ok(restoring.length >= 6);
    assert.ok(restoring.every((block) => !block.includes("./holdfast")));
  });
});

describe("the page docs/guide/getting-started.md", () => {
  it("works from its first to its last command", () => {
    using place = prepared("page-guide");
    const { stdout } = runPage("docs/guide/getting-started.md", place, programPath("restic"));
    assertRestored(place);
    assertShop(place.at("srv", "shop", "shop.db"));
    const [beside, ...others] = readdirSync(place.at("srv", "shop")).filter((name) =>
      name.startsWith("shop.db.restored-"),
    );
    assert.ok(beside !== undefined && others.length === 0);
    assertShop(place.at("srv", "shop", beside));
    assert.match(stdout.toString(), /shop: proven/);
  });
});
