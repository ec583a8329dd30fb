// The command line of the benchmark.
import { homedir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Case, cases } from "./cases.ts";

export interface BenchOptions {
  readonly cases: readonly Case[];
  readonly runs: number;
  readonly scale: number;
  readonly cacheDirectory: string;
  readonly write: boolean;
}

export const usage = `npm run bench -- [CASE...] [--runs N] [--long] [--write] [--scale F] [--cache DIR]

Measures Holdfast beside restic ($HOLDFAST_RESTIC) on the same data. Cases (default: all but the long ones):
${cases.map(({ name, title, long }) => `  ${name.padEnd(15)} ${title}${long ? " (with --long)" : ""}`).join("\n")}

  --runs N     runs of each tool in each case (default 5); the table has the medians
  --long       the long cases too
  --write      put the table into bench/README.md
  --scale F    data of F times the size, to try the benchmark itself: its results say nothing
  --cache DIR  where the data and the repositories are kept (default: holdfast-bench in $TMPDIR or ~/.cache);
               the data stays there for the next time`;

/** Throws with a message for the user. */
export function parseOptions(words: readonly string[], environment: NodeJS.ProcessEnv): BenchOptions | "help" {
  const { values, positionals } = parseArgs({
    args: [...words],
    allowPositionals: true,
    options: {
      runs: { type: "string", default: "5" },
      scale: { type: "string", default: "1" },
      cache: { type: "string" },
      long: { type: "boolean", default: false },
      write: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return "help";
  const runs = Number(values.runs);
  if (!Number.isInteger(runs) || runs < 1) throw new Error("--runs: a whole number from 1 on is needed");
  const scale = Number(values.scale);
  if (!(scale > 0 && scale <= 1)) throw new Error("--scale: a number above 0 and up to 1 is needed");
  if (values.write && scale !== 1) throw new Error("--write: results of data of another size are not kept");
  return {
    cases: chooseCases(positionals, values.long),
    runs,
    scale,
    cacheDirectory: values.cache ?? defaultCache(environment),
    write: values.write,
  };
}

function chooseCases(names: readonly string[], long: boolean): Case[] {
  for (const name of names) {
    const found = cases.find((candidate) => candidate.name === name);
    if (found === undefined)
      throw new Error(`there is no case ${name}: there are ${cases.map((one) => one.name).join(", ")}`);
    if (found.long && !long) throw new Error(`${name} takes long: it needs --long`);
  }
  return cases.filter((one) => (names.length === 0 ? long || !one.long : names.includes(one.name)));
}

function defaultCache(environment: NodeJS.ProcessEnv): string {
  const parent = environment["TMPDIR"] || environment["XDG_CACHE_HOME"] || join(homedir(), ".cache");
  return join(parent, "holdfast-bench");
}
