// Tests: the log file is appended to, kept within bounds, and never in the way.
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { LogFile } from "./log-file.ts";

let folder: string;
let warnings: string[];
const open = (path: string): LogFile =>
  new LogFile(path, {
    now: () => new Date("2026-11-21T10:00:00.5Z"),
    whenBroken: (message) => warnings.push(message),
  });

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "holdfast-log-"));
  warnings = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("R102: a log file", () => {
  it("gets its directory, is its owner's, and has a line with time, process and level for each message", () => {
    const path = join(folder, "new", "holdfast.log");
    const log = open(path);
    log.write("info", "backing up app/daily");
    open(path).write("error", "two\nlines \u001b[31m");
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal(
      readFileSync(path, "utf8"),
      `2026-11-21T10:00:00.500Z [${process.pid}] info: backing up app/daily\n` +
        `2026-11-21T10:00:00.500Z [${process.pid}] error: two\\nlines \\x1b[31m\n`,
    );
    assert.deepEqual(warnings, []);
  });

  it("is rotated when it is large, and no more than five older ones are kept", () => {
    const path = join(folder, "holdfast.log");
    for (let turn = 0; turn < 8; turn++) {
      writeFileSync(path, `turn ${turn}`);
      truncateSync(path, 10 * 1024 * 1024);
      open(path).write("info", "after");
    }
    assert.deepEqual(readdirSync(folder).toSorted(), [
      "holdfast.log",
      ...[1, 2, 3, 4, 5].map((number) => `holdfast.log.${number}`),
    ]);
    assert.match(readFileSync(`${path}.1`, "utf8"), /^turn 7/);
    assert.match(readFileSync(`${path}.5`, "utf8"), /^turn 3/);
    assert.match(readFileSync(path, "utf8"), /info: after\n$/);
  });

  it("that cannot be written is said once, and nothing fails", () => {
    for (const path of [join(folder, "a", "b", "c.log"), join(folder, "file", "c.log"), "/proc/holdfast.log"]) {
      writeFileSync(join(folder, "file"), "");
      warnings = [];
      const log = open(path);
      log.write("info", "one");
      log.write("info", "two");
      assert.equal(warnings.length, 1, path);
      assert.match(warnings[0]!, /the log file .* cannot be written \(E[A-Z]+\): going on without it/);
    }
  });
});
