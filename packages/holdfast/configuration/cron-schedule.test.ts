// Cron expressions: what is accepted, what is refused and why, and how often they come true.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parseCron } from "./cron-schedule.ts";

const gap = (text: string): number => {
  const rhythm = parseCron(text);
  return typeof rhythm === "string" ? assert.fail(`${text}: ${rhythm}`) : rhythm.longestGapDays;
};

describe("a cron expression", () => {
  it("R105, R129, R130: has five fields of numbers, names, ranges, lists and steps, or is a name", () => {
    const table: Readonly<Record<string, number>> = {
      "0 2 * * *": 1,
      "*/15 * * * *": 1,
      "0 2,14 * * *": 1,
      "0 3 * * 0": 7,
      "0 3 * * 7": 7,
      "0 3 * * SUN": 7,
      "30 2 * * 1-5": 3,
      "0 0 * jan-dec mon,thu": 4,
      "5/10 * * * *": 1,
      "@daily": 1,
      "@Weekly": 7,
      "@hourly": 1,
      // Both fields of days: one of them is enough.
      "0 0 13 * 5": 7,
      "0\t0  * * *": 1,
    };
    for (const [text, days] of Object.entries(table)) assert.equal(gap(text), days, text);
  });

  it("R105, R106: is refused with the field and the reason", () => {
    const table: Readonly<Record<string, RegExp>> = {
      "61 3 * * *": /^field 1 \(minute\): "61" is not within 0 to 59$/,
      "99 99 * * *": /^field 1 /,
      "0 24 * * *": /^field 2 \(hour\)/,
      "0 0 0 * *": /^field 3 \(day of the month\): "0" is not within 1 to 31$/,
      "0 0 * 13 *": /^field 4 \(month\)/,
      "0 0 * * 8": /^field 5 \(day of the week\)/,
      "0 0 * * mo": /^field 5 .*"mo"/,
      "0 5-2 * * *": /^field 2 .*ends before it begins/,
      "*/0 * * * *": /^field 1 .*steps by 0/,
      "1,,2 * * * *": /^field 1 .*is no number/,
      "0 0 * *": /must have five fields.*has 4$/,
      "0 0 * * * *": /has 6$/,
      "": /five fields/,
      "@dayly": /@daily/,
      "0 0 sun#1 * *": /^field 3/,
      "0 0 * * sun#6": /no such week/,
      "0 0 * * sun-mon#1": /belongs behind one day/,
      "-1 * * * *": /^field 1/,
      "0 0 * * * # daily": /five fields/,
    };
    for (const [text, reason] of Object.entries(table)) {
      const rhythm = parseCron(text);
      assert.match(typeof rhythm === "string" ? rhythm : "accepted", reason, text);
    }
  });

  it("R107, R110, R125: tells rare ones, those that never come, and the first Sunday of a month", () => {
    assert.equal(gap("0 0 1 * *"), 31);
    assert.equal(gap("0 0 31 2 *"), Infinity);
    assert.equal(gap("0 0 29 2 *"), 1461);
    assert.equal(gap("0 2 * * SUN#1"), 35);
    assert.equal(gap("0 2 * * 0#1,3#1"), 28);
  });

  it("is accepted exactly when each number is within its range", () => {
    const ranges = [
      [0, 59],
      [0, 23],
      [1, 31],
      [1, 12],
      [0, 7],
    ] as const;
    fc.assert(
      fc.property(fc.tuple(...ranges.map(() => fc.nat({ max: 99 }))), (numbers) => {
        const fits = numbers.every((value, index) => value >= ranges[index]![0] && value <= ranges[index]![1]);
        return (typeof parseCron(numbers.join(" ")) !== "string") === fits;
      }),
      { numRuns: 300 },
    );
  });
});
