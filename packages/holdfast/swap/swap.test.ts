// Swaps: all or nothing, nothing overwritten, undone on request, and whole again after a crash at any operation.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { hasCode } from "@holdfast/repository";
import { fileOperations } from "../state/file-operations.ts";
import type { FileOperations } from "../state/file-operations.ts";
import { Scratch } from "../state/state-fixture.ts";
import {
  contentOf,
  contextIn,
  inData,
  label,
  makeData,
  newData,
  oldData,
  rawName,
  runCrashing,
  seenByApplication,
  undoneLabel,
} from "./swap-fixture.ts";
import { recover, swap, undo } from "./swap.ts";

test("R334: everything is replaced, companions go aside, and what stood there is kept under names of its own", async () => {
  using scratch = new Scratch();
  const context = contextIn(scratch.path);
  const { moved } = await swap(context, { stack: "mist", replacements: makeData(scratch.path), label });
  assert.deepEqual(seenByApplication(scratch.path), newData);
  const all = contentOf(join(scratch.path, "data"));
  for (const name of ["app.db", "app.db-wal", "app.db-shm", "lost.db-wal"]) {
    assert.equal(all[`${name}.before-${label}`], `old ${name}`);
  }
  assert.equal(all[`sub/uploads.before-${label}/deep/b`], "old sub/uploads/deep/b");
  assert.equal(Object.keys(all).filter((name) => name.includes("restored")).length, 0);
  const missing = moved.find(({ path }) => path.toString().endsWith("missing.conf"));
  assert.equal(missing?.aside, null);
  assert.deepEqual((await context.journal.pending()).intents, []);
});

test("undo brings back what stood there, keeps what was restored, and can be done once for each swap", async () => {
  using scratch = new Scratch();
  const context = contextIn(scratch.path);
  await swap(context, { stack: "mist", replacements: makeData(scratch.path), label });
  // The application has gone on: a new -wal where there was one, and one where there was none.
  for (const name of ["app.db-wal", "lost.db-journal"])
    writeFileSync(join(scratch.path, "data", name), `later ${name}`);
  await assert.rejects(undo(context, "wiki", undoneLabel), (error) => hasCode(error, "not-found"));
  await undo(context, "mist", undoneLabel);
  assert.deepEqual(seenByApplication(scratch.path), oldData);
  const all = contentOf(join(scratch.path, "data"));
  assert.equal(all[`app.db.undone-${undoneLabel}`], "new app.db");
  assert.equal(all[`app.db-wal.undone-${undoneLabel}`], "later app.db-wal");
  assert.equal(all[`lost.db-journal.undone-${undoneLabel}`], "later lost.db-journal");
  assert.equal(all[`sub/missing.conf.undone-${undoneLabel}`], "new sub/missing.conf");
  await assert.rejects(undo(context, "mist", undoneLabel), (error) => hasCode(error, "not-found"));
});

test("B25: two restores of the same second keep what each found, and are undone one after the other", async () => {
  using scratch = new Scratch();
  const context = contextIn(scratch.path);
  const replacements = makeData(scratch.path);
  await swap(context, { stack: "mist", replacements, label });
  const again = replacements.slice(0, 1);
  writeFileSync(again[0]!.copy, "newest app.db");
  await swap(context, { stack: "mist", replacements: again, label });
  const all = contentOf(join(scratch.path, "data"));
  assert.equal(all["app.db"], "newest app.db");
  assert.equal(all[`app.db.before-${label}`], "old app.db");
  assert.equal(all[`app.db.before-${label}-2`], "new app.db");
  await undo(context, "mist", undoneLabel);
  assert.deepEqual(seenByApplication(scratch.path), newData);
  await undo(context, "mist", undoneLabel);
  assert.deepEqual(seenByApplication(scratch.path), oldData);
  assert.equal(contentOf(join(scratch.path, "data"))[`app.db.undone-${undoneLabel}-2`], "new app.db");
});

