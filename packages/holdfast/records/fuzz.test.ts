// What another program may have left in a repository as a manifest or a record is refused in words, at once.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fuzz, mutateBytes, mutateJson, type FuzzOptions, type Seeded } from "@holdfast/repository/testing/fuzzing";
import { encodeManifest, parseManifest } from "./manifest.ts";
import { encodeRecord, mergeRecords, parseRecord } from "./stack-record.ts";

const options: FuzzOptions = {
  inputs: process.env["HOLDFAST_LONG"] === "1" ? 1_000_000 : 3000,
  seed: 20261121,
  limitMs: 2000,
  codes: ["damaged", "unsupported"],
};

const time = "2026-11-21T12:00:00Z";
const manifest = {
  later: 1,
  version: "1.0",
  stack: "mist",
  plan: "daily",
  runId: "run",
  host: "host",
  program: "holdfast 0.1.0",
  startedAt: time,
  finishedAt: time,
  outcome: "good",
  consistency: "crash",
  skewMs: 0.5,
  sources: {
    database: {
      kind: "sqlite",
      outcome: "good",
      optional: false,
      critical: true,
      reason: null,
      consistency: "transaction",
      pinnedAt: time,
      warnings: ["w"],
      errors: [],
      errorCount: 0,
      paths: [{ path: "/srv/a", raw: "L3Nydg==" }],
      options: { path: "/srv/a" },
      bytes: 4096,
      witness: { exact: true, facts: { rows: { table: 3 } }, damage: [] },
    },
  },
};
const entry = { id: "1", snapshotId: "ab".repeat(32), at: time, removedAt: null };
const record = {
  later: 1,
  version: "1.0",
  stack: "mist",
  proofs: [{ ...entry, tree: "t", host: "h", result: "passed", rtoMs: 1, rpoMs: null, sources: ["database"] }],
  pins: [{ later: 1, ...entry, by: "me", note: "" }],
  holds: [{ ...entry, by: "me", note: "", until: time, removedAt: time }],
};

function mutated(json: unknown): (random: Seeded) => Buffer {
  const bytes = Buffer.from(JSON.stringify(json));
  return (random) => (random.below(2) === 0 ? mutateBytes(bytes, random) : Buffer.from(mutateJson(json, random)));
}

test(`manifests, ${options.inputs} inputs: what can be read can be written again`, async () => {
  const { parsed, refused } = await fuzz("manifest", options, mutated(manifest), (bytes) => {
    const read = parseManifest(bytes);
    assert.deepEqual(parseManifest(encodeManifest(read)), read);
  });
  assert.ok(parsed > 0 && refused > 0);
});

test(`records, ${options.inputs} inputs: what can be read can be merged, in any order, and written again`, async () => {
  const honest = parseRecord(Buffer.from(JSON.stringify(record)));
  const { parsed, refused } = await fuzz("record", options, mutated(record), (bytes) => {
    const read = parseRecord(bytes);
    const merged = mergeRecords([honest, read]);
    assert.deepEqual(mergeRecords([read, honest]), merged);
    encodeRecord("mist", merged);
  });
  assert.ok(parsed > 0 && refused > 0);
});
