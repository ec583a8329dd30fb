// The two programs that are compared, and how a user calls them.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Command, run } from "./measure.ts";

export type ToolName = "holdfast" | "restic";

export interface Tool {
  readonly name: ToolName;
  readonly version: string;
  readonly program: string;
  /** Words in front of the verb. */
  readonly prefix: readonly string[];
}

/** A repository of one tool, with a cache and a directory for what else belongs to it: both empty when it is made. */
export interface RepositoryPlace {
  readonly directory: string;
  readonly cacheDirectory: string;
  readonly ownDirectory: string;
}

export const projectRoot = fileURLToPath(new URL("../../..", import.meta.url)).replace(/\/$/, "");

/** Only for data that anybody may read. */
export const password = "holdfast-bench";

export function findTools(): Record<ToolName, Tool> {
  const program = process.env["HOLDFAST_RESTIC"];
  if (program === undefined || !existsSync(program)) {
    throw new Error(
      "HOLDFAST_RESTIC must name restic's executable (0.19). ./test fetches it into a cache; to use that one:\n" +
        "  HOLDFAST_RESTIC=$(scripts/test-tools.sh | sed -n s/^HOLDFAST_RESTIC=//p) npm run bench",
    );
  }
  const resticVersion = run({ program, words: ["version"], environment: process.env });
  const holdfast = `${projectRoot}/holdfast`;
  const holdfastVersion = run({ program: holdfast, words: ["--version"], environment: process.env });
  return {
    holdfast: { name: "holdfast", version: firstLine(holdfastVersion), program: holdfast, prefix: ["repo"] },
    restic: { name: "restic", version: firstLine(resticVersion), program, prefix: [] },
  };
}

/** One call of a tool, at its defaults: no option but what the verb needs. */
export function commandOf(tool: Tool, place: RepositoryPlace, words: readonly string[], pipedFile?: string): Command {
  return {
    program: tool.program,
    words: [...tool.prefix, ...words],
    environment: environmentOf(place),
    pipedFile,
  };
}

/** Nothing that is set for other repositories, or for Go or Node, may change what is measured. */
export function environmentOf(place: RepositoryPlace): NodeJS.ProcessEnv {
  const environment: NodeJS.ProcessEnv = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (!/^(RESTIC_|HOLDFAST_|GO|NODE_|npm_)/.test(name)) environment[name] = value;
  }
  environment["RESTIC_REPOSITORY"] = place.directory;
  environment["RESTIC_PASSWORD"] = password;
  environment["RESTIC_CACHE_DIR"] = place.cacheDirectory;
  return environment;
}

function firstLine(text: string): string {
  return text.split("\n")[0] ?? "";
}
