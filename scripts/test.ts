// What ./test runs: every check and every test, with a table of what was done and what was not at the end.
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, globSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { checkout, checkStep, testStep } from "./test-steps.ts";
import type { StepResult } from "./test-steps.ts";

const minute = 60_000;
const layerTest = "tests/layers.test.ts";

interface NotRun {
  readonly what: string;
  readonly reason: string;
}

interface Choice {
  readonly fast: boolean;
  readonly long: boolean;
  /** Test files to run instead of everything. */
  readonly files: readonly string[];
}

function choose(): Choice {
  try {
    const { values, positionals } = parseArgs({
      options: { fast: { type: "boolean", default: false }, long: { type: "boolean", default: false } },
      allowPositionals: true,
    });
    return { ...values, files: positionals.map((file) => path.relative(checkout, path.resolve(file))) };
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\nusage: ./test [--fast|--long] [FILE…]\n`);
    process.exit(2);
  }
}

/** The environment of the tests: the machine's, less what would change their meaning, and the foreign programs. */
function testEnvironment(choice: Choice, folder: string, tools: Tools): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(RESTIC|HOLDFAST|AWS)_/.test(name));
  return {
    ...Object.fromEntries(inherited),
    ...tools.found,
    TMPDIR: folder,
    ...(choice.long ? { HOLDFAST_LONG: "1" } : {}),
  };
}

interface Tools {
  readonly found: Readonly<Record<string, string>>;
  readonly step: StepResult;
}

function provideTools(): Tools {
  const started = performance.now();
  const { stdout, status } = spawnSync("bash", [path.join(checkout, "scripts/test-tools.sh")], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines = stdout.split("\n").filter((line) => line !== "");
  const pairs = lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)] as const);
  const missing = pairs.filter(([name]) => name === "MISSING").map(([, reason]) => reason);
  if (status !== 0) missing.push(`scripts/test-tools.sh ended with ${status}`);
  for (const reason of missing) process.stdout.write(`missing: ${reason}\n`);
  const found = Object.fromEntries(pairs.filter(([name]) => name !== "MISSING"));
  const seconds = (performance.now() - started) / 1000;
  return { found, step: { name: "foreign programs", passed: missing.length === 0, seconds, note: missing.join("; ") } };
}

/** All test files, split into those that this choice runs and those that it leaves out. */
function selectTests(choice: Choice): { readonly files: readonly string[]; readonly left: readonly NotRun[] } {
  if (choice.files.length > 0) return { files: choice.files, left: [] };
  const all = globSync(["packages/**/*.test.ts", "tests/**/*.test.ts", "scripts/**/*.test.ts"], {
    cwd: checkout,
    exclude: (name) => name === "node_modules",
  })
    .filter((file) => file !== layerTest)
    .toSorted();
  if (!choice.fast) return { files: all, left: [] };
  const slow = all.filter((file) => file.startsWith("tests/") || file.endsWith(".slow.test.ts"));
  return {
    files: all.filter((file) => !slow.includes(file)),
    left: slow.map((what) => ({ what, reason: "--fast leaves out slow and whole-system tests" })),
  };
}

async function runSteps(choice: Choice, folder: string): Promise<{ results: StepResult[]; notRun: NotRun[] }> {
  const tools = provideTools();
  const environment = testEnvironment(choice, folder, tools);
  const short = { environment, timeoutMs: 5 * minute };
  const tests = selectTests(choice);
  const results = [tools.step];
  const notRun = [...tests.left];
  if (choice.files.length === 0) {
    results.push(
      await testStep("layers", [layerTest], short),
      await checkStep("lint", ["oxlint", "--type-aware", "--deny-warnings"], short),
      await checkStep("format", ["oxfmt", "--check", "."], short),
      await checkStep("unused code", ["knip"], short),
      await checkStep("types", ["tsc", "--noEmit"], short),
    );
  } else {
    notRun.push({ what: "layers, lint, format, unused code, types, other tests", reason: "files were named" });
  }
  const timeoutMs = (choice.long ? 600 : 40) * minute;
  results.push(await testStep("tests", tests.files, { environment, timeoutMs }));
  if (!choice.long) notRun.push({ what: "the long versions of tests", reason: "only with --long" });
  return { results, notRun };
}

function commitOf(): string {
  try {
    const run = (...args: string[]): string =>
      execFileSync("git", args, { cwd: checkout, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
    return run("rev-parse", "--short", "HEAD") + (run("status", "--porcelain") === "" ? "" : " with changes");
  } catch {
    return "no commit";
  }
}

function report(results: readonly StepResult[], notRun: readonly NotRun[], mode: string): void {
  const out = (line = ""): unknown => process.stdout.write(`${line}\n`);
  out(`\n== summary (${mode}, ${commitOf()}, Node ${process.version})`);
  for (const { name, passed, seconds, note } of results) {
    out(`${passed ? "ok    " : "FAILED"}  ${name.padEnd(18)} ${seconds.toFixed(1).padStart(7)} s  ${note}`.trimEnd());
  }
  for (const { what, reason } of notRun) out(`not run ${what}: ${reason}`);
  out();
  const sum = (key: "passed" | "failed"): number => results.reduce((all, { counts }) => all + (counts?.[key] ?? 0), 0);
  out(`${sum("passed")} passed, ${sum("failed")} failed`);
}

const choice = choose();
const folder = mkdtempSync(path.join(tmpdir(), "holdfast-test-"));
chmodSync(folder, 0o755); // some tests act as another user
const { results, notRun } = await runSteps(choice, folder);
rmSync(folder, { recursive: true, force: true });
report(results, notRun, choice.fast ? "--fast" : choice.long ? "--long" : "everything");
process.exitCode = results.every(({ passed }) => passed) ? 0 : 1;
