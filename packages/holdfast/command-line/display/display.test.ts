// What people see: figures, names, tables, progress, entries of a snapshot.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { formatBytes, formatCount, formatDuration, formatPercent } from "../../display/amounts.ts";
import { toJsonLine } from "./json-line.ts";
import { LiveArea } from "./live-area.ts";
import { formatMode } from "./node-lines.ts";
import { printableName, printableText } from "./printable.ts";
import { progressLines, type Progress } from "./progress-lines.ts";
import { Rate } from "./rate.ts";
import { renderTable } from "./table.ts";
import { displayWidth, fit } from "./width.ts";

describe("amounts", () => {
  it("are written as restic does", () => {
    assert.deepEqual([0, 1023, 1024, 1536 * 1024, 2 ** 30, 3 * 2 ** 40].map(formatBytes), [
      "0 B",
      "1023 B",
      "1.000 KiB",
      "1.500 MiB",
      "1.000 GiB",
      "3.000 TiB",
    ]);
    assert.deepEqual([0, 7_900, 754_000, 3_723_000].map(formatDuration), ["0:00", "0:07", "12:34", "1:02:03"]);
    assert.equal(formatPercent(1, 3), "33.33%");
    assert.equal(formatPercent(5, 3), "100.00%");
    assert.equal(formatPercent(5, null), "");
    assert.deepEqual(
      [formatCount(1, "file"), formatCount(2, "file"), formatCount(0, "entry", "entries")],
      ["1 file", "2 files", "0 entries"],
    );
  });
});

describe("names", () => {
  it("are shown as they are where that is safe", () => {
    for (const name of ["/etc/fstab", "/ü/日本", 'with "quotes" and \\', "emoji 🙂"])
      assert.equal(printableName(name), name);
  });
  it("show what would harm a terminal", () => {
    assert.equal(printableName("a\nb"), '"a\\nb"');
    assert.equal(printableName("\u001b[2Jx"), '"\\x1b[2Jx"');
    assert.equal(printableName("a\u202eb"), '"a\\u202eb"');
    assert.equal(printableName(Buffer.from([0x61, 0xff, 0xc3, 0x28])), '"a\\xff\\xc3("');
    assert.equal(printableText("one\u0007\ntwo"), "one\\x07\ntwo");
  });
  it("never let a control character through", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) =>
        assert.doesNotMatch(printableName(Buffer.from(bytes)), /[\p{Cc}\u202a-\u202e\u2028\u2029]/u),
      ),
    );
  });
});

describe("widths", () => {
  it("counts cells", () => {
    assert.equal(displayWidth("abc"), 3);
    assert.equal(displayWidth("日本"), 4);
    assert.equal(displayWidth("e\u0301"), 1);
  });
  it("cuts to fit", () => {
    assert.equal(fit("abcdef", 4), "abc…");
    assert.equal(fit("日本語", 4), "日…");
    assert.equal(fit("abc", 3), "abc");
    fc.assert(
      fc.property(fc.string(), fc.nat(20), (text, cells) => assert.ok(displayWidth(fit(text, cells)) <= cells)),
    );
  });
});

describe("tables", () => {
  it("are as wide as their cells, with lines in them", () => {
    const columns = [
      { title: "ID", cell: (row: readonly string[]) => row[0] ?? "" },
      { title: "Size", right: true, cell: (row: readonly string[]) => row[1] ?? "" },
    ];
    assert.deepEqual(
      renderTable(
        columns,
        [
          ["a\nbb", "1"],
          ["c", "12345"],
        ],
        ["2 rows"],
      ),
      ["ID   Size", "---------", "a       1", "bb", "", "c   12345", "---------", "2 rows"],
    );
  });
});

describe("progress", () => {
  const progress: Progress = {
    unit: "files",
    done: 812,
    total: 2000,
    bytesDone: 1e9,
    bytesTotal: 4e9,
    errors: 1,
    current: ["/a/b\n", "/c", "/d", "/e"],
  };

  it("says files, bytes, rate, time left and errors, and shows some names", () => {
    assert.deepEqual(progressLines(progress, 12_000, 21_000, 98 * 2 ** 20, 200), [
      "[0:12] 25.00%  812 of 2000 files, 953.674 MiB of 3.725 GiB, 98.000 MiB/s, 0:21 left, 1 error",
      '  "/a/b\\n"',
      "  /c",
      "  /d",
    ]);
  });
  it("says less when less is known", () => {
    const early = { ...progress, total: null, bytesTotal: null, errors: 0, current: [] };
    assert.deepEqual(progressLines(early, 500, null, 0, 200), ["[0:00] 812 files, 953.674 MiB"]);
  });
  it("is never wider than the terminal", () => {
    for (const line of progressLines({ ...progress, current: ["/long/".repeat(30)] }, 12_000, 21_000, 1e8, 40))
      assert.ok(displayWidth(line) <= 40, line);
  });
});

describe("the rate", () => {
  it("is that of the last while, and tells the time left once it is settled", () => {
    const rate = new Rate();
    rate.add(0, 0);
    rate.add(1000, 1000);
    assert.equal(rate.bytesPerSecond, 1000);
    assert.equal(rate.remainingMs(5000), null, "one second is too little to tell");
    rate.add(3000, 3000);
    assert.equal(rate.remainingMs(5000), 2000);
    for (let second = 4; second <= 60; second++) rate.add(second * 1000, 3000);
    assert.equal(rate.bytesPerSecond, 0);
    assert.equal(rate.remainingMs(5000), null);
  });
});

describe("the live area", () => {
  it("draws over its own lines and leaves nothing behind", () => {
    let written = "";
    const area = new LiveArea({ columns: 81, write: (text) => (written += text) });
    assert.equal(area.columns, 80);
    area.show(["one", "two"]);
    area.show(["three"]);
    area.clear();
    area.clear();
    assert.equal(written, "one\ntwo\r\u001b[1A\u001b[Jthree\r\u001b[J");
  });
});

describe("JSON lines", () => {
  it("keeps numbers beyond 2^53", () => {
    assert.equal(toJsonLine({ inode: 2n ** 60n, name: "a\nb" }), '{"inode":1152921504606846976,"name":"a\\nb"}');
  });
});

describe("modes", () => {
  it("are written as Go does", () => {
    assert.equal(formatMode(0o644), "-rw-r--r--");
    assert.equal(formatMode(2 ** 31 + 0o755), "drwxr-xr-x");
    assert.equal(formatMode(2 ** 31 + 2 ** 20 + 0o777), "dtrwxrwxrwx");
    assert.equal(formatMode(2 ** 27 + 0o777), "Lrwxrwxrwx");
    assert.equal(formatMode(2 ** 23 + 0o755), "urwxr-xr-x");
    assert.equal(formatMode(2 ** 26 + 2 ** 21 + 0o660), "Dcrw-rw----");
  });
});
