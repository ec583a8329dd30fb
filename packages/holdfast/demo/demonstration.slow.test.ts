// The demo notices what is wrong with a restored tree, keeps its hands off the originals, and cleans up.

import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { after, before, describe, it } from "node:test";
import { hasCode } from "@holdfast/repository";
import { Output } from "../command-line/output.ts";
import { identityOfProcess } from "../command-line/session.ts";
import { wholeSource } from "./choose-entries.ts";
import type { DemoReport } from "./demo-report.ts";
import { demonstrate } from "./demonstration.ts";
import { bytesOf, rawPath, type RawPath } from "./raw-path.ts";
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

async function run(restored: (tree: RawPath) => void, signal = new AbortController().signal): Promise<Run> {
  const stdout = new PassThrough();
  const stream = stdout as unknown as NodeJS.WriteStream;
  const output = new Output({ stdout: stream, stderr: stream }, { json: false, verbosity: 1, environment: {} });
  await using place = Workplace.create(undefined, { TMPDIR: base });
  const report = await demonstrate({
    place,
    sources: [wholeSource(rawPath(source))],
    output,
    clock: () => performance.now(),
    now: () => new Date(),
    signal,
    environment: { PATH: "" },
    identity: identityOfProcess(),
    programVersion: "holdfast test",
    restored,
  });
  output.flush();
  return { report, told: String(stdout.read()) };
}

const inTree = (tree: RawPath): string => join(bytesOf(tree).toString(), source, "folder", "file 59");

describe("the demonstration", () => {
  it("finds everything equal where nothing was broken, and says that there is no restic", async () => {
    let trees = 0;
    const { report, told } = await run(() => trees++);
    assert.equal(trees, 2);
    assert.equal(report.differences, 0);
    assert.equal(report.resticVersion, null);
    assert.match(told, /restic is not installed/);
    const [first, second, latest, oldest] = report.rows;
    assert.ok(first && second && latest?.comparison && oldest?.comparison);
    assert.ok(
      (second.bytesAdded ?? Infinity) < (first.bytesAdded ?? 0) / 2,
      "the second backup has little that is new",
    );
    assert.ok(latest.comparison.files > 60 && latest.comparison.filesEqual === latest.comparison.files);
    assert.equal(oldest.comparison.filesEqual, oldest.comparison.files);
  });

  it("finds a byte that is wrong, though size and mode are right", async () => {
    const { report, told } = await run((tree) => {
      const file = inTree(tree);
      const { atime, mtime } = statSync(file);
      const content = readFileSync(file);
      content[100]! ^= 1;
      writeFileSync(file, content);
      utimesSync(file, atime, mtime);
    });
    assert.ok(report.differences >= 2, "in both restored trees");
    assert.match(told, /DIFFERENCES/);
    assert.match(told, /file 59: content was/);
  });

  it("finds a mode that is wrong, in one tree only", async () => {
    let trees = 0;
    const { report } = await run((tree) => {
      if (trees++ === 0) chmodSync(inTree(tree), 0o611);
    });
    assert.equal(report.differences, 1);
    assert.deepEqual(
      report.rows.map(({ comparison }) => (comparison ? comparison.files - comparison.filesEqual : null)),
      [null, null, 1, 0],
    );
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
