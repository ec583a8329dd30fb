// The rule for the length of runs of pages.
import assert from "node:assert/strict";
import { it } from "node:test";
import { pageRuns } from "./page-runs.ts";

const kib = 1024;
const gib = 2 ** 30;

it("runs of pages are single pages up to 1 GiB of 4 KiB pages, and double from there on", () => {
  assert.deepEqual(pageRuns(512), { kind: "pages", runBytes: 4 * kib, doublesAtBytes: gib });
  assert.deepEqual(pageRuns(4 * kib), { kind: "pages", runBytes: 4 * kib, doublesAtBytes: gib });
  assert.deepEqual(pageRuns(64 * kib), { kind: "pages", runBytes: 64 * kib, doublesAtBytes: 16 * gib });
});
