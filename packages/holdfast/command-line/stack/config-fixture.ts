// Runs command lines inside the test process, and keeps what they print.

import { PassThrough } from "node:stream";
import type { ReadStream, WriteStream } from "node:tty";
import { readRawArguments } from "../raw-arguments.ts";
import { runCommand } from "../run-command.ts";

export interface Printed {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** No terminals, no standard input. */
export async function runWords(words: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<Printed> {
  const [stdout, stderr] = [collector(), collector()];
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

function collector(): { stream: WriteStream; text: () => string } {
  const stream = new PassThrough();
  let text = "";
  stream.on("data", (chunk: Buffer) => (text += chunk.toString()));
  return { stream: stream as unknown as WriteStream, text: () => text };
}
