// What a valid configuration lacks on this machine: secrets, programs, rights, paths.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, beforeEach, describe, it } from "node:test";
import { ConfigurationFixture, linesOf, minimal } from "./configuration-fixture.ts";
import { probeConfiguration } from "./probe-configuration.ts";
import { readRestCredentials } from "./rest-credentials.ts";

describe("a look at the machine", () => {
  const fixture = new ConfigurationFixture();
  after(() => fixture[Symbol.dispose]());
  const key = fixture.path("key");
  const strong = "correct-horse-battery-staple-42";
  beforeEach(() => {
    writeFileSync(key, `${strong}\n`);
    chmodSync(key, 0o600);
  });

  const probe = async (content: string, severity: "error" | "warning"): Promise<string> => {
    const { configuration, problems } = fixture.read(content);
    if (configuration === null) return assert.fail(linesOf(problems, "error").join("\n"));
    const environment = { PATH: "/usr/bin:/bin" };
    const context = { signal: new AbortController().signal, now: () => new Date(0), clock: () => 0, environment };
    const lines = linesOf(await probeConfiguration(configuration, context), severity).join("\n");
    return lines.replaceAll(fixture.directory, "HERE");
  };
  const secret = (parts: string, severity: "error" | "warning" = "error"): Promise<string> =>
    probe(minimal({ repository: `{ url: "${fixture.path("repository")}", ${parts} }` }), severity);

  it("R098, R114: finds password files that are missing, empty, weak or open to others", async () => {
    const file = `password_file: "${key}"`;
    assert.equal(await secret(file), "");
    assert.match(
      await secret(`password_file: "${fixture.path("none")}"`),
      /^2:\d+ repositories\.local\.password_file names HERE\/none, which does not exist$/,
    );
    assert.match(await secret(`password_file: "${fixture.directory}"`), /which is no file/);
    chmodSync(key, 0o640);
    assert.match(await secret(file), /others than its owner may use \(mode 0640\)/);
    chmodSync(key, 0o604);
    assert.match(await secret(file), /mode 0604/);
    chmodSync(key, 0o600);
    for (const content of ["", " \n"]) {
      writeFileSync(key, content);
      assert.match(await secret(file), /which is empty/);
    }
    for (const weak of ["changeme", "token", "password1"]) {
      writeFileSync(key, weak);
      assert.match(await secret(file, "warning"), /can be guessed/, weak);
      assert.doesNotMatch(await secret(file, "warning"), new RegExp(weak));
    }
  });

  it("R183: refuses a key inside the repository that it opens", async () => {
    mkdirSync(fixture.path("repository"), { recursive: true });
    const inside = fixture.path("repository/key");
    writeFileSync(inside, strong, { mode: 0o600 });
    assert.match(await secret(`password_file: "${inside}"`), /inside the repository/);
  });

  it("R190: refuses a key that git tracks, and warns of one that it might", async () => {
    const tree = fixture.path("tree");
    mkdirSync(tree, { recursive: true });
    const git = (...words: string[]): Buffer => execFileSync("git", ["-C", tree, ...words], { stdio: "pipe" });
    git("init", "--quiet");
    const tracked = fixture.path("tree/key [1]");
    writeFileSync(tracked, strong, { mode: 0o600 });
    const file = `password_file: "${tracked}"`;
    assert.equal(await secret(file), "");
    assert.match(await secret(file, "warning"), /inside a git work tree/);
    git("add", "--", "key [1]");
    assert.match(await secret(file), /tracked by git/);
  });

  it("R189: finds password programs that cannot be run, and runs none", async () => {
    const ran = fixture.path("ran");
    assert.equal(await secret(`password_command: [touch, "${ran}"]`), "");
    assert.throws(() => chmodSync(ran, 0o600), /ENOENT/);
    assert.match(await secret("password_command: [no-such-program]"), /names no-such-program, which is no program/);
    assert.match(await secret(`password_command: ["${key}"]`), /no program that can be run/);
    assert.match(await secret(`password_command: ["${fixture.directory}"]`), /no program that can be run/);
  });

  it("finds credentials files that name no account", async () => {
    const file = fixture.path("account");
    const parts = `password_file: "${key}", credentials_file: "${file}"`;
    writeFileSync(file, "RESTIC_REST_USERNAME=me\n", { mode: 0o600 });
    assert.match(await secret(parts), /credentials_file names .* which does not name an account/);
    writeFileSync(file, "RESTIC_REST_USERNAME=me\nRESTIC_REST_PASSWORD='p w#1'\n");
    assert.equal(await secret(parts), "");
    assert.deepEqual(readRestCredentials(file), { user: "me", password: "p w#1" });
  });

  it("R333: finds a repository directory that cannot be written", async () => {
    const at = (path: string): string => minimal({ repository: `{ url: "${path}", password_file: "${key}" }` });
    assert.match(await probe(at(fixture.path("new/deep")), "warning"), /has no repository yet/);
    assert.equal(await probe(at(fixture.path("new/deep")), "error"), "");
    assert.match(
      await probe(at(fixture.path("key/below")), "error"),
      /url cannot be written: HERE\/key is no directory/,
    );
    // Root may write everywhere: somebody else has to look.
    mkdirSync(fixture.path("closed"), { mode: 0o555 });
    writeFileSync(fixture.file, at(fixture.path("closed")));
    const nobody = 65534;
    for (const path of [fixture.directory, fixture.file, key]) chownSync(path, nobody, nobody);
    const main = join(import.meta.dirname, "../main.ts");
    const words = [main, "config", "check", "-c", fixture.file];
    const { stdout, status } = spawnSync(process.execPath, words, {
      uid: nobody,
      gid: nobody,
      cwd: "/",
      env: { HOME: fixture.directory },
      encoding: "utf8",
    });
    assert.match(stdout, /repositories\.local\.url cannot be written: no right to write in .*\/closed/);
    assert.equal(status, 2);
    for (const path of [fixture.directory, fixture.file, key]) chownSync(path, 0, 0);
  });

  it("R172: warns of copies on the disk of the data, and of sources that are not there", async () => {
    const missing = fixture.path("none.db");
    const content = minimal({
      source: `{ sqlite: "${missing}" }`,
      repository: `{ url: "${fixture.path("repository")}", password_file: "${key}" }`,
    });
    const warnings = await probe(content, "warning");
    assert.match(warnings, /sources\.data\.sqlite may not be whole: .*none\.db.*a backup now would fail/);
    assert.match(warnings, /plans\.daily\.to keeps every copy on the disk that the data is on/);
    const optional = content.replace(`"${missing}" }`, `"${missing}", optional: true }`);
    assert.doesNotMatch(await probe(optional, "warning"), /none\.db/);
    const elsewhere = content.replace(/url: "[^"]*"/, "url: rest:https://backup.example/");
    assert.doesNotMatch(await probe(elsewhere, "warning"), /keeps every copy/);
  });
});
