// Streams in place of files, compared byte by byte with restic's, both ways; commands that fail leave no snapshot.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { expectStatus } from "./support/programs.ts";
import { noise, prose } from "./support/sample-tree.ts";
import { countsOf, Workplace } from "./support/workplace.ts";

describe("streams", () => {
  const place = new Workplace("streams");
  const mixed = Buffer.concat([noise("stream", 5_000_000), Buffer.alloc(2_000_000), prose("stream", 4_000_000)]);
  const inputs = {
    mixed,
    empty: Buffer.alloc(0),
    "one byte": Buffer.from([0]),
    "without end of line": Buffer.from("x\ny"),
  };
  before(() => place.init());
  after(() => place[Symbol.dispose]());

  for (const [name, input] of Object.entries(inputs)) {
    it(`stores standard input byte for byte: ${name}`, () => {
      const words = ["backup", "--json", "--stdin", "--stdin-filename", `${name}.sql`];
      const ours = countsOf(expectStatus(place.holdfast(words, { input }), 0));
      assert.equal(ours.bytesProcessed, input.length);
      const ids = [ours.snapshotId];
      if (input.length > 0) {
        // restic takes an empty input for a failure, and cuts all others as we do.
        const theirs = countsOf(expectStatus(place.restic(words, { input }), 0));
        assert.deepEqual([theirs.dataBlobs, theirs.bytesProcessed], [0, input.length]);
        ids.push(theirs.snapshotId);
      }
      for (const id of ids) {
        const path = `/${name}.sql`;
        assert.ok(place.done("dump", id, path).stdout.equals(input), `Holdfast gives ${id} back`);
        assert.ok(place.resticDone("dump", id, path).stdout.equals(input), `restic gives ${id} back`);
      }
    });
  }

  it("reads a stream that restic stored without storing it again", () => {
    const input = prose("restic first", 3_000_000);
    expectStatus(place.restic(["backup", "--stdin"], { input }), 0);
    const ours = countsOf(expectStatus(place.holdfast(["backup", "--json", "--stdin"], { input }), 0));
    assert.equal(ours.dataBlobs, 0);
    assert.ok(place.done("dump", "latest", "/stdin").stdout.equals(input));
  });

  it("stores what a command prints", () => {
    const words = ["--stdin-from-command", "--stdin-filename", "numbers.txt", "--", "seq", "1", "300000"];
    const { snapshotId } = place.backup(...words);
    const lines = place.done("dump", snapshotId, "/numbers.txt").stdout.toString().split("\n");
    assert.deepEqual([lines.length, lines[0], lines[299_999], lines[300_000]], [300_001, "1", "300000", ""]);
  });

  const failures = {
    "ends with an exit code": ["sh", "-c", "seq 1 200000; exit 7"],
    "prints nothing and fails": ["false"],
    "is killed": ["sh", "-c", "echo half; kill -9 $$"],
    "does not exist": ["/no/such/program"],
  };
  for (const [name, command] of Object.entries(failures)) {
    it(`makes no snapshot when the command ${name}`, () => {
      const snapshots = place.snapshots();
      const outcome = expectStatus(place.holdfast(["backup", "--stdin-from-command", "--", ...command]), 1);
      assert.match(outcome.stderr, /command/);
      assert.ok(outcome.stderr.includes(command[0] ?? ""), "the command is named");
      assert.deepEqual(place.snapshots(), snapshots);
      assert.equal(place.storeFiles("locks").length, 0);
    });
  }

  it("leaves a sound repository behind all of it", () => {
    assert.notEqual(place.check("--read-data").verdict, "damaged");
    place.resticChecks();
  });
});
