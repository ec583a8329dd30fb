// The manifest: round trips, unknown members, higher versions, malformed ones, names and raw paths.
import assert from "node:assert/strict";
import { test } from "node:test";
import { hasCode } from "@holdfast/repository";
import fc from "fast-check";
import type { Manifest, ManifestSource } from "./manifest.ts";
import { encodeManifest, manifestVersion, parseManifest } from "./manifest.ts";
import { isSourceName, isStackName } from "./names.ts";
import { decodeRawPath, encodeRawPath } from "./raw-path.ts";

const source: ManifestSource = {
  kind: "sqlite",
  outcome: "good",
  optional: false,
  critical: true,
  reason: null,
  consistency: "transaction",
  pinnedAt: "2026-11-21T12:00:00.123456789Z",
  warnings: [],
  errors: [],
  errorCount: 0,
  paths: [encodeRawPath(Buffer.from("/var/lib/mist/mist.db"))],
  options: { path: "/var/lib/mist/mist.db" },
  bytes: 4096,
  witness: { exact: true, facts: { tables: { a: 1 } }, damage: [] },
};
const manifest: Manifest = {
  version: manifestVersion,
  stack: "mist",
  plan: "daily",
  runId: "run",
  host: "host",
  program: "holdfast 0.1.0",
  startedAt: "2026-11-21T12:00:00Z",
  finishedAt: "2026-11-21T12:00:05.5+01:00",
  outcome: "partial",
  consistency: "transaction",
  skewMs: null,
  sources: {
    database: source,
    "up-loads": {
      ...source,
      outcome: "skipped",
      consistency: null,
      pinnedAt: null,
      witness: null,
      paths: [],
      reason: "absent",
    },
  },
};

/** The encoded manifest with `change` made to its JSON. */
function changed(change: (json: Record<string, unknown>) => void): Buffer {
  const json = JSON.parse(encodeManifest(manifest).toString()) as Record<string, unknown>;
  change(json);
  return Buffer.from(JSON.stringify(json));
}

test("R041, R058: a manifest comes back as it was written, version first", () => {
  const bytes = encodeManifest(manifest);
  assert.match(bytes.toString(), /^\{\n {2}"version": "1\.0",/);
  assert.deepEqual(parseManifest(bytes), manifest);
});

test("members of a later minor version are accepted and kept", () => {
  const bytes = changed((json) => {
    json["version"] = "1.7";
    json["future"] = { a: 1 };
    (json["sources"] as Record<string, Record<string, unknown>>)["database"]!["future"] = [2];
  });
  const read = parseManifest(bytes);
  assert.deepEqual(read["future"], { a: 1 });
  assert.deepEqual(read.sources["database"]!["future"], [2]);
});

test("a higher major version is unsupported, however it looks otherwise", () => {
  for (const text of ['{"version":"2.0"}', '{"version":"10.3","stack":7}']) {
    assert.throws(
      () => parseManifest(Buffer.from(text)),
      (error) => hasCode(error, "unsupported"),
    );
  }
});

test("malformed manifests are damaged, and what is malformed is not written", () => {
  const bad: Buffer[] = [
    Buffer.from(""),
    Buffer.from("{"),
    Buffer.from("null"),
    Buffer.from("[]"),
    Buffer.from([0x7b, 0xff, 0x7d]),
    changed((json) => delete json["version"]),
    changed((json) => void (json["version"] = 1)),
    changed((json) => void (json["version"] = "1")),
    changed((json) => void (json["outcome"] = "failed")),
    changed((json) => void (json["sources"] = { database: { ...source, bytes: "many" } })),
    changed((json) => void (json["consistency"] = "perfect")),
    changed((json) => void (json["startedAt"] = "yesterday")),
    changed((json) => void (json["skewMs"] = -1)),
    changed((json) => void (json["sources"] = { "Data base": source })),
    changed((json) => void (json["sources"] = { "holdfast-x": source })),
    changed((json) => void (json["sources"] = { database: { ...source, paths: [{ path: "/x", raw: "*" }] } })),
    changed((json) => void (json["sources"] = { database: { ...source, bytes: undefined } })),
  ];
  for (const bytes of bad) {
    assert.throws(
      () => parseManifest(bytes),
      (error) => hasCode(error, "damaged") && /holdfast\.json/.test(error.message),
      bytes.toString(),
    );
  }
  assert.throws(() => encodeManifest({ ...manifest, sources: { "..": source } }));
});

test("every cut or changed byte string is read or refused, and never crashes in another way", () => {
  const whole = encodeManifest(manifest);
  fc.assert(
    fc.property(fc.nat(whole.length - 1), fc.integer({ min: 0, max: 255 }), fc.boolean(), (at, byte, cut) => {
      const bytes = Buffer.from(whole);
      bytes[at] = byte;
      try {
        parseManifest(cut ? bytes.subarray(0, at) : bytes);
      } catch (error) {
        assert.ok(hasCode(error, "damaged") || hasCode(error, "unsupported"));
      }
    }),
  );
});

test("names are lower case letters, digits and hyphens; holdfast is reserved for sources", () => {
  for (const name of ["a", "my-db", "0x", "mist-2"]) assert.ok(isSourceName(name) && isStackName(name), name);
  for (const name of ["", "-a", "A", "a/b", "a.b", "ü", "a b", "a\n", "x".repeat(101)])
    assert.ok(!isStackName(name), name);
  for (const name of ["holdfast", "holdfast-x", "holdfastly"])
    assert.ok(!isSourceName(name) && isStackName(name), name);
});

test("raw paths come back byte by byte, and are text alone when they are UTF-8", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const path = Buffer.from(bytes);
      const json = JSON.parse(JSON.stringify(encodeRawPath(path))) as { path: string; raw?: string };
      assert.deepEqual(decodeRawPath(json), path);
    }),
  );
  assert.deepEqual(encodeRawPath(Buffer.from("/ü")), { path: "/ü" });
  assert.deepEqual(Object.keys(encodeRawPath(Buffer.from([0x2f, 0xff]))), ["path", "raw"]);
});
