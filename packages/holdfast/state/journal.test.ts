// The journal: on the disk before it is believed, reported when it cannot be read, never lost.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { test } from "node:test";
import { hasCode } from "@holdfast/repository";
import type { FileOperations } from "./file-operations.ts";
import { fileOperations } from "./file-operations.ts";
import { Journal } from "./journal.ts";
import { OtherProcess, Scratch } from "./state-fixture.ts";

function clock(): () => Date {
  let ms = Date.UTC(2026, 10, 21);
  return () => new Date((ms += 1000));
}

function journalIn(scratch: Scratch, files: FileOperations = fileOperations): { journal: Journal; path: string } {
  const path = join(scratch.path, "journal");
  mkdirSync(path, { recursive: true });
  return { journal: new Journal(path, { now: clock(), files }), path };
}

test("an intent is pending until it is done, in the order of recording", async () => {
  using scratch = new Scratch();
  const { journal, path } = journalIn(scratch);
  const first = await journal.record({ kind: "swap", stack: "mist", details: { a: [1, "ü"] } });
  const second = await journal.record({ kind: "stop", stack: "wiki", details: null });
  const found = await journalIn(scratch).journal.pending();
  assert.deepEqual(
    found.intents.map(({ id, kind, stack, details, isOwnerRunning }) => ({ id, kind, stack, details, isOwnerRunning })),
    [
      { id: first.id, kind: "swap", stack: "mist", details: { a: [1, "ü"] }, isOwnerRunning: true },
      { id: second.id, kind: "stop", stack: "wiki", details: null, isOwnerRunning: true },
    ],
  );
  assert.equal(found.intents[0]?.recordedAt.toISOString(), "2026-11-21T00:00:01.000Z");
  for (const name of readdirSync(path)) assert.equal(statSync(join(path, name)).mode & 0o777, 0o600);
  await found.intents[0]?.done();
  await first.done();
  assert.deepEqual(
    (await journal.pending()).intents.map(({ id }) => id),
    [second.id],
  );
});

test("record returns after content, name and directory are on the disk, and done after the directory is", async () => {
  using scratch = new Scratch();
  const calls: string[] = [];
  const spied: FileOperations = {
    write: (path, bytes) => (calls.push("write"), fileOperations.write(path, bytes)),
    replace: (from, to) => (calls.push("replace"), fileOperations.replace(from, to)),
    move: (from, to) => fileOperations.move(from, to),
    remove: (path) => (calls.push("remove"), fileOperations.remove(path)),
    sync: (path) => (calls.push(`sync ${basename(String(path))}`), fileOperations.sync(path)),
  };
  const { journal } = journalIn(scratch, spied);
  const handle = await journal.record({ kind: "swap", stack: "mist", details: {} });
  assert.deepEqual(calls, ["write", "replace", "sync journal"]);
  calls.length = 0;
  await handle.done();
  assert.deepEqual(calls, ["remove", "sync journal"]);
});

test("torn, unknown and newer files are reported by name, and stay", async () => {
  using scratch = new Scratch();
  const { journal, path } = journalIn(scratch);
  const kept = await journal.record({ kind: "swap", stack: "mist", details: {} });
  const whole = readFileSync(join(path, `${kept.id}.json`), "utf8");
  const bad: readonly (readonly [name: string, text: string, code: "damaged" | "unsupported"])[] = [
    ["torn.json", whole.slice(0, whole.length / 2), "damaged"],
    ["empty.json", "", "damaged"],
    ["other.json", '{"version":1,"content":{"kind":"swap"}}', "damaged"],
    ["older.json", whole.replace('"version": 1', '"version": 0'), "damaged"],
    ["newer.json", '{"version":2,"content":{}}', "unsupported"],
    ["notes.txt", "hello", "damaged"],
    ["null.json", "null", "damaged"],
  ];
  for (const [name, text] of bad) writeFileSync(join(path, name), text);
  mkdirSync(join(path, "directory.json"));
  const { intents, unreadable } = await journal.pending();
  assert.deepEqual(
    intents.map(({ id }) => id),
    [kept.id],
  );
  const found = new Map(unreadable.map((each) => [basename(each.path), each.error]));
  assert.deepEqual([...found.keys()].sort(), ["directory.json", ...bad.map(([name]) => name)].sort());
  for (const [name, , code] of bad) {
    assert.ok(hasCode(found.get(name), code), name);
    assert.match(found.get(name)!.message, new RegExp(name));
    assert.ok(existsSync(join(path, name)));
  }
});

test("what a killed process was still writing is no intent, and goes; what it recorded is pending", async () => {
  using scratch = new Scratch();
  const { journal, path } = journalIn(scratch);
  await using other = new OtherProcess(`
    import { Journal } from "./journal.ts";
    import { fileOperations } from "./file-operations.ts";
    const now = () => new Date();
    const stuck = { ...fileOperations, replace: () => { console.log("stuck"); return new Promise(() => {}); } };
    await new Journal(${JSON.stringify(path)}, { now, files: fileOperations }).record({ kind: "k", stack: "s", details: 1 });
    setInterval(() => {}, 1000);
    await new Journal(${JSON.stringify(path)}, { now, files: stuck }).record({ kind: "k", stack: "s", details: 2 });
  `);
  await other.said("stuck");
  const during = await journal.pending();
  assert.deepEqual(
    during.intents.map(({ details, isOwnerRunning }) => [details, isOwnerRunning]),
    [[1, true]],
  );
  assert.equal(readdirSync(path).length, 2);
  await other.kill();
  const after = await journal.pending();
  assert.deepEqual(
    after.intents.map(({ details, isOwnerRunning }) => [details, isOwnerRunning]),
    [[1, false]],
  );
  assert.deepEqual(after.unreadable, []);
  assert.equal(readdirSync(path).length, 1);
});

test("a full disk is said, and leaves nothing behind", async () => {
  using scratch = new Scratch();
  const full = Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });
  const { journal, path } = journalIn(scratch, { ...fileOperations, write: () => Promise.reject(full) });
  await assert.rejects(journal.record({ kind: "k", stack: "s", details: {} }), (error) => hasCode(error, "no-space"));
  const unreplaced = journalIn(scratch, { ...fileOperations, replace: () => Promise.reject(full) }).journal;
  await assert.rejects(unreplaced.record({ kind: "k", stack: "s", details: {} }), (error) =>
    hasCode(error, "no-space"),
  );
  assert.deepEqual(readdirSync(path), []);
});
