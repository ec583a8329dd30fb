// `holdfast config`: what it prints, what it never prints, and how it ends.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { after, describe, it } from "node:test";
import { ConfigurationFixture, linesOf, minimal } from "../../configuration/configuration-fixture.ts";
import { runWords } from "./config-fixture.ts";

describe("holdfast config", () => {
  const fixture = new ConfigurationFixture();
  after(() => fixture[Symbol.dispose]());
  const key = fixture.path("key");
  writeFileSync(key, "CANARY-correct-horse-battery\n", { mode: 0o600 });
  const good = minimal({
    repository: `{ url: "${fixture.path("repository")}", password_file: "${key}" }
  other: { url: "rest:https://backup.example/x", password_command: [pass, show, CANARY-word, "--CANARY=\${CANARY}"] }`,
    source: `{ files: ["${key}"] }`,
    more: "  second: { sources: { s: { sqlite: /s.db } }, plans: { p: { to: { other: {} } } } }\n",
  });
  const environment = { CANARY: "CANARY-value", PATH: "/usr/bin" };
  const write = (content: string): void => writeFileSync(fixture.file, content);

  it("R117, R003: show prints all defaults and no secret", async () => {
    write(good);
    for (const words of [
      ["config", "show"],
      ["config", "show", "--json"],
      ["config", "check"],
      ["config", "check", "--json"],
    ]) {
      const { stdout, stderr } = await runWords([...words, "-c", fixture.file], environment);
      assert.doesNotMatch(stdout + stderr, /CANARY/, words.join(" "));
    }
    const { code, stdout } = await runWords(["-c", fixture.file, "config", "show"], environment);
    assert.equal(code, 0);
    assert.match(stdout, /password_command:\n +- pass\n +- "?\*\*\*"?\n/);
    assert.match(stdout, /optional: false/);
    assert.match(stdout, /required: true/);
    // What is shown means the same as what was written.
    const { configuration, problems } = fixture.read(stdout.replaceAll("***", "x"));
    assert.deepEqual(linesOf(problems, "error"), []);
    assert.deepEqual([...(configuration?.stacks.keys() ?? [])], ["app", "second"]);
  });

  it("R006: show STACK prints one stack and the repositories that it uses", async () => {
    write(good);
    const { code, stdout } = await runWords(["config", "show", "second", "-c", fixture.file, "--json"], environment);
    assert.equal(code, 0);
    const { message_type, file, repositories, stacks } = JSON.parse(stdout) as Record<string, object>;
    assert.deepEqual([message_type, file], ["configuration", fixture.file]);
    assert.deepEqual([Object.keys(repositories ?? {}), Object.keys(stacks ?? {})], [["other"], ["second"]]);
    const missing = await runWords(["config", "show", "secnd", "-c", fixture.file], environment);
    assert.equal(missing.code, 2);
    assert.match(missing.stderr, /no stack "secnd"[^]*did you mean "second"\?/);
  });

  it("R106: check ends with 2 for any error, and with 0 for warnings", async () => {
    write(good);
    const whole = await runWords(["config", "check", "-c", fixture.file], { ...environment, PATH: fixture.directory });
    assert.equal(whole.code, 2);
    assert.match(whole.stdout, /^error: .*names pass, which is no program/m);
    write(good.replace("[pass,", "[/bin/sh,"));
    const warned = await runWords(["config", "check", "-c", fixture.file], environment);
    assert.equal(warned.code, 0, warned.stdout);
    assert.match(warned.stdout, /^warning: .*has no repository yet/m);
    assert.match(warned.stdout, /holdfast\.yml is valid, with \d+ warnings\n$/);
    write(minimal({ plan: '{ schedule: "61 * * * *", to: { local: {} } }' }));
    const { code, stdout } = await runWords(["config", "check", "-c", fixture.file, "--json"]);
    assert.equal(code, 2);
    const lines = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.deepEqual(lines.at(-1), { message_type: "summary", file: fixture.file, errors: 1, warnings: 1 });
    const { severity, line, column, field } = lines.find((each) => each["severity"] === "error") ?? {};
    assert.deepEqual(
      { severity, line, column, field },
      { severity: "error", line: 8, column: 26, field: "stacks.app.plans.daily.schedule" },
    );
  });

  it("schema prints a JSON Schema with descriptions", async () => {
    const { code, stdout } = await runWords(["config", "schema"]);
    assert.equal(code, 0);
    const schema = JSON.parse(stdout) as {
      $schema: string;
      properties: Record<string, unknown>;
      additionalProperties: boolean;
    };
    assert.match(schema.$schema, /2020-12/);
    assert.deepEqual(
      [Object.keys(schema.properties).slice(0, 2), schema.additionalProperties],
      [["repositories", "stacks"], false],
    );
    assert.match(stdout, /"password_file": \{\s+"description": /);
    assert.match(stdout, /"sqlite": /);
  });

  it("says what is wrong with its words", async () => {
    assert.match((await runWords(["config"])).stderr, /what to do is missing/);
    assert.match((await runWords(["config", "shw"])).stderr, /did you mean "show"/);
    assert.equal((await runWords(["config", "check", "x"])).code, 2);
    const repo = await runWords(["-c", fixture.file, "repo", "snapshots"]);
    assert.equal(repo.code, 2);
    assert.match(repo.stderr, /-c, --config <file>' is for verbs that work on stacks/);
  });
});
