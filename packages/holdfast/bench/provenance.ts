// Under which circumstances something was measured.
import { readFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { run } from "./measure.ts";
import { projectRoot, type Tool, type ToolName } from "./tools.ts";

export interface Provenance {
  /** YYYY-MM-DD, UTC. */
  readonly date: string;
  readonly commit: string;
  readonly machine: string;
  readonly versions: string;
  readonly runs: number;
}

export function provenanceOf(
  tools: Readonly<Record<ToolName, Tool>>,
  directory: string,
  runs: number,
  now: Date,
): Provenance {
  return {
    date: now.toISOString().slice(0, 10),
    commit: commit(),
    machine: machine(directory),
    versions: `Holdfast ${tools.holdfast.version}; Node ${process.version}, zstd ${process.versions["zstd"] ?? "?"}; ${tools.restic.version}`,
    runs,
  };
}

function commit(): string {
  const git = (...words: string[]): string =>
    run({ program: "git", words: ["-C", projectRoot, ...words], environment: process.env }).trim();
  // Results of an earlier measurement are no change of what is measured.
  const changes = git(
    "status",
    "--porcelain",
    "--",
    ".",
    ":!packages/holdfast/bench/*.md",
    ":!packages/holdfast/bench/*.json",
  );
  return git("rev-parse", "--short", "HEAD") + (changes === "" ? "" : " with uncommitted changes");
}

function machine(directory: string): string {
  const processors = cpus();
  const gibibytes = Math.round(totalmem() / 2 ** 30);
  return `${processors.length} × ${processors[0]?.model.trim() ?? "?"}, ${gibibytes} GiB, Linux ${release()}, ${fileSystem(directory)}`;
}

/** The type of the file system that the repositories lie on: of the longest mount point above. */
function fileSystem(directory: string): string {
  let found = { point: "", type: "?" };
  for (const line of readFileSync("/proc/mounts", "utf8").split("\n")) {
    const [, point, type] = line.split(" ");
    if (point === undefined || type === undefined) continue;
    const isAbove = point === "/" || directory === point || directory.startsWith(`${point}/`);
    if (isAbove && point.length >= found.point.length) found = { point, type };
  }
  return found.type;
}
