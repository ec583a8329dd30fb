// `holdfast ls`: lists the sources and files of a recovery point.
import { createTimeFormatter, HoldfastError } from "@holdfast/repository";
import type { Command } from "commander";
import { formatCount } from "../../display/amounts.ts";
import { exitCodes, type ExitCode } from "../../exit-codes.ts";
import { chooseSnapshot, type Chosen } from "../../jobs/choose-snapshot.ts";
import { listEntries, type PointEntry } from "../../jobs/list-entries.ts";
import type { Context, Verb } from "../context.ts";
import { nodeJson, nodeLine } from "../display/node-lines.ts";
import { printableName, printableText } from "../display/printable.ts";
import type { Output } from "../output.ts";
import { parseTimeNs } from "../values/times.ts";
import { requireWords } from "../words.ts";
import { pointFactsJson } from "./point-report.ts";
import { tellChoice } from "./restore.ts";
import { addStackOptions, type StackOptions } from "./stack-options.ts";
import { Workspace } from "./workspace.ts";

interface LsOptions extends StackOptions {
  at?: string;
  long?: boolean;
  recursive?: boolean;
  humanReadable?: boolean;
}

export const ls: Verb<LsOptions> = {
  describe(command: Command): void {
    command.description("List the sources and files of a recovery point: all of them, or those in a folder.");
    addStackOptions(command);
    command
      .option("--at <time>", "of a stack: its newest good recovery point that is no newer than this")
      .option("-l, --long", "with mode, owner, size and time")
      .option("--recursive", "what is below the folder, not only in it")
      .option("--human-readable", "sizes like 1.234 MiB")
      .addHelpText(
        "after",
        `
STACK is its newest good recovery point; a recovery point of any outcome is named by its id, or the beginning of it.
PATH is SOURCE, SOURCE:/PATH, or /PATH in whichever source has it.

Examples:
  $ holdfast ls mist
  $ holdfast ls mist -l /var/lib/mist/uploads
  $ holdfast ls 44d9def0 database --json
`,
      );
  },

  async run(context: Context, words: readonly string[], options: LsOptions): Promise<ExitCode> {
    requireWords(words, 1, 2, "the stack or recovery point, and perhaps a path");
    const [name = "", place] = words;
    const atNs = options.at === undefined ? undefined : parseTimeNs(options.at, "--at");
    using workspace = await Workspace.open(context, options);
    const chosen = await chooseSnapshot(workspace, name, { atNs });
    await using _session = chosen.session;
    const { output } = context;
    const wanted = place === undefined ? { source: null, path: null } : parsePlace(place, context, chosen);
    const show = printer(output, options);
    showPoint(chosen, output);
    let damaged = 0;
    let listed = 0;
    const entries = listEntries(chosen, {
      ...wanted,
      recursive: options.recursive ?? false,
      report: (source, path, error) => {
        damaged++;
        output.itemError(shownPath(source, path), "list", error);
      },
    });
    for await (const entry of entries) {
      listed++;
      show(entry);
    }
    if (damaged > 0) {
      throw new HoldfastError("damaged", `${formatCount(damaged, "entry", "entries")} could not be read`, {
        hint: "run `holdfast check` to see what is affected",
      });
    }
    if (listed > 0 || wanted.path === null) return exitCodes.done;
    throw new HoldfastError("not-found", `the recovery point has nothing at ${JSON.stringify(place)}`, {
      hint: `it has: ${placesOf(chosen).join(", ")}`,
    });
  },
};

/** Throws `usage` for what is no place, or names a source that the recovery point does not have. */
function parsePlace(
  place: string,
  context: Context,
  { manifest }: Chosen,
): { source: string | null; path: Buffer | null } {
  if (place.startsWith("/")) return { source: null, path: withoutEndSlash(context.rawArguments(place)) };
  const [source = ""] = place.split(":", 1);
  if (!Object.hasOwn(manifest.sources, source)) {
    throw new HoldfastError("usage", `the recovery point has no source ${JSON.stringify(source)}`, {
      hint: `it has: ${Object.keys(manifest.sources).join(", ")}; paths begin with /`,
    });
  }
  if (place === source) return { source, path: null };
  const path = withoutEndSlash(context.rawArguments(place).subarray(source.length + 1));
  if (path[0] === slash) return { source, path };
  throw new HoldfastError("usage", `${JSON.stringify(place)} is not SOURCE:/PATH`);
}

const slash = 0x2f;

function withoutEndSlash(path: Buffer): Buffer {
  let end = path.length;
  while (end > 1 && path[end - 1] === slash) end--;
  return path.subarray(0, end);
}

function placesOf({ manifest }: Chosen): string[] {
  return Object.entries(manifest.sources).flatMap(([name, { paths }]) => paths.map(({ path }) => `${name}:${path}`));
}

function shownPath(source: string, path: Buffer): string {
  return printableName(Buffer.concat([Buffer.from(`${source}:`), path]));
}

function printer(output: Output, { long, humanReadable }: LsOptions): (entry: PointEntry) => void {
  if (output.json) {
    const formatTimeNs = createTimeFormatter();
    return ({ source, path, node }) => output.jsonLine({ source, ...nodeJson(path, node, formatTimeNs) });
  }
  const options = { long: long ?? false, humanReadable: humanReadable ?? false };
  return ({ source, path, node }) =>
    output.line(nodeLine(Buffer.concat([Buffer.from(`${source}:`), path]), node, options));
}

function showPoint(chosen: Chosen, output: Output): void {
  if (output.json) output.jsonLine({ ...pointFactsJson(chosen), newer_partial: chosen.newerPartial?.id ?? null });
  tellChoice(chosen, output);
  for (const [name, { kind, outcome, consistency }] of Object.entries(chosen.manifest.sources)) {
    output.note(printableText(`  ${name}: ${kind}, ${outcome}${consistency === null ? "" : `, ${consistency}`}`));
  }
}
