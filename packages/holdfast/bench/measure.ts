// Measures one command as a user would run it: time, processor time and memory of the whole process tree.
import { spawn, spawnSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { CommandUsage } from "./measured-command.ts";
import { PeakMemory } from "./peak-memory.ts";

export interface Command {
  readonly program: string;
  readonly words: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
  /** A file that another process writes into a pipe, from which the command reads. */
  readonly pipedFile?: string | undefined;
}

export interface Measurement {
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly peakBytes: number;
}

const wrapper = fileURLToPath(new URL("measured-command.ts", import.meta.url));

/** Runs the command and measures it; throws with its messages when it fails. */
export async function measure(command: Command): Promise<Measurement> {
  const pipe = command.pipedFile === undefined ? null : openPipe(command.pipedFile);
  try {
    const child = spawn(process.execPath, [wrapper, command.program, ...command.words], {
      stdio: [pipe ?? "ignore", "ignore", "pipe", "pipe"],
      env: command.environment,
    });
    const ended = new Promise<void>((resolve, reject) => child.once("error", reject).once("close", () => resolve()));
    const memory = new PeakMemory(child.pid ?? 0);
    const [messages, report] = await Promise.all([
      text(child.stderr as Readable),
      text(child.stdio[3] as Readable),
      ended,
    ]);
    const peakBytes = memory.stop();
    if (report === "") throw new Error(`${describe(command)} could not be run:\n${messages}`);
    const usage = JSON.parse(report) as CommandUsage;
    if (usage.exitCode !== 0) throw new Error(`${describe(command)} ended with ${usage.exitCode}:\n${messages}`);
    return { wallMs: usage.wallMs, cpuMs: usage.cpuMs, peakBytes };
  } finally {
    if (pipe !== null) closeSync(pipe);
  }
}

/** Waits until all that was written is on the disk: what earlier runs left to be written is not for the next to pay. */
export function settle(): void {
  spawnSync("sync");
}

/** Runs a command that is not measured; its standard output. Throws with its messages when it fails. */
export function run(command: Command): string {
  const { program, words, environment } = command;
  const result = spawnSync(program, words, { env: environment, encoding: "utf8", maxBuffer: 1 << 28 });
  if (result.error) throw result.error;
  if (result.status !== 0) throw new Error(`${describe(command)} ended with ${result.status}:\n${result.stderr}`);
  return result.stdout;
}

/** The end to read of a pipe that `cat` fills: its processor time is nobody's. */
function openPipe(file: string): number {
  const directory = mkdtempSync(join(tmpdir(), "holdfast-bench-pipe-"));
  try {
    const path = join(directory, "pipe");
    run({ program: "mkfifo", words: [path], environment: process.env });
    // To open one end waits for the other, except when both are opened at once.
    const both = openSync(path, constants.O_RDWR);
    const reading = openSync(path, constants.O_RDONLY);
    const writing = openSync(path, constants.O_WRONLY);
    spawn("cat", [file], { stdio: ["ignore", writing, "inherit"] });
    closeSync(writing);
    closeSync(both);
    return reading;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function describe(command: Command): string {
  return [command.program, ...command.words].join(" ");
}
