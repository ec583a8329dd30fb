// Locks of stacks: one holder at a time, in one process and between processes, and none when a process is killed.
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { hasCode } from "@holdfast/repository";
import { StackLocks } from "./stack-locks.ts";
import { OtherProcess, Scratch } from "./state-fixture.ts";

const now = () => new Date("2026-11-21T12:00:00Z");

function locksIn(scratch: Scratch): StackLocks {
  const path = join(scratch.path, "locks");
  mkdirSync(path, { recursive: true });
  return new StackLocks(path, { now });
}

const holding = (scratch: Scratch, then: string): string => `
  import { StackLocks } from "./stack-locks.ts";
  const locks = new StackLocks(${JSON.stringify(join(scratch.path, "locks"))}, { now: () => new Date() });
  const lock = await locks.take("mist", { operation: "drill", waitMs: 0 });
  console.log("held");
  ${then}
`;

const refusedCode =
  'const lock = await locks.take("mist", { operation: "x", waitMs: 0 }).catch((error) => "refused: " + (error.code === "locked")); console.log(lock);';

test("R061: two locks of one process exclude each other, stacks do not, and a released one can be taken", async () => {
  using scratch = new Scratch();
  const locks = locksIn(scratch);
  {
    using first = await locks.take("mist", { operation: "backup", waitMs: 0 });
    assert.equal(first.stack, "mist");
    for (let attempt = 0; attempt < 3; attempt++) {
      await assert.rejects(locks.take("mist", { operation: "restore", waitMs: 0 }), (error) => {
        assert.ok(hasCode(error, "locked"));
        assert.match(
          error.message,
          new RegExp(`mist is locked by process ${process.pid} \\(backup\\) since 2026-11-21T12`),
        );
        return true;
      });
      // Others directories, other connections: the same file.
      await assert.rejects(locksIn(scratch).take("mist", { operation: "x", waitMs: 0 }), (error) =>
        hasCode(error, "locked"),
      );
    }
    // The refused attempts have opened and closed the file: the kernel must still know the lock.
    await using stranger = new OtherProcess(holding(scratch, "").replace(/^.*take.*$/m, refusedCode));
    await stranger.said("refused: true");
    using other = await locks.take("wiki", { operation: "backup", waitMs: 0 });
    assert.equal(other.stack, "wiki");
  }
  using second = await locks.take("mist", { operation: "restore", waitMs: 0 });
  second[Symbol.dispose]();
  second[Symbol.dispose]();
  using third = await locks.take("mist", { operation: "restore", waitMs: 0 });
  // Disposing twice must not give away what another holds now.
  second[Symbol.dispose]();
  assert.equal(third.stack, "mist");
  await assert.rejects(locks.take("mist", { operation: "x", waitMs: 0 }), (error) => hasCode(error, "locked"));
});

test("a lock of another process is refused with who holds it, and is gone when that is killed", async () => {
  using scratch = new Scratch();
  const locks = locksIn(scratch);
  await using other = new OtherProcess(holding(scratch, "setInterval(() => lock, 1000);"));
  await other.said("held");
  await assert.rejects(locks.take("mist", { operation: "backup", waitMs: 0 }), (error) => {
    assert.ok(hasCode(error, "locked"));
    assert.match(error.message, new RegExp(`process ${other.child.pid} \\(drill\\)`));
    assert.equal(error.context["pid"], other.child.pid);
    return true;
  });
  await other.kill();
  using lock = await locks.take("mist", { operation: "backup", waitMs: 0 });
  assert.equal(lock.stack, "mist");
});

test("whoever waits gets the lock when it is released, or is refused when the time is over", async () => {
  using scratch = new Scratch();
  const locks = locksIn(scratch);
  await using other = new OtherProcess(
    holding(scratch, `process.stdin.once("data", () => { lock[Symbol.dispose](); console.log("released"); });`),
  );
  await other.said("held");
  await assert.rejects(locks.take("mist", { operation: "backup", waitMs: 60 }), (error) => hasCode(error, "locked"));
  const waiting = locks.take("mist", { operation: "backup", waitMs: 30_000 });
  other.tell("release");
  using lock = await waiting;
  assert.equal(lock.stack, "mist");
  await other.said("released");
});

test("a signal ends the waiting", async () => {
  using scratch = new Scratch();
  const locks = locksIn(scratch);
  using held = await locks.take("mist", { operation: "backup", waitMs: 0 });
  const controller = new AbortController();
  const waiting = locks.take("mist", { operation: "drill", waitMs: 30_000, signal: controller.signal });
  setTimeout(() => controller.abort(), 30);
  await assert.rejects(waiting, (error) => hasCode(error, "interrupted"));
  assert.equal(held.stack, "mist");
});

test("a holder that cannot be believed is not named: another run has just taken the lock", async () => {
  using scratch = new Scratch();
  const locks = locksIn(scratch);
  using held = await locks.take("mist", { operation: "backup", waitMs: 0 });
  const gone = { owner: { pid: 1, startTicks: 1, bootId: "x" }, operation: "drill", since: "2020" };
  for (const text of ["", "{", JSON.stringify(gone)]) {
    writeFileSync(join(scratch.path, "locks", "mist.holder"), text);
    await assert.rejects(
      locks.take("mist", { operation: "x", waitMs: 0 }),
      (error) => hasCode(error, "locked") && /by another run/.test(error.message),
    );
  }
  assert.equal(held.stack, "mist");
});

test("names that are no names of stacks do not reach the file system", async () => {
  using scratch = new Scratch();
  const locks = locksIn(scratch);
  for (const name of ["", "../x", "a/b", "A", "-x"]) {
    await assert.rejects(locks.take(name, { operation: "x", waitMs: 0 }), (error) => hasCode(error, "usage"));
  }
});
