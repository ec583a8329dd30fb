// Variables in values: what is put in, what is not, and that it stays data.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import { hasCode } from "@holdfast/repository";
import { ConfigurationFixture } from "./configuration-fixture.ts";
import { expandVariables, variablesOf } from "./expansion.ts";

const lookup = (name: string): string | undefined =>
  ({ A: "a", EMPTY: "", NESTED: "${A}", SHELL: "$(touch /tmp/pwn)`id`" })[name];
const expand = (text: string): unknown => expandVariables(text, lookup).value;

describe("variables", () => {
  it("are put into values, with defaults, and never into keys", () => {
    assert.deepEqual(expandVariables({ "${A}": ["${A}", { b: "x${A}y${A}" }], n: 5, t: true, z: null }, lookup).value, {
      "${A}": ["a", { b: "xaya" }],
      n: 5,
      t: true,
      z: null,
    });
    assert.equal(expand("${NONE:-default}${EMPTY:-other}${EMPTY}${NONE:-}"), "defaultother");
    assert.equal(expand("$${A} $A $ $$ ${A:-${A}"), "${A} $A $ $$ a");
  });

  it("R111: stay data: what they hold is neither expanded again nor run", () => {
    assert.equal(expand("${NESTED}"), "${A}");
    assert.equal(expand("${SHELL}"), "$(touch /tmp/pwn)`id`");
    assert.equal(expand("$(touch /tmp/pwn)"), "$(touch /tmp/pwn)");
  });

  it("are errors when they are set nowhere or are none", () => {
    const flaws = (text: string): string[] =>
      expandVariables({ a: [text] }, lookup).flaws.map(({ path, message }) => `${path.join(".")} ${message}`);
    assert.deepEqual(flaws("${NONE} ${OTHER}"), [
      "a.0 needs the variable NONE, which is not set",
      "a.0 needs the variable OTHER, which is not set",
    ]);
    for (const text of ["${", "${}", "${1A}", "${A-b}", "${A"])
      assert.deepEqual(flaws(text), ["a.0 holds ${ without a variable"]);
  });

  it("come from the environment, then from the file .env beside the configuration", () => {
    using fixture = new ConfigurationFixture();
    const look = (name: string): string | undefined => variablesOf({ BOTH: "environment" }, fixture.directory)(name);
    assert.equal(look("ONLY"), undefined);
    writeFileSync(fixture.path(".env"), "# comment\nBOTH=file\nexport ONLY='from file' # why\n");
    assert.deepEqual([look("BOTH"), look("ONLY"), look("NONE")], ["environment", "from file", undefined]);
  });

  it("are not looked for in a .env that cannot be read", () => {
    using fixture = new ConfigurationFixture();
    mkdirSync(fixture.path(".env"));
    assert.throws(
      () => variablesOf({}, fixture.directory),
      (error) => hasCode(error, "usage") && error.message.includes(".env"),
    );
  });
});
