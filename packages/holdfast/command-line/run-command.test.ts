// A command line from its words to its exit code and what is printed.

import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { describe, it } from "node:test";
import type { ReadStream, WriteStream } from "node:tty";
import { hasCode, HoldfastError } from "@holdfast/repository";
import { Interruption } from "./interruption.ts";
import { Output } from "./output.ts";
import { readRawArguments } from "./raw-arguments.ts";
import { asHoldfastError, runCommand } from "./run-command.ts";

/** Streams that are no terminals, and what was written to them. */
function capture(): { stream: WriteStream; text: () => string } {
  const stream = new PassThrough();
  let text = "";
  stream.on("data", (chunk: Buffer) => (text += chunk.toString()));
  return { stream: stream as unknown as WriteStream, text: () => text };
}

async function run(
  words: string[],
  environment: NodeJS.ProcessEnv = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const [stdout, stderr] = [capture(), capture()];
  const code = await runCommand({
    words,
    environment,
    rawArguments: readRawArguments(words),
    stdin: new PassThrough() as unknown as ReadStream,
    stdout: stdout.stream,
    stderr: stderr.stream,
    version: "1.2.3",
  });
  await new Promise(setImmediate);
  return { code, stdout: stdout.text(), stderr: stderr.text() };
}

const nowhere = { RESTIC_REPOSITORY: join(tmpdir(), "holdfast-no-such-repository"), RESTIC_PASSWORD: "x" };

describe("a command", () => {
  it("ends with 0 and prints to standard output when asked for help", async () => {
    const { code, stdout, stderr } = await run(["--version"]);
    assert.deepEqual([code, stdout, stderr], [0, "1.2.3\n", ""]);
  });

  it("says what is wrong, and what to do, and ends with 2 for wrong usage", async () => {
    assert.deepEqual(await run(["repo", "snapshots"]), {
      code: 2,
      stdout: "",
      stderr: "holdfast: no repository was named\n  → name it with -r, or in the variable RESTIC_REPOSITORY\n",
    });
    const both = await run(["repo", "backup", "--stdin", "/x"], nowhere);
    assert.equal(both.code, 2);
  });

  it("ends with 10 where there is no repository", async () => {
    const { code, stderr } = await run(["repo", "snapshots", "--no-cache"], nowhere);
    assert.equal(code, 10);
    assert.match(stderr, /^holdfast: there is no repository at .*holdfast-no-such-repository\n {2}→ /);
  });

  it("speaks JSON on request, also of wrong words", async () => {
    const missing = JSON.parse((await run(["repo", "ls", "latest", "--json"], nowhere)).stderr) as Record<
      string,
      unknown
    >;
    assert.deepEqual(
      [missing["message_type"], missing["code"], missing["error_code"]],
      ["exit_error", 10, "repository-missing"],
    );
    assert.equal(typeof missing["hint"], "string");
    const wrong = JSON.parse((await run(["repo", "ls", "--json", "--nonsense"])).stderr) as Record<string, unknown>;
    assert.deepEqual([wrong["message_type"], wrong["code"], wrong["error_code"]], ["exit_error", 2, "usage"]);
  });
});

describe("output", () => {
  const make = (json: boolean, verbosity: number): { output: Output; stdout: () => string; stderr: () => string } => {
    const [stdout, stderr] = [capture(), capture()];
    const output = new Output({ stdout: stdout.stream, stderr: stderr.stream }, { json, verbosity, environment: {} });
    return { output, stdout: stdout.text, stderr: stderr.text };
  };

  it("has notes and details as the person wants them", () => {
    for (const [json, verbosity, expected] of [
      [false, 0, "r\n"],
      [false, 1, "n\nr\n"],
      [false, 2, "n\nd\nr\n"],
      [true, 3, "r\n"],
    ] as const) {
      const { output, stdout } = make(json, verbosity);
      output.note("n");
      output.detail("d");
      output.line("r");
      output.flush();
      assert.equal(stdout(), expected);
    }
  });

  it("reports trouble with one item, made safe", () => {
    const error = new HoldfastError("source", "it is\u001b[2J gone", { hint: "look" });
    const plain = make(false, 1);
    plain.output.itemError("/a", "read", error);
    assert.equal(plain.stderr(), "error: /a: it is\\x1b[2J gone\n");
    const json = make(true, 1);
    json.output.itemError("/a", "read", error);
    assert.deepEqual(JSON.parse(json.stderr()), {
      message_type: "error",
      error: { message: "it is\u001b[2J gone" },
      during: "read",
      item: "/a",
      code: "source",
      hint: "look",
    });
  });

  it("knows when nobody reads any more, and says nothing of it", () => {
    const [stdout, stderr] = [capture(), capture()];
    const output = new Output(
      { stdout: stdout.stream, stderr: stderr.stream },
      { json: false, verbosity: 1, environment: {} },
    );
    let heard = 0;
    output.watch(() => heard++);
    stdout.stream.emit("error", Object.assign(new Error("write EPIPE"), { code: "EPIPE" }));
    output.line("more");
    output.flush();
    assert.deepEqual([output.closed, heard, stdout.text(), stderr.text()], [true, 1, "", ""]);
  });
});

describe("interruption", () => {
  it("aborts with an error that says by what", () => {
    using interruption = new Interruption(false);
    process.emit("SIGTERM", "SIGTERM");
    assert.equal(interruption.signal.aborted, true);
    assert.ok(hasCode(interruption.signal.reason, "interrupted"));
    assert.match(interruption.signal.reason.message, /SIGTERM/);
  });
});

describe("an error that is no HoldfastError", () => {
  it("is a defect, and says where", () => {
    const error = asHoldfastError(new TypeError("oops"));
    assert.equal(error.code, "internal");
    assert.match(error.message, /oops[^]*run-command\.test/);
  });
});
