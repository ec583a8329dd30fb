// What a host remembers of packs and recovery points: round trips, by repository, and after an update.
import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { openState, Scratch } from "./state-fixture.ts";

const one = "a1".repeat(32);
const two = "b2".repeat(32);

test("what was read back is known again, of each repository alone, and replaced as a whole", async () => {
  using scratch = new Scratch();
  const memories = new Map([
    [one, { verifiedMs: 1_800_000_000_000, waiting: 0, isDamaged: false }],
    [two, { verifiedMs: null, waiting: 3, isDamaged: true }],
  ]);
  {
    using state = await openState(scratch);
    assert.deepEqual(state.verifiedPacks.load("r"), new Map());
    state.verifiedPacks.replace("r", memories);
    state.verifiedPacks.replace("s", new Map([...memories].slice(1)));
  }
  using state = await openState(scratch);
  assert.deepEqual(state.verifiedPacks.load("r"), memories);
  assert.equal(state.verifiedPacks.load("s").size, 1);
  state.verifiedPacks.replace("r", new Map());
  assert.deepEqual(state.verifiedPacks.load("r"), new Map());
  // A replacement that fails leaves everything as it was.
  const broken = new Map([...memories, ["cc".repeat(32), { verifiedMs: 0.5, waiting: 0, isDamaged: false }] as const]);
  assert.throws(() => state.verifiedPacks.replace("s", broken));
  assert.equal(state.verifiedPacks.load("s").size, 1);
});

test("recovery points are known by their repository or its name, until they are forgotten on purpose", async () => {
  using scratch = new Scratch();
  using state = await openState(scratch);
  const local = { id: "id-1", name: "local" };
  const point = { stack: "mist", snapshotId: one, origin: one, time: new Date(1000) };
  state.knownPoints.note(local, [point, { ...point, snapshotId: two, origin: two, time: new Date(500) }]);
  const ids = (id: string, name: string): string[] =>
    state.knownPoints.list({ id, name }).map((each) => each.snapshotId);
  assert.deepEqual(ids("id-1", "local"), [two, one]);
  assert.deepEqual(ids("id-1", "renamed"), [two, one]);
  assert.deepEqual(ids("id-2", "local"), [two, one], "another repository in its place");
  assert.deepEqual(ids("id-2", "other"), []);
  // The same point in a snapshot of another id, as after `tag`.
  state.knownPoints.note(local, [{ ...point, snapshotId: "cc".repeat(32) }]);
  assert.deepEqual(ids("id-1", "local"), [two, "cc".repeat(32)]);
  state.knownPoints.forget(local, ["cc".repeat(32)]);
  assert.deepEqual(ids("id-1", "local"), [two]);
});

test("a state directory of the first version keeps its runs and learns the rest", async () => {
  using scratch = new Scratch();
  const path = join(scratch.path, "state", "state.db");
  {
    using state = await openState(scratch);
    state.runs.beginRun({ operation: "check", stack: "mist", plan: null });
  }
  {
    using database = new DatabaseSync(path);
    database.exec("DROP TABLE verified_packs; DROP TABLE known_points; PRAGMA user_version = 1");
  }
  using state = await openState(scratch);
  assert.equal(state.runs.listRuns().length, 1);
  const memories = new Map([[one, { verifiedMs: 1, waiting: 2, isDamaged: false }]]);
  state.verifiedPacks.replace("r", memories);
  assert.deepEqual(state.verifiedPacks.load("r"), memories);
});
