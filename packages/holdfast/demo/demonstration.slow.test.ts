// The demo notices what is wrong after a recovery, keeps its hands off the originals, and cleans up.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync } from "node:fs";
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { DatabaseSync } from "node:sqlite";
import { after, before, describe, it } from "node:test";
import { hasCode } from "@holdfast/repository";
import { Output } from "../command-line/output.ts";
import { wholeSource } from "./choose-entries.ts";
import type { DemoReport } from "./demo-report.ts";
import { demonstrate } from "./demonstration.ts";
import { rawPath } from "../filesystem/raw-path.ts";
import { Workplace } from "./workplace.ts";

const base = mkdtempSync(join(tmpdir(), "holdfast-demonstration-"));
const source = join(base, "source");
before(() => {
  mkdirSync(join(source, "folder"), { recursive: true });
  for (let number = 0; number < 60; number++)
    writeFileSync(join(source, "folder", `file ${number}`), `content ${number}\n`.repeat(number * 50));
});
after(() => rmSync(base, { recursive: true }));

interface Run {
  readonly report: DemoReport;
  readonly told: string;
}

/** `recovered` gets the name of each recovery, and the folder of the application. */
async function run(
  recovered: (name: string, folder: string) => void,
  signal = new AbortController().signal,
): Promise<Run> {
  const stdout = new PassThrough();
  const stream = stdout as unknown as NodeJS.WriteStream;
  const output = new Output({ stdout: stream, stderr: stream }, { json: false, verbosity: 1, environment: {} });
  await using place = Workplace.create(undefined, { TMPDIR: base });
  const report = await demonstrate({
    place,
    sources: [wholeSource(rawPath(source))],
    output,
    clock: () => performance.now(),
    signal,
    environment: { PATH: "" },
    recovered: (name) => recovered(name, join(place.directory, "app")),
  });
  output.flush();
  return { report, told: String(stdout.read()) };
}

const names = [
  "rows deleted",
  "page overwritten",
  "files removed",
  "everything removed",
  "wrong one restored",
  "taken back by undo",
];

describe("the demonstration", () => {
  it("finds everything as it was where nothing was broken, and says that there is no restic", async () => {
    const seen: string[] = [];
    const { report, told } = await run((name) => seen.push(name));
    assert.deepEqual(seen, names);
    assert.equal(report.problems, 0);
    assert.equal(report.resticVersion, null);
    assert.match(told, /restic is not installed/);
    const [first, second] = report.backups;
    assert.ok(first && second);
    assert.ok(second.bytesAdded < first.bytesAdded / 2, "the second backup has little that is new");
    assert.ok(first.transactions > 0 && second.transactions > 0 && second.longestMs > 0);
    for (const { files, filesEqual } of report.recoveries) assert.ok(files > 60 && filesEqual === files);
    const rows = report.recoveries.map(({ rows }) => rows);
    const [newest = 0, , , , oldest = 0] = rows;
    assert.deepEqual(rows, [newest, newest, newest, newest, oldest, newest]);
    assert.ok(oldest > 60_000 && newest > oldest);
    assert.ok(report.proof.rtoMs > 0 && report.proof.rpoMs > report.proof.rtoMs);
  });

  it("finds what is wrong after a recovery, and nothing else", async () => {
    const { report, told } = await run((name, folder) => {
      if (name === "rows deleted") alter(folder, "UPDATE account SET balance = balance + 1 WHERE id = 500");
      if (name === "files removed") alterByte(join(folder, "uploads", source, "folder", "file 59"));
      if (name === "wrong one restored") alter(folder, "UPDATE transfer SET amount = amount + 1 WHERE id = 30000");
      if (name === "taken back by undo") rmSync(join(folder, "certificates", "acme.json"));
    });
    const broken = report.recoveries.filter(({ problems }) => problems > 0).map(({ name }) => name);
    assert.deepEqual(broken, ["rows deleted", "files removed", "wrong one restored", "taken back by undo"]);
    assert.ok(report.problems >= 4);
    assert.match(told, /1 balances are not what the transfers come to/);
    assert.match(told, /file 59: content was/);
    assert.match(told, /transfer 30000 is missing, or not what was written/);
    assert.match(told, /certificates\/acme\.json: presence was file, is missing/);
  });

  it("ends where it is interrupted", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    await assert.rejects(
      run(() => controller.abort(reason), controller.signal),
      (error) => error === reason || hasCode(error, "interrupted"),
    );
  });

  it("leaves nothing behind, and the source as it was", () => {
    assert.deepEqual(readdirSync(base), ["source"]);
    assert.equal(readdirSync(join(source, "folder")).length, 60);
    assert.equal(readFileSync(join(source, "folder", "file 3"), "utf8"), "content 3\n".repeat(150));
    assert.ok(!existsSync(join(source, "added by the demo 0")));
  });
});

function alter(folder: string, statement: string): void {
  using database = new DatabaseSync(join(folder, "shop.db"));
  assert.equal(database.prepare(statement).run().changes, 1);
}

/** Size, mode and time stay as they are. */
function alterByte(file: string): void {
  const { atime, mtime } = statSync(file);
  const content = readFileSync(file);
  content[100]! ^= 1;
  writeFileSync(file, content);
  utimesSync(file, atime, mtime);
}
