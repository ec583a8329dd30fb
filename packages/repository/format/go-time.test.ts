// Times as Go writes them, in several zones.
import assert from "node:assert/strict";
import { afterEach, describe, test } from "node:test";
import fc from "fast-check";
import { hasCode } from "../errors.ts";
import { createTimeFormatter, parseTime } from "./go-time.ts";

const zoneBefore = process.env["TZ"];
afterEach(() => {
  if (zoneBefore === undefined) {
    delete process.env["TZ"];
  } else {
    process.env["TZ"] = zoneBefore;
  }
});

const second = 1_000_000_000n;

function at(zone: string, seconds: bigint, nanos = 0n): string {
  process.env["TZ"] = zone;
  return createTimeFormatter()(seconds * second + nanos);
}

describe("formatting", () => {
  test("drops trailing zeros and says Z for UTC", () => {
    assert.equal(at("UTC", 0n), "1970-01-01T00:00:00Z");
    assert.equal(at("UTC", 0n, 1n), "1970-01-01T00:00:00.000000001Z");
    assert.equal(at("UTC", 1_700_000_000n, 120_000_000n), "2023-11-14T22:13:20.12Z");
    assert.equal(at("UTC", 1_700_000_000n, 999_999_999n), "2023-11-14T22:13:20.999999999Z");
    assert.equal(at("Europe/London", 1_700_000_000n), "2023-11-14T22:13:20Z");
  });

  test("goes down from the epoch, not towards it", () => {
    assert.equal(at("UTC", 0n, -1n), "1969-12-31T23:59:59.999999999Z");
    assert.equal(at("UTC", -150_000_000n, 5n), "1965-03-31T21:20:00.000000005Z");
  });

  test("takes times that 64 bits do not hold", () => {
    assert.equal(at("UTC", -10_000_000_000n, -1n), "1653-02-10T06:13:19.999999999Z");
    assert.equal(at("UTC", 10_000_000_000n, 5n), "2286-11-20T17:46:40.000000005Z");
    assert.equal(at("UTC", -9_223_372_036n, -854_775_808n), "1677-09-21T00:12:43.145224192Z");
    assert.equal(at("UTC", 9_223_372_036n, 854_775_807n), "2262-04-11T23:47:16.854775807Z");
  });

  test("uses the offset of the instant", () => {
    assert.equal(at("Europe/Berlin", 1_711_846_799n), "2024-03-31T01:59:59+01:00");
    assert.equal(at("Europe/Berlin", 1_711_846_800n), "2024-03-31T03:00:00+02:00");
    assert.equal(at("Asia/Kathmandu", 1_700_000_000n), "2023-11-15T03:58:20+05:45");
    // Newfoundland changed its clocks at one minute past midnight until 2011.
    assert.equal(at("America/St_Johns", 1_289_097_059n), "2010-11-07T00:00:59-02:30");
    assert.equal(at("America/St_Johns", 1_289_097_060n), "2010-11-06T23:01:00-03:30");
  });

  test("drops the seconds of old offsets, as Go does", () => {
    // As restic 0.19 wrote the oldest time that a file system with 32 bits of seconds holds.
    assert.equal(at("America/St_Johns", -2_147_483_648n), "1901-12-13T17:15:00-03:30");
    assert.equal(at("Europe/Berlin", -4_000_000_000n), "1843-03-31T17:46:48+00:53");
    assert.equal(at("Africa/Monrovia", 0n), "1969-12-31T23:15:30-00:44");
  });

  test("moves years that cannot be written into those that can", () => {
    assert.equal(at("UTC", -62_167_219_200n), "0000-01-01T00:00:00Z");
    assert.equal(at("UTC", -62_167_219_201n), "0000-12-31T23:59:59Z");
    assert.equal(at("UTC", 253_402_300_799n, 5n), "9999-12-31T23:59:59.000000005Z");
    assert.equal(at("UTC", 253_402_300_800n), "9999-01-01T00:00:00Z");
    assert.match(at("UTC", 2n ** 63n - 1n), /^9999-/);
    assert.match(at("UTC", -(2n ** 63n)), /^0000-/);
  });

  test("is the same with a memory as without", () => {
    process.env["TZ"] = "Europe/Berlin";
    const remembering = createTimeFormatter();
    const instants = fc.bigInt({ min: 1_700_000_000n * second, max: 1_700_100_000n * second });
    fc.assert(
      fc.property(fc.array(instants), (times) => {
        for (const time of times) {
          assert.equal(remembering(time), createTimeFormatter()(time));
        }
      }),
    );
  });
});

describe("parsing", () => {
  for (const zone of ["UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Chatham"]) {
    test(`gives back what was formatted in ${zone}`, () => {
      process.env["TZ"] = zone;
      const formatTime = createTimeFormatter();
      // From 1973 on offsets are whole minutes, so that nothing is lost; 64 bits end in 2262.
      const times = fc.oneof(
        fc.bigInt({ min: 94_694_400n * second, max: 9_300_000_000n * second }),
        fc.bigInt({ min: 94_694_400n * second, max: 253_000_000_000n * second }),
      );
      fc.assert(
        fc.property(times, (time) => {
          assert.equal(parseTime(formatTime(time)), time);
        }),
        { numRuns: 500 },
      );
    });
  }

  test("agrees with Date", () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date("0000-01-01T00:00:00Z"), max: new Date("9999-12-31T23:59:59Z"), noInvalidDate: true }),
        (date) => {
          assert.equal(parseTime(date.toISOString()), BigInt(date.getTime()) * 1_000_000n);
        },
      ),
      { numRuns: 500 },
    );
  });

  test("takes any offset and cuts off what is finer than nanoseconds", () => {
    assert.equal(parseTime("1970-01-01T01:00:00+01:00"), 0n);
    assert.equal(parseTime("1969-12-31T20:30:00-03:30"), 0n);
    assert.equal(parseTime("1970-01-01T00:00:00.0000000019Z"), 1n);
    assert.equal(parseTime("1969-12-31T23:59:59.999999999Z"), -1n);
    assert.equal(parseTime("2024-02-29T00:00:00Z"), 1_709_164_800n * second);
  });

  test("refuses everything else", () => {
    const wrong = [
      "",
      "2024-01-01",
      "2024-01-01T00:00:00",
      "2024-01-01 00:00:00Z",
      "2024-1-01T00:00:00Z",
      "2024-13-01T00:00:00Z",
      "2023-02-29T00:00:00Z",
      "2024-01-00T00:00:00Z",
      "2024-01-32T00:00:00Z",
      "2024-01-01T24:00:00Z",
      "2024-01-01T00:60:00Z",
      "2024-01-01T00:00:60Z",
      "2024-01-01T00:00:00.Z",
      "2024-01-01T00:00:00.5",
      "2024-01-01T00:00:00+1:00",
      "2024-01-01T00:00:00+24:00",
      "2024-01-01T00:00:00+00:60",
      "2024-01-01T00:00:00Zx",
      "2024-01-01T00:00:00+01:00x",
      " 2024-01-01T00:00:00Z",
      "12024-01-01T00:00:00Z",
      "2024-01-01T00:00:00,5Z",
      "-024-01-01T00:00:00Z",
      "2x24-01-01T00:00:00Z",
      "2024/01-01T00:00:00Z",
    ];
    for (const text of wrong) {
      assert.throws(
        () => parseTime(text),
        (error) => hasCode(error, "damaged"),
        text,
      );
    }
  });
});