test("undo is refused, and nothing moved, when what was kept is gone", async () => {
  using scratch = new Scratch();
  const context = contextIn(scratch.path);
  await swap(context, { stack: "mist", replacements: makeData(scratch.path), label });
  rmSync(join(scratch.path, "data", `app.db-wal.before-${label}`));
  const before = contentOf(join(scratch.path, "data"));
  await assert.rejects(undo(context, "mist", undoneLabel), (error) => hasCode(error, "not-found"));
  assert.deepEqual(contentOf(join(scratch.path, "data")), before);
});

test("after a crash at any operation of a swap, recovery gives old or new, all of it, and recovering again nothing", async () => {
  const outcomes = new Set<string>();
  for (let count = 0, ended = false; !ended; count++) {
    using scratch = new Scratch();
    const replacements = makeData(scratch.path);
    ended = await runCrashing(count, (files) =>
      swap(contextIn(scratch.path, files), { stack: "mist", replacements, label }),
    );
    const context = contextIn(scratch.path);
    assert.deepEqual((await recover(context, "wiki")).recovered, []);
    const { recovered, unreadable } = await recover(context, "mist");
    assert.deepEqual(unreadable, []);
    const isNew = seenByApplication(scratch.path)["app.db"] === "new app.db";
    outcomes.add(`${recovered[0]?.outcome ?? "nothing to do"}, ${isNew ? "new" : "old"}`);
    assert.ok(isNew || !ended);
    assert.deepEqual(seenByApplication(scratch.path), isNew ? newData : oldData, `after ${count}`);
    assert.deepEqual((await recover(context, "mist")).recovered, []);
    if (isNew) await undo(context, "mist", undoneLabel);
    else {
      for (const { copy } of replacements) assert.ok(await isThere(copy));
      await assert.rejects(undo(context, "mist", undoneLabel), (error) => hasCode(error, "not-found"));
    }
    assert.deepEqual(seenByApplication(scratch.path), oldData, `undone, after ${count}`);
  }
  assert.deepEqual(
    outcomes,
    new Set(["nothing to do, old", "rolled back, old", "finished, new", "nothing to do, new"]),
  );
});

test("after a crash at any operation of an undo, recovery gives one of the two states, all of it", async () => {
  const outcomes = new Set<string>();
  for (let count = 0, ended = false; !ended; count++) {
    using scratch = new Scratch();
    await swap(contextIn(scratch.path), { stack: "mist", replacements: makeData(scratch.path), label });
    ended = await runCrashing(count, (files) => undo(contextIn(scratch.path, files), "mist", undoneLabel));
    const context = contextIn(scratch.path);
    const { recovered } = await recover(context, "mist");
    const isUndone = seenByApplication(scratch.path)["app.db"] === "old app.db";
    assert.ok(isUndone || !ended);
    outcomes.add(`${recovered[0]?.outcome ?? "nothing to do"}, ${isUndone ? "old" : "new"}`);
    assert.deepEqual(seenByApplication(scratch.path), isUndone ? oldData : newData, `after ${count}`);
    if (isUndone) await assert.rejects(undo(context, "mist", undoneLabel), (error) => hasCode(error, "not-found"));
    else await undo(context, "mist", undoneLabel);
    assert.deepEqual(seenByApplication(scratch.path), oldData);
  }
  assert.deepEqual(
    outcomes,
    new Set(["nothing to do, new", "rolled back, new", "finished, old", "nothing to do, old"]),
  );
});

