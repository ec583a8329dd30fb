// Which configuration file is used when none, or one, is named.

import assert from "node:assert/strict";
import { chownSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { after, describe, it } from "node:test";
import { hasCode } from "@holdfast/repository";
import { ConfigurationFixture } from "./configuration-fixture.ts";
import { findConfigurationFile } from "./find-file.ts";

describe("the configuration file", () => {
  const fixture = new ConfigurationFixture();
  after(() => fixture[Symbol.dispose]());
  const uid = process.getuid?.() ?? 0;
  const find = (named?: string, environment: NodeJS.ProcessEnv = {}, as = 4711): string =>
    findConfigurationFile({ named, directory: fixture.directory, environment, uid: as });

  it("is the one that is named, else that of the directory, else that of the user", () => {
    const config = fixture.path("config");
    mkdirSync(fixture.path("config/holdfast"), { recursive: true });
    const ofUser = fixture.path("config/holdfast/holdfast.yml");
    writeFileSync(ofUser, "");
    assert.equal(find("a/b.yml"), fixture.path("a/b.yml"));
    assert.equal(find(undefined, { XDG_CONFIG_HOME: config }, uid === 0 ? 4711 : uid), ofUser);
    mkdirSync(fixture.path("home/.config/holdfast"), { recursive: true });
    writeFileSync(fixture.path("home/.config/holdfast/holdfast.yml"), "");
    assert.equal(find(undefined, { HOME: fixture.path("home") }), fixture.path("home/.config/holdfast/holdfast.yml"));
    writeFileSync(fixture.file, "");
    assert.equal(find(undefined, { XDG_CONFIG_HOME: config }, uid), fixture.file);
    rmSync(fixture.file);
  });

  it("is asked for with all places that were looked at", () => {
    const seen = (environment: NodeJS.ProcessEnv, as: number): string => {
      try {
        return find(undefined, environment, as);
      } catch (error) {
        assert.ok(hasCode(error, "usage"));
        return error.message.replaceAll(fixture.directory, "HERE");
      }
    };
    assert.equal(
      seen({ XDG_CONFIG_HOME: "/c", HOLDFAST_CONFIG: fixture.file }, 4711),
      "there is no configuration: looked for HERE/holdfast.yml and /c/holdfast/holdfast.yml",
    );
    assert.match(seen({ XDG_CONFIG_HOME: "relative", HOME: "/h" }, 4711), /\/h\/\.config\/holdfast\/holdfast\.yml$/);
    assert.match(seen({}, 4711), /looked for HERE\/holdfast\.yml$/);
  });

  it("of another user is not used unasked", () => {
    writeFileSync(fixture.file, "");
    chownSync(fixture.file, 4712, 4712);
    assert.throws(
      () => find(),
      (error) => hasCode(error, "usage") && error.message.includes("another user"),
    );
    assert.equal(find(fixture.file), fixture.file);
    chownSync(fixture.file, 4711, 4711);
    assert.equal(find(), fixture.file);
    rmSync(fixture.file);
  });
});
