// Paths that lie in one another: repositories and state inside sources, sources inside sources.

import assert from "node:assert/strict";
import { mkdirSync, symlinkSync } from "node:fs";
import { after, describe, it } from "node:test";
import { ConfigurationFixture, minimal } from "./configuration-fixture.ts";

describe("paths of a configuration", () => {
  const fixture = new ConfigurationFixture();
  after(() => fixture[Symbol.dispose]());
  const [data, repository] = [fixture.path("data"), fixture.path("data/backups")];
  const withSource = (source: string): string =>
    minimal({ source, repository: `{ url: "${repository}", password_file: /k }` });
  const capturing = (files: string): string => withSource(`{ files: ${files} }`);

  it("R100: a repository inside a source is refused until it is left out", () => {
    assert.match(
      fixture.errors(capturing(`["${data}"]`)).join(),
      /6:22 .*data\.files captures .*and with it the repository local/,
    );
    assert.match(fixture.errors(capturing("[/]")).join(), /the repository local/);
    assert.match(fixture.errors(capturing(`["${repository}"]`)).join(), /belongs to the repository local/);
    assert.match(fixture.errors(capturing(`["${repository}/data/ab"]`)).join(), /belongs to the repository local/);
    for (const exclude of [repository, "backups", "/**/backups", data]) {
      assert.deepEqual(fixture.errors(capturing(`{ paths: ["${data}"], exclude: ["${exclude}"] }`)), [], exclude);
    }
    for (const exclude of [`${repository}/data`, "backup", "!backups"]) {
      assert.equal(fixture.errors(capturing(`{ paths: ["${data}"], exclude: ["${exclude}"] }`)).length, 1, exclude);
    }
    // Only the name begins the same.
    assert.deepEqual(fixture.errors(capturing(`["${data}/back", "${data}/backups2"]`)), []);
  });

  it("R100: a link does not hide it", () => {
    mkdirSync(fixture.path("real/repository"), { recursive: true });
    symlinkSync(fixture.path("real"), fixture.path("link"));
    const content = minimal({
      source: `{ files: ["${fixture.path("real")}"] }`,
      repository: `{ url: "${fixture.path("link/repository")}", password_file: /k }`,
    });
    assert.equal(fixture.errors(content).length, 1);
    // The link itself is captured as a link, and not what it leads to.
    assert.deepEqual(fixture.errors(content.replace("/real", "/link")), []);
  });

  it("R100: Holdfast's own state is refused likewise", () => {
    const errors = fixture.errors(minimal({ source: `{ files: ["${fixture.directory}"] }` }));
    assert.match(errors.join(), /state directory/);
    const exclude = `{ files: { paths: ["${fixture.directory}"], exclude: ["${fixture.path("state")}"] } }`;
    assert.deepEqual(fixture.errors(minimal({ source: exclude })), []);
  });

  it("overlapping sources are warned about, once", () => {
    const two = (first: string, second: string): string[] =>
      fixture.warnings(minimal({ source: `${first}\n      more: ${second}` }));
    const [database, copies, ...rest] = two("{ sqlite: /srv/app/app.db }", "{ files: [/srv/app] }");
    assert.match(
      database ?? "",
      /^7:22 stacks\.app\.sources\.more\.files captures \/srv\/app, in which \/srv\/app\/app\.db is captured already by the source data/,
    );
    assert.deepEqual([copies, rest], [undefined, []]);
    assert.deepEqual(
      two("{ sqlite: /srv/app/app.db }", '{ files: { paths: [/srv/app], exclude: ["/srv/app/app.db*"] } }'),
      [],
    );
    assert.equal(two("{ files: [/srv/app] }", "{ files: [/srv/app/] }").length, 1);
    assert.equal(two("{ files: [/srv/app, /srv/app/sub] }", "{ files: [/srv/ap] }").length, 1);
    assert.deepEqual(two("{ files: [/srv/app] }", "{ files: [/srv/application] }"), []);
  });
});
