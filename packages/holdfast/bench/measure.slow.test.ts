// Holds the measuring itself: a command whose time, processor time and memory are known.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { measure, type Measurement } from "./measure.ts";

const mebibyte = 2 ** 20;
const directory = mkdtempSync(join(tmpdir(), "holdfast-measure-test-"));
after(() => rmSync(directory, { recursive: true }));

function measureScript(script: string, pipedFile?: string): Promise<Measurement> {
  return measure({ program: process.execPath, words: ["-e", script], environment: process.env, pipedFile });
}

describe("measure", () => {
  it("counts waiting as time, and not as processor time", async () => {
    const { wallMs, cpuMs } = await measureScript("setTimeout(() => {}, 1000)");
    assert.ok(wallMs >= 1000, `${wallMs} ms`);
    assert.ok(cpuMs > 0 && cpuMs < 900, `${cpuMs} ms`);
  });

  it("counts the processor time of the command's own children", async () => {
    const busy = "while (process.cpuUsage().user < 500000);";
    const { cpuMs } = await measureScript(
      `require("child_process").spawnSync(process.execPath, ["-e", ${JSON.stringify(busy)}])`,
    );
    assert.ok(cpuMs >= 500, `${cpuMs} ms`);
  });

  it("sees the memory of the command and its children, even what was given back at once", async () => {
    const take = "Buffer.alloc(200 * 2 ** 20, 1);";
    const wait = "setTimeout(() => {}, 300);";
    const { peakBytes } = await measureScript(
      `${take} ${wait} require("child_process").spawn(process.execPath, ["-e", ${JSON.stringify(take + wait)}])`,
    );
    assert.ok(peakBytes > 400 * mebibyte && peakBytes < 800 * mebibyte, `${peakBytes / mebibyte} MiB`);
  });

  it("hands the whole of a file over through a pipe", async () => {
    const file = join(directory, "input");
    writeFileSync(file, Buffer.alloc(3 * mebibyte, 7));
    await measureScript(
      `const { fstatSync, readFileSync } = require("fs");
       if (!fstatSync(0).isFIFO() || readFileSync(0).length !== ${3 * mebibyte}) process.exit(1);`,
      file,
    );
  });

  it("fails with the messages of a command that fails, or is not there", async () => {
    await assert.rejects(measureScript("console.error('no luck'); process.exit(3)"), /ended with 3:\nno luck/);
    await assert.rejects(
      measure({ program: "/nonexistent", words: [], environment: process.env }),
      /nonexistent could not be run/,
    );
  });
});
