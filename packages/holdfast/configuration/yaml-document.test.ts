// YAML that is refused, with its reason and place, and where values stand in what is accepted.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseYaml } from "./yaml-document.ts";

const problems = (content: string | Buffer): string[] =>
  parseYaml(Buffer.from(content as string), "f.yml").problems.map(
    ({ line, column, message }) => `${line}:${column} ${message}`,
  );

describe("a YAML file", () => {
  it("is refused with the place and the reason", () => {
    const bomb = "a: &a [1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b]\nd: [*c,*c,*c]";
    const table: readonly (readonly [content: string | Buffer, problem: string])[] = [
      ["a: 1\nb:\n  c: 1\n  c: 2", "4:3 this key stands twice in the same map"],
      ["a:\n\t- b", "2:1 a tab cannot indent YAML: use spaces"],
      ["--- {a: 1}\n--- {b: 2}", "2:1 the file holds more than one YAML document"],
      ["", "1:1 the file is empty"],
      ["# nothing\n", "1:1 the file is empty"],
      ["a: !!str 5", "1:10 tags are not supported: write the value in quotes"],
      ["a: !!js/function 'x'", "1:4 this is no YAML: Unresolved tag"],
      ["- !!binary aGk=", "1:12 tags are not supported: write the value in quotes"],
      ["a: *gone", '1:4 there is no anchor "gone" before this alias'],
      ["b: {<<: {a: 1}}", "1:5 merge keys are not supported: write the keys out"],
      ["__proto__: {a: 1}", '1:1 "__proto__" is no name'],
      ["? [a]\n: b", "1:3 a key must be a plain word"],
      [bomb, "1:1 the file uses too many aliases: more than 100 values"],
      ["a: &a {b: *a}", "1:1 the file nests too deeply"],
      [`${"[".repeat(50)}${"]".repeat(50)}`, "1:1 the file nests too deeply"],
      ["[".repeat(100_000), "1:1 the file nests too deeply"],
      [Buffer.from("a: \xff", "latin1"), "1:1 the file is not UTF-8: save it as UTF-8"],
      [Buffer.from("\ufeffa: 1", "utf16le"), "1:1 the file is UTF-16: save it as UTF-8"],
      ["a: 'b\0'", "1:1 the file contains a zero byte: this is no text"],
      ["a".repeat(2 ** 20 + 1), "1:1 the file is larger than 1 MiB: this is no configuration"],
    ];
    for (const [content, problem] of table)
      assert.deepEqual(problems(content), [problem], String(content).slice(0, 40));
  });

  it("R003: never shows what stands in it", () => {
    const secret = "CANARY-5ecret";
    for (const content of [
      `a: {b: 1} ${secret}`,
      `a: [\n${secret}: x`,
      `a: "${secret}`,
      `a: 'x' "${secret}"`,
      `%${secret}\n---\na`,
    ]) {
      const found = problems(content);
      assert.notDeepEqual(found, [], content);
      assert.doesNotMatch(found.join("\n"), /CANARY/, content);
    }
  });

  it("may begin with a byte order mark and is YAML 1.2 whatever it says", () => {
    assert.deepEqual(parseYaml(Buffer.from("\ufeffa: off"), "f").value, { a: "off" });
    assert.deepEqual(parseYaml(Buffer.from("%YAML 1.1\n---\na: yes\nb: 0777\n"), "f").value, { a: "yes", b: 777 });
  });

  it("knows where values and keys stand, also behind aliases and for what is missing", () => {
    const document = parseYaml(Buffer.from("a: &x\n  b: [1, two]\nc: *x\nd:\n"), "f");
    const at = (path: (string | number)[], atKey?: boolean): string => {
      const { line, column } = document.locate(path, atKey);
      return `${line}:${column}`;
    };
    assert.equal(at(["a", "b", 1]), "2:10");
    assert.equal(at(["a", "b"], true), "2:3");
    assert.equal(at(["c", "b", 1]), "2:10");
    assert.equal(at(["a"]), "1:1");
    assert.equal(at(["d"]), "4:1");
    assert.equal(at(["a", "nothing", "below"]), "1:1");
    assert.equal(at([]), "1:1");
  });
});
