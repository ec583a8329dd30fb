// The state directory: its place, its owner and its modes.
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { hasCode } from "@holdfast/repository";
import { defaultStateDirectory } from "./default-state-directory.ts";
import { StateDirectory } from "./state-directory.ts";
import { openState, Scratch, uid } from "./state-fixture.ts";

const context = { now: () => new Date(), uid };

test("the default place follows the user and the XDG specification", () => {
  assert.equal(defaultStateDirectory({ HOME: "/root", XDG_STATE_HOME: "/x" }, 0), "/var/lib/holdfast");
  assert.equal(defaultStateDirectory({ HOME: "/home/a", XDG_STATE_HOME: "/x/state" }, 1000), "/x/state/holdfast");
  assert.equal(
    defaultStateDirectory({ HOME: "/home/a", XDG_STATE_HOME: "relative" }, 1000),
    "/home/a/.local/state/holdfast",
  );
  assert.equal(defaultStateDirectory({ HOME: "/home/a" }, 1000), "/home/a/.local/state/holdfast");
  assert.throws(
    () => defaultStateDirectory({}, 1000),
    (error) => hasCode(error, "usage"),
  );
});

test("it is made for its owner alone, and opens again", async () => {
  using scratch = new Scratch();
  const path = join(scratch.path, "a/b/state");
  using state = await StateDirectory.open(path, context);
  state.runs.beginRun({ operation: "backup", stack: "mist", plan: "daily" });
  await state.journal.record({ kind: "test", stack: "mist", details: {} });
  using lock = await state.locks.take("mist", { operation: "backup", waitMs: 0 });
  assert.equal(lock.stack, "mist");
  for (const name of [".", "journal", "locks", "undo"]) {
    assert.equal(statSync(join(path, name)).mode & 0o777, 0o700, name);
  }
  for (const name of ["state.db", "state.db-wal", "state.db-shm", "locks/mist.lock", "locks/mist.holder"]) {
    assert.equal(statSync(join(path, name)).mode & 0o777, 0o600, name);
  }
  using again = await StateDirectory.open(path, context);
  assert.equal(again.runs.listRuns().length, 1);
});

test("one that others can read, or that belongs to another user, is refused and left as it is", async () => {
  using scratch = new Scratch();
  const path = join(scratch.path, "state");
  mkdirSync(path);
  for (const mode of [0o755, 0o750, 0o701]) {
    chmodSync(path, mode);
    await assert.rejects(StateDirectory.open(path, context), (error) => {
      assert.ok(hasCode(error, "permission"));
      assert.match(error.hint, /chmod 700/);
      return true;
    });
    assert.equal(statSync(path).mode & 0o777, mode);
  }
  chmodSync(path, 0o700);
  await assert.rejects(
    StateDirectory.open(path, { ...context, uid: uid + 1 }),
    (error) => hasCode(error, "permission") && /belongs to the user/.test(error.message),
  );
  (await StateDirectory.open(path, context))[Symbol.dispose]();
});

test("a file or a dangling link in its place is refused", async () => {
  using scratch = new Scratch();
  const path = join(scratch.path, "state");
  symlinkSync("/nonexistent/there", path);
  await assert.rejects(StateDirectory.open(path, context), { name: "HoldfastError" });
  const file = join(scratch.path, "file");
  writeFileSync(file, "");
  await assert.rejects(StateDirectory.open(file, context), (error) => hasCode(error, "permission"));
});

test("two open it at once, when it is not there yet", async () => {
  using scratch = new Scratch();
  const opened = await Promise.all([openState(scratch), openState(scratch), openState(scratch)]);
  for (const state of opened) state[Symbol.dispose]();
});
