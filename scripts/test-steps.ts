// What ./test runs one after the other: each step's name, command, and how its outcome reads in the final table.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import path from "node:path";
import type { TestCounts } from "./test-counts.ts";

export const checkout = path.resolve(import.meta.dirname, "..");
const binaries = path.join(checkout, "node_modules/.bin");

export interface StepResult {
  readonly name: string;
  readonly passed: boolean;
  readonly seconds: number;
  readonly note: string;
  readonly counts?: TestCounts;
}

export interface CommandLimits {
  readonly environment: NodeJS.ProcessEnv;
  readonly timeoutMs: number;
}

interface Ending {
  readonly status: number | string;
  readonly seconds: number;
}

/** Runs one command in the checkout, its output going to ours; a command over its time is killed with its children. */
function runCommand(command: string, args: readonly string[], limits: CommandLimits): Promise<Ending> {
  const started = performance.now();
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: checkout,
      env: limits.environment,
      stdio: ["ignore", "inherit", "inherit"],
      detached: true, // a process group of its own, so that it can be killed whole
    });
    let timedOut = false;
    const kill = (): void => {
      if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, "SIGKILL");
    };
    const interrupt = (): void => {
      kill();
      process.exit(130);
    };
    const timer = setTimeout(() => {
      timedOut = true;
      kill();
    }, limits.timeoutMs);
    process.once("SIGINT", interrupt).once("SIGTERM", interrupt);
    const finish = (status: number | string): void => {
      clearTimeout(timer);
      process.off("SIGINT", interrupt).off("SIGTERM", interrupt);
      resolve({ status, seconds: (performance.now() - started) / 1000 });
    };
    child.once("error", (error) => finish(error.message));
    child.once("close", (code, signal) => finish(timedOut ? "took too long" : (code ?? signal ?? "unknown")));
  });
}

/** One of the checks that end with an exit code. */
export async function checkStep(name: string, args: readonly string[], limits: CommandLimits): Promise<StepResult> {
  const [program = "", ...rest] = args;
  heading(name);
  const { status, seconds } = await runCommand(path.join(binaries, program), rest, limits);
  return { name, passed: status === 0, seconds, note: status === 0 ? "" : `${args.join(" ")}: ${status}` };
}

/** node --test over some files; no tests, skipped ones and ones left to do are failures. */
export async function testStep(name: string, files: readonly string[], limits: CommandLimits): Promise<StepResult> {
  heading(name);
  const folder = limits.environment["TMPDIR"] ?? "/tmp";
  mkdirSync(folder, { recursive: true });
  const countsFile = path.join(folder, `counts-${name.replaceAll(/\W/g, "-")}.json`);
  const { status, seconds } = await runCommand(
    path.join(binaries, "node"),
    [
      "--test",
      "--test-concurrency=2",
      `--test-timeout=${limits.timeoutMs / 4}`, // names the test that hangs, well before the whole is killed
      "--test-reporter=spec",
      "--test-reporter-destination=stdout",
      `--test-reporter=${path.join(checkout, "scripts/test-counts.ts")}`,
      `--test-reporter-destination=${countsFile}`,
      ...files,
    ],
    limits,
  );
  // A run that was ended before its time has counted nothing.
  const text = existsSync(countsFile) ? readFileSync(countsFile, "utf8") : "";
  const counts = text === "" ? undefined : (JSON.parse(text) as TestCounts);
  const problem = problemOf(status, counts);
  const tally = counts === undefined ? "no counts" : `${counts.passed} passed, ${counts.failed} failed`;
  return {
    name,
    passed: problem === "",
    seconds,
    note: problem === "" ? tally : `${tally}: ${problem}`,
    ...(counts === undefined ? {} : { counts }),
  };
}

function problemOf(status: number | string, counts: TestCounts | undefined): string {
  if (counts === undefined) return `ended with ${status}`;
  if (counts.passed + counts.failed === 0) return "ran no test";
  if (counts.skipped > 0) return `${counts.skipped} skipped or left to do`;
  return status === 0 ? "" : `ended with ${status}`;
}

function heading(name: string): void {
  process.stdout.write(`\n== ${name}\n`);
}