test("when an operation fails, everything is as before, and the error says what failed", async () => {
  let tried = 0;
  for (let failing = 0; ; failing++) {
    using scratch = new Scratch();
    const replacements = makeData(scratch.path);
    let count = 0;
    let failed = "";
    const broken = (name: string): Promise<never> => {
      failed = name;
      return Promise.reject(Object.assign(new Error(`ENOSPC: ${name}`), { code: "ENOSPC" }));
    };
    const files: FileOperations = {
      ...fileOperations,
      write: (path, content) => (count++ === failing ? broken("write") : fileOperations.write(path, content)),
      replace: (from, to) => (count++ === failing ? broken("replace") : fileOperations.replace(from, to)),
      move: (from, to) => (count++ === failing ? broken("move") : fileOperations.move(from, to)),
    };
    const context = contextIn(scratch.path, files);
    const result = swap(context, { stack: "mist", replacements, label });
    if (
      (await result.then(
        () => failed,
        () => failed,
      )) === ""
    )
      break;
    await assert.rejects(result, (error) => hasCode(error, "no-space"));
    assert.deepEqual(seenByApplication(scratch.path), oldData, `${failed} ${failing}`);
    assert.deepEqual((await context.journal.pending()).intents, []);
    assert.deepEqual(readdirSync(join(scratch.path, "state/undo")), []);
    for (const { copy } of replacements) assert.ok(await isThere(copy));
    tried++;
  }
  assert.ok(tried > 10);
});

test("what the application created meanwhile is never overwritten: recovery says so and can be repeated", async () => {
  using scratch = new Scratch();
  const replacements = makeData(scratch.path).slice(0, 1);
  let moves = 0;
  await new Promise<void>((resolve) => {
    const files: FileOperations = {
      ...fileOperations,
      move: (from, to) => {
        if (moves++ < 3) return fileOperations.move(from, to);
        resolve();
        return new Promise(() => {});
      },
    };
    void swap(contextIn(scratch.path, files), { stack: "mist", replacements, label });
  });
  const path = join(scratch.path, "data/app.db");
  writeFileSync(path, "made by the application");
  const context = contextIn(scratch.path);
  await assert.rejects(recover(context, "mist"), (error) => {
    assert.ok(hasCode(error, "target"));
    assert.match(error.hint, /app\.db\.before-/);
    return true;
  });
  assert.equal(contentOf(join(scratch.path, "data"))["app.db"], "made by the application");
  renameSync(path, `${path}.found`);
  assert.equal((await recover(context, "mist")).recovered[0]?.outcome, "rolled back");
  assert.equal(contentOf(join(scratch.path, "data"))["app.db"], "old app.db");
});

test("a database that was opened again before the swap was noted as done stays the new one", async () => {
  using scratch = new Scratch();
  const replacements = makeData(scratch.path);
  await new Promise<void>((resolve) => {
    const files: FileOperations = {
      ...fileOperations,
      write: (path, content) => {
        if (!String(path).includes("/undo/")) return fileOperations.write(path, content);
        resolve();
        return new Promise(() => {});
      },
    };
    void swap(contextIn(scratch.path, files), { stack: "mist", replacements, label });
  });
  writeFileSync(join(scratch.path, "data/app.db-wal"), "new -wal");
  const context = contextIn(scratch.path);
  assert.equal((await recover(context, "mist")).recovered[0]?.outcome, "finished");
  assert.deepEqual(seenByApplication(scratch.path), { ...newData, "app.db-wal": "new -wal" });
  await undo(context, "mist", undoneLabel);
  assert.deepEqual(seenByApplication(scratch.path), oldData);
});

test("what cannot be replaced is refused before anything is moved", async () => {
  using scratch = new Scratch();
  const context = contextIn(scratch.path);
  const replacements = makeData(scratch.path);
  const data = join(scratch.path, "data");
  const path = (name: string): Buffer => Buffer.from(join(data, name));
  const [database] = replacements;
  const before = contentOf(data);
  const refuses = async (
    bad: (typeof replacements)[number],
    code: "target" | "not-found" | "internal",
    text: RegExp,
  ) => {
    await assert.rejects(swap(context, { stack: "mist", replacements: [database!, bad], label }), (error) => {
      assert.ok(hasCode(error, code), String(error));
      assert.match(error.message, text);
      return true;
    });
    assert.deepEqual(contentOf(data), before);
    assert.deepEqual((await context.journal.pending()).intents, []);
  };
  const plain = { original: path("sub/uploads"), copy: path("sub/uploads.restored"), companions: [] };
  await refuses({ ...plain, copy: path("sub/nothing") }, "not-found", /nothing/);
  await refuses({ ...plain, copy: path("app.db.restored") }, "internal", /not in the directory/);
  await refuses({ ...database!, companions: [] }, "target", /overlap/);
  await refuses(
    { original: path("sub"), copy: path("lost.db.restored"), companions: [path("sub/uploads")] },
    "target",
    /overlap/,
  );
  const long = "n".repeat(250);
  await refuses({ original: path(long), copy: path("lost.db.restored"), companions: [] }, "target", /too long/);
  const state = { original: Buffer.from(join(scratch.path, "state")), copy: Buffer.from(data), companions: [] };
  await assert.rejects(swap(context, { stack: "mist", replacements: [state], label }), /state directory/);
});

