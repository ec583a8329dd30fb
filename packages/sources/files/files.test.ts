// The files source: what is there, what is missing, and what is taken.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { hasCode } from "@holdfast/repository";
import type { SourceContext } from "../source.ts";
import { files } from "./files.ts";

const context: SourceContext = {
  signal: new AbortController().signal,
  now: () => new Date(0),
  clock: () => 0,
  environment: {},
};

describe("the files source", () => {
  const directory = mkdtempSync(join(tmpdir(), "holdfast-files-"));
  const there = join(directory, "acme.json");
  writeFileSync(there, "{}");
  const missing = join(directory, "none");
  after(() => rmSync(directory, { recursive: true }));

  it("takes a list of paths for the long form", () => {
    assert.deepEqual(files.options.parse([there]), { paths: [there], exclude: [] });
    assert.deepEqual(files.options.parse({ paths: [there], exclude: ["*.tmp"] }), {
      paths: [there],
      exclude: ["*.tmp"],
    });
    for (const bad of [[], ["relative"], { paths: [there], excludes: [] }, { exclude: [] }])
      assert.equal(files.options.safeParse(bad).success, false, JSON.stringify(bad));
  });

  it("R032: one of several paths that is missing is a warning, and the rest is taken", async () => {
    const options = files.options.parse([there, missing]);
    assert.deepEqual(await files.preflight(options, context), {
      present: true,
      sizeBytes: null,
      warnings: [`${missing} does not exist`],
    });
    await using open = await files.open(options, context);
    assert.deepEqual(
      open.entries.map(({ path }) => path.toString()),
      [there],
    );
    assert.deepEqual(open.warnings, [`${missing} does not exist`]);
    assert.equal(open.consistency, "crash");
    assert.equal(open.pinnedAtNs, null);
  });

  it("R008: nothing there is not present, and cannot be opened", async () => {
    const options = files.options.parse([missing]);
    assert.equal((await files.preflight(options, context)).present, false);
    await assert.rejects(
      files.open(options, context),
      (error) => hasCode(error, "source") && error.message.includes(missing),
    );
  });

  it("refuses a malformed pattern before anything is read", async () => {
    const options = files.options.parse({ paths: [there], exclude: ["["] });
    await assert.rejects(files.preflight(options, context), (error) => hasCode(error, "usage"));
  });
});
