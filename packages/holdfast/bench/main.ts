// Measures Holdfast beside restic: npm run bench. See README.md.
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { DataSets } from "./data-sets.ts";
import { type BenchOptions, parseOptions, usage } from "./options.ts";
import { provenanceOf } from "./provenance.ts";
import { isMet } from "./results.ts";
import { render, type Results, writeResults } from "./report.ts";
import { findTools } from "./tools.ts";
import { Workshop } from "./workshop.ts";

const memoryFileSystem = "/dev/shm";

function say(message: string): void {
  process.stderr.write(`${message}\n`);
}

async function bench(options: BenchOptions): Promise<void> {
  const tools = findTools();
  const cache = resolve(options.cacheDirectory);
  mkdirSync(cache, { recursive: true });
  removeLeftovers(cache, "work-");
  removeLeftovers(memoryFileSystem, "holdfast-bench-");
  const provenance = provenanceOf(tools, cache, options.runs, new Date());
  say(`${provenance.versions}\n${provenance.machine}`);
  const workshop = new Workshop({
    tools,
    dataSets: new DataSets(cache, options.scale, say),
    directory: join(cache, `work-${process.pid}`),
    memoryDirectory: join(memoryFileSystem, `holdfast-bench-${process.pid}`),
    runs: options.runs,
    say,
  });
  const cleanUp = (): void => {
    rmSync(workshop.directory, { recursive: true, force: true });
    rmSync(workshop.memoryDirectory, { recursive: true, force: true });
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => {
      cleanUp();
      process.exit(1);
    });
  }
  const results: Results = {};
  try {
    for (const one of options.cases) {
      const rows = await one.measure(workshop);
      results[one.name] = { rows, provenance: one.once ? { ...provenance, runs: 1 } : provenance };
      // Whatever happens later, what is measured is kept.
      if (options.write) writeResults({ [one.name]: results[one.name] as Results[string] });
    }
  } finally {
    cleanUp();
    process.stdout.write(`${render(results)}\n`);
  }
  if (options.scale !== 1) say(`data of ${options.scale} times the size: these results say nothing`);
  const missed = Object.values(results).flatMap(({ rows }) => rows.filter((row) => isMet(row) === false)).length;
  say(missed === 0 ? "every bar is met" : `bars missed: ${missed}`);
}

/** What a process left that was killed. */
function removeLeftovers(directory: string, prefix: string): void {
  for (const name of readdirSync(directory)) {
    const isOurs = name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length));
    if (isOurs && !existsSync(`/proc/${name.slice(prefix.length)}`))
      rmSync(join(directory, name), { recursive: true, force: true });
  }
}

try {
  const options = parseOptions(process.argv.slice(2), process.env);
  if (options === "help") process.stdout.write(`${usage}\n`);
  else await bench(options);
} catch (error) {
  say(`bench: ${(error as Error).message}`);
  process.exitCode = 2;
}
