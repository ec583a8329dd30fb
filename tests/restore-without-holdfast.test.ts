// The pages of the guide that hold commands do what they say, with both versions of restic.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import { commandsOf, runPage } from "./support/page.ts";
import { programPath } from "./support/programs.ts";
import { makeOrdinaryTree } from "./support/sample-tree.ts";
import { assertSameTree } from "./support/tree-facts.ts";
import { Workplace } from "./support/workplace.ts";

const settings = "[app]\ncolour = green\n";

/** What the pages suppose to be there. */
function prepared(name: string): Workplace {
  const place = new Workplace(name);
  for (const folder of ["srv", "tmp"]) mkdirSync(place.at(folder));
  makeOrdinaryTree(place.at("srv", "app"));
  place.write("srv/app/config/settings.ini", settings);
  return place;
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
      writeFileSync(place.at("etc", "holdfast", "key"), "three words and 7 numbers\n");
      const { stdout } = runPage("docs/restore-without-holdfast.md", place, programPath(which));
      assertRestored(place);
      assert.match(stdout.toString(), /no errors were found/);
    });
  }

  it("restores with restic alone", () => {
    const commands = commandsOf("docs/restore-without-holdfast.md");
    const restoring = commands.filter((block) => /restic (restore|dump|check|snapshots)/.test(block));
    assert.ok(restoring.length >= 6);
    assert.ok(restoring.every((block) => !block.includes("holdfast repo")));
  });
});

describe("the page docs/guide/getting-started.md", () => {
  it("works from its first to its last command", () => {
    using place = prepared("page-guide");
    runPage("docs/guide/getting-started.md", place, programPath("restic"));
    assertRestored(place);
  });
});
