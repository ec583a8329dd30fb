// What people write on a command line: sizes, spans and points of time, commands.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { hasCode } from "@holdfast/repository";
import fc from "fast-check";
import { parseDurationMs } from "./durations.ts";
import { splitShellWords } from "./shell-words.ts";
import { parseCount, parseSizeBytes } from "./sizes.ts";
import { formatTime, parseTimeNs } from "./times.ts";

const refuses = (action: () => unknown, naming: string): void =>
  assert.throws(action, (error) => hasCode(error, "usage") && error.message.includes(naming));

describe("sizes", () => {
  it("takes powers of 1024", () => {
    assert.equal(parseSizeBytes("500", "-s"), 500);
    assert.equal(parseSizeBytes("7b", "-s"), 7);
    assert.equal(parseSizeBytes("10k", "-s"), 10_240);
    assert.equal(parseSizeBytes("3M", "-s"), 3 * 2 ** 20);
    assert.equal(parseSizeBytes("2G", "-s"), 2 ** 31);
    assert.equal(parseSizeBytes("1t", "-s"), 2 ** 40);
  });
  it("refuses what is no size, naming the option", () => {
    for (const text of ["", "k", "-1", "1.5M", "1KiB", "99999999T"])
      refuses(() => parseSizeBytes(text, "--limit"), "--limit");
    refuses(() => parseCount("-1", "--latest"), "--latest");
  });
});

describe("spans of time", () => {
  it("takes Go's syntax, and days", () => {
    assert.equal(parseDurationMs("90s", "-d"), 90_000);
    assert.equal(parseDurationMs("1h30m", "-d"), 5_400_000);
    assert.equal(parseDurationMs("2d", "-d"), 172_800_000);
    assert.equal(parseDurationMs("1.5h", "-d"), 5_400_000);
    assert.equal(parseDurationMs("250ms", "-d"), 250);
    assert.equal(parseDurationMs("0", "-d"), 0);
  });
  it("refuses the rest", () => {
    for (const text of ["", "5", "5 m", "m", "-5m", "5m!"])
      refuses(() => parseDurationMs(text, "--retry-lock"), "--retry-lock");
  });
});

describe("points in time", () => {
  it("reads what it shows", () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date("1971-01-01"), max: new Date("2099-01-01"), noInvalidDate: true }),
        (date) => {
          const time = new Date(Math.trunc(date.getTime() / 1000) * 1000);
          assert.equal(
            formatTime(new Date(Number(parseTimeNs(formatTime(time), "--time") / 1_000_000n))),
            formatTime(time),
          );
        },
      ),
    );
  });
  it("keeps nanoseconds and zones", () => {
    assert.equal(parseTimeNs("2012-11-01T22:08:41.123456789Z", "--time"), 1_351_807_721_123_456_789n);
    assert.equal(parseTimeNs("2012-11-01T22:08:41.5+02:00", "--time"), 1_351_800_521_500_000_000n);
  });
  it("refuses days that no calendar has", () => {
    for (const text of ["2023-02-29 00:00:00", "2023-13-01 00:00:00", "2023-01-01 25:00:00", "yesterday", ""])
      refuses(() => parseTimeNs(text, "--time"), "--time");
  });
});

describe("commands", () => {
  it("are cut like a shell does", () => {
    const split = (command: string): string[] => splitShellWords(command, "-c");
    assert.deepEqual(split("pass show backup"), ["pass", "show", "backup"]);
    assert.deepEqual(split(`  a  'b c' "d \\"e\\"" f\\ g `), ["a", "b c", 'd "e"', "f g"]);
    assert.deepEqual(split(`cat "/a b"/'c'd`), ["cat", "/a b/cd"]);
    assert.deepEqual(split(`x '' ""`), ["x", "", ""]);
    assert.deepEqual(split(`echo $HOME | rm`), ["echo", "$HOME", "|", "rm"]);
  });
  it("give back any words that were quoted", () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { minLength: 1 }), (words) => {
        const quoted = words.map((word) => `'${word.replaceAll("'", `'"'"'`)}'`).join(" ");
        assert.deepEqual(splitShellWords(quoted, "-c"), words);
      }),
    );
  });
  it("refuses open quotes and nothing", () => {
    for (const command of ["", "  ", "a 'b", 'a "b', "a\\"])
      refuses(() => splitShellWords(command, "--password-command"), "--password-command");
  });
});
