// What the tests of swaps share: a small application's data with restored copies beside it, and operations that crash.
import { lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileOperations } from "../state/file-operations.ts";
import type { FileOperations } from "../state/file-operations.ts";
import { Journal } from "../state/journal.ts";
import type { Replacement } from "./prepare-swap.ts";
import type { SwapContext } from "./swap.ts";
import { UndoRecords } from "./undo-records.ts";

export const label = "20261121T120000Z";
/** Not UTF-8. */
export const rawName = Buffer.from([0x6f, 0xff, 0x0a, 0x22]);

const raw = rawName.toString("latin1");
/** What the application sees when all is replaced, and before. */
export const newData = {
  "app.db": "new app.db",
  "sub/uploads/c": "new c",
  "sub/missing.conf": "new sub/missing.conf",
  "lost.db": "new lost.db",
  [raw]: "new raw",
};
export const oldData = {
  "app.db": "old app.db",
  "app.db-wal": "old app.db-wal",
  "app.db-shm": "old app.db-shm",
  "lost.db-wal": "old lost.db-wal",
  "sub/uploads/a": "old sub/uploads/a",
  "sub/uploads/deep/b": "old sub/uploads/deep/b",
  [raw]: "old raw",
};
export const undoneLabel = "20261121T130000Z";

export function contextIn(root: string, files: FileOperations = fileOperations): SwapContext {
  for (const name of ["journal", "undo"]) mkdirSync(join(root, "state", name), { recursive: true });
  let ms = Date.UTC(2026, 10, 21, 12);
  const now = (): Date => new Date((ms += 1000));
  const journal = new Journal(join(root, "state/journal"), { now, files });
  return { journal, undoRecords: new UndoRecords(join(root, "state/undo"), files), files, now };
}

const bytes = (root: string, name: string): Buffer => Buffer.from(join(root, "data", name));
export const inData = (root: string, name: Buffer): Buffer => Buffer.concat([bytes(root, "/"), name]);

/**
 * A database with `-wal` and `-shm`, a folder, a file that is missing, a database that is missing and has left a
 * stale `-wal`, and a file with a name that is not UTF-8; each with its restored copy `NAME.restored`.
 */
export function makeData(root: string): Replacement[] {
  const data = join(root, "data");
  mkdirSync(join(data, "sub/uploads/deep"), { recursive: true });
  mkdirSync(join(data, "sub/uploads.restored"));
  for (const name of ["app.db", "app.db-wal", "app.db-shm", "lost.db-wal", "sub/uploads/a", "sub/uploads/deep/b"]) {
    writeFileSync(join(data, name), `old ${name}`);
  }
  for (const name of ["app.db", "sub/missing.conf", "lost.db"])
    writeFileSync(join(data, `${name}.restored`), `new ${name}`);
  writeFileSync(join(data, "sub/uploads.restored/c"), "new c");
  const raw = inData(root, rawName);
  const rawCopy = Buffer.concat([raw, Buffer.from(".restored")]);
  writeFileSync(raw, "old raw");
  writeFileSync(rawCopy, "new raw");
  const replacement = (name: string, companions: readonly string[]): Replacement => ({
    original: bytes(root, name),
    copy: bytes(root, `${name}.restored`),
    companions: companions.map((ending) => bytes(root, name + ending)),
  });
  const ofSqlite = ["-wal", "-shm", "-journal"];
  return [
    replacement("app.db", ofSqlite),
    replacement("sub/uploads", []),
    replacement("sub/missing.conf", []),
    replacement("lost.db", ofSqlite),
    { original: raw, copy: rawCopy, companions: [] },
  ];
}

/** Every file of the tree with its content, names as byte strings. */
export function contentOf(directory: string): Record<string, string> {
  const found: Record<string, string> = {};
  const visit = (path: Buffer, shown: string): void => {
    for (const name of readdirSync(path, { encoding: "buffer" })) {
      const below = Buffer.concat([path, Buffer.from("/"), name]);
      const showBelow = `${shown}${name.toString("latin1")}`;
      if (lstatSync(below).isDirectory()) visit(below, `${showBelow}/`);
      else found[showBelow] = readFileSync(below, "utf8");
    }
  };
  visit(Buffer.from(directory), "");
  return found;
}

/** What the application sees: all but what swaps have put aside and the copies. */
export function seenByApplication(root: string): Record<string, string> {
  const all = Object.entries(contentOf(join(root, "data")));
  return Object.fromEntries(all.filter(([name]) => !/\.(before|undone)-|\.restored/.test(name)));
}

/** Does so many operations, then calls `crash`, which never comes back; a write that is cut off has written a half. */
export function crashingAfter(
  count: number,
  crash: () => Promise<never>,
): { files: FileOperations; done: () => number } {
  let done = 0;
  const step = async (work: () => Promise<void>, half?: () => Promise<void>): Promise<void> => {
    if (done === count) {
      await half?.();
      await crash();
    }
    await work();
    done++;
  };
  const files: FileOperations = {
    write: (path, content) =>
      step(
        () => fileOperations.write(path, content),
        () => fileOperations.write(path, content.subarray(0, content.length / 2)),
      ),
    replace: (from, to) => step(() => fileOperations.replace(from, to)),
    move: (from, to) => step(() => fileOperations.move(from, to)),
    remove: (path) => step(() => fileOperations.remove(path)),
    sync: (path) => step(() => fileOperations.sync(path)),
  };
  return { files, done: () => done };
}

/** Ends `work` when it ends, or crashes it, so that nothing of it runs on, after so many operations. True: it ended. */
export async function runCrashing(count: number, work: (files: FileOperations) => Promise<unknown>): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const { files } = crashingAfter(count, () => {
      resolve(false);
      return new Promise(() => {});
    });
    work(files).then(() => resolve(true), reject);
  });
}