test("a mount point, and a folder that holds one, is refused before anything is moved", async () => {
  using scratch = new Scratch();
  const context = contextIn(scratch.path);
  const replacements = makeData(scratch.path);
  const odd = join(scratch.path, "data/sub/a mount\\point");
  mkdirSync(odd);
  mkdirSync(`${odd}.restored`);
  mkdirSync(join(scratch.path, "data/sub.restored"));
  symlinkSync(join(scratch.path, "data"), join(scratch.path, "link"));
  const data = Buffer.from(join(scratch.path, "link"));
  execFileSync("mount", ["-t", "tmpfs", "tmpfs", odd]);
  try {
    const before = contentOf(join(scratch.path, "data"));
    const inLink = (name: string): Buffer => Buffer.concat([data, Buffer.from(`/${name}`)]);
    for (const name of ["sub/a mount\\point", "sub"]) {
      const bad = { original: inLink(name), copy: inLink(`${name}.restored`), companions: [] };
      const all = name === "sub" ? [replacements[0]!, bad] : [...replacements, bad];
      await assert.rejects(swap(context, { stack: "mist", replacements: all, label }), (error) => {
        assert.ok(hasCode(error, "target"), String(error));
        assert.match(error.message, /mount point/);
        return true;
      });
    }
    assert.deepEqual(contentOf(join(scratch.path, "data")), before);
  } finally {
    execFileSync("umount", [odd]);
  }
});

test("a directory that cannot be written, or something that cannot be renamed, leaves everything as it was", async () => {
  using scratch = new Scratch();
  const context = contextIn(scratch.path);
  const replacements = makeData(scratch.path);
  const sub = join(scratch.path, "data/sub");
  execFileSync("mount", ["--bind", sub, sub]);
  try {
    execFileSync("mount", ["-o", "remount,ro,bind", sub]);
    await assert.rejects(swap(context, { stack: "mist", replacements, label }), (error) =>
      hasCode(error, "permission"),
    );
  } finally {
    execFileSync("umount", [sub]);
  }
  assert.deepEqual(seenByApplication(scratch.path), oldData);
  const stubborn = contextIn(scratch.path, {
    ...fileOperations,
    move: (from, to) =>
      String(from).endsWith("sub/uploads")
        ? Promise.reject(Object.assign(new Error("EBUSY: resource busy"), { code: "EBUSY" }))
        : fileOperations.move(from, to),
  });
  await assert.rejects(
    swap(stubborn, { stack: "mist", replacements, label }),
    (error) => hasCode(error, "target") && /rename .*sub\/uploads to/.test(error.message),
  );
  assert.deepEqual(seenByApplication(scratch.path), oldData);
});

test("a plan in the journal that makes no sense is damage, and stays", async () => {
  using scratch = new Scratch();
  const context = contextIn(scratch.path);
  await context.journal.record({ kind: "swap", stack: "mist", details: { recordId: "../x", purpose: "replace" } });
  await assert.rejects(recover(context, "mist"), (error) => hasCode(error, "damaged"));
  assert.equal((await context.journal.pending()).intents.length, 1);
});

async function isThere(path: Buffer): Promise<boolean> {
  return fileOperations.sync(path).then(
    () => true,
    () => false,
  );
}

test("the data of the tests has what it says", () => {
  using scratch = new Scratch();
  makeData(scratch.path);
  assert.deepEqual(seenByApplication(scratch.path), oldData);
  assert.ok(inData(scratch.path, rawName).includes(0xff));
});
