// The process: prepares it, runs the command line, ends with its exit code.

import { readFileSync } from "node:fs";
import { readRawArguments } from "./command-line/raw-arguments.ts";
import { runCommand } from "./command-line/run-command.ts";

const manifest = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8")) as { version: string };
const words = process.argv.slice(2);
const rawArguments = readRawArguments(words);

// Lists of processes need not show paths and addresses to everybody.
process.title = "holdfast";
// What is made here (repositories, caches, restored files before they get their mode) is nobody else's business.
process.umask(0o077);

const exitCode = await runCommand({
  words,
  rawArguments,
  environment: process.env,
  // The stream is made by looking at it, and only few verbs look.
  get stdin() {
    return process.stdin;
  },
  stdout: process.stdout,
  stderr: process.stderr,
  version: manifest.version,
});
// Standard input may be a terminal or a pipe with more to come: nothing waits for it.
process.exit(exitCode);
