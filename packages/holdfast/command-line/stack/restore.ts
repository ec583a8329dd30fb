// `holdfast restore`: brings a recovery point back, beside the originals unless told otherwise.
import { resolve } from "node:path";
import { displayPath, HoldfastError } from "@holdfast/repository";
import type { Command } from "commander";
import { exitCodeOfOutcome, type ExitCode } from "../../exit-codes.ts";
import { formatBytes, formatDuration } from "../../display/amounts.ts";
import { chooseSnapshot, type Chosen } from "../../jobs/choose-snapshot.ts";
import { restoreStack, type RestorePlace, type StackRestore } from "../../jobs/restore-stack.ts";
import type { Context, Verb } from "../context.ts";
import { printableName } from "../display/printable.ts";
import { ProgressMonitor } from "../display/progress-monitor.ts";
import { collect } from "../global-options.ts";
import type { Output } from "../output.ts";
import { reportRestoreEvent, restoreStatusJson } from "../restore-report.ts";
import { formatTime, parseTimeNs } from "../values/times.ts";
import { requireWords } from "../words.ts";
import { confirm } from "./confirmation.ts";
import { addStackOptions, addWaitOption, type StackOptions } from "./stack-options.ts";
import { Workspace } from "./workspace.ts";

interface RestoreOptions extends StackOptions {
  source?: string[];
  path?: string;
  to?: string;
  at?: string;
  inPlace?: boolean;
  yes?: boolean;
}

export const restoreVerb: Verb<RestoreOptions> = {
  describe(command: Command): void {
    command.description("Bring a recovery point back: beside the originals, into a folder, or in their place.");
    addStackOptions(command);
    addWaitOption(command);
    command
      .option("--source <name>", "only this source; repeat for more", collect)
      .option("--path <path>", "only this path")
      .option("--at <time>", "the newest good recovery point that is no newer")
      .option(
        "--to <folder>",
        "below this folder, as SOURCE/PATH (default: beside the original, as PATH.restored-TIME)",
      )
      .option("--in-place", "in the place of the original, which is kept as PATH.before-TIME for `holdfast undo`")
      .option("-y, --yes", "replace without asking")
      .addHelpText(
        "after",
        "\nEverything is restored and compared with what was recorded at capture before anything is replaced.\n" +
          "\nExamples:\n  $ holdfast restore mist\n  $ holdfast restore mist --source database --in-place\n" +
          "  $ holdfast restore 1a2b3c4d --to /tmp/look\n",
      );
  },

  async run(context: Context, words: readonly string[], options: RestoreOptions): Promise<ExitCode> {
    requireWords(words, 1, 1, "the stack or the snapshot");
    const place = placeOf(options);
    using workspace = await Workspace.open(context, options);
    const at = options.at === undefined ? {} : { atNs: parseTimeNs(options.at, "--at") };
    const chosen = await chooseSnapshot(workspace, words[0] as string, at);
    await using _session = chosen.session;
    tellChoice(chosen, context.output);
    if (place.kind === "in-place") await confirm(context, questionOf(chosen, options), options.yes);
    using monitor = new ProgressMonitor(context.output, {
      clock: context.clock,
      framesPerSecond: context.globals.framesPerSecond,
      toJson: restoreStatusJson,
    });
    const wanted = {
      sources: options.source ?? null,
      path: options.path === undefined ? null : Buffer.from(resolve(options.path)),
    };
    const result = await restoreStack(chosen, wanted, place, workspace.job, (event) =>
      reportRestoreEvent(event, context.output, monitor),
    );
    monitor[Symbol.dispose]();
    if (context.output.json) context.output.jsonLine(summaryJson(chosen, place, result));
    for (const line of summaryLines(place, result)) context.output.note(line);
    return exitCodeOfOutcome[result.outcome];
  },
};

function placeOf({ to, inPlace }: RestoreOptions): RestorePlace {
  if (to !== undefined && inPlace === true)
    throw new HoldfastError("usage", "--to and --in-place were given together", { hint: "give one of them" });
  if (inPlace === true) return { kind: "in-place" };
  return to === undefined ? { kind: "beside" } : { kind: "directory", path: resolve(to) };
}

function questionOf({ stack, snapshot }: Chosen, { source, path }: RestoreOptions): string {
  const what = path ?? (source === undefined ? `all of ${stack}` : `${source.join(", ")} of ${stack}`);
  return `Replace ${what} by its state of ${formatTime(new Date(snapshot.time))}? What stands there now is kept.`;
}

export function tellChoice({ stack, snapshot, manifest, newerPartial, repository }: Chosen, output: Output): void {
  const time = formatTime(new Date(snapshot.time));
  output.note(`${stack} as of ${time}: snapshot ${snapshot.id.slice(0, 8)} in ${repository.name}`);
  if (newerPartial !== null)
    output.warn(`there is a newer recovery point, ${newerPartial.id.slice(0, 8)}, which is partial`);
  for (const [name, { outcome, reason }] of Object.entries(manifest.sources)) {
    if (outcome === "failed" || outcome === "skipped") output.warn(`it does not have the source ${name}: ${reason}`);
    if (outcome === "partial") output.warn(`its source ${name} is partial: some files are missing or doubtful`);
  }
}

function summaryJson({ stack, snapshot }: Chosen, place: RestorePlace, result: StackRestore): object {
  return {
    message_type: "summary",
    stack,
    snapshot_id: snapshot.id,
    place: place.kind,
    outcome: result.outcome,
    sources: result.restored.map(({ source, copies }) => ({
      name: source.name,
      kind: source.kind.name,
      paths: copies.map(({ path, copy }) => ({
        path: displayPath(path),
        restored: displayPath(place.kind === "in-place" ? path : copy),
      })),
    })),
    kept: result.kept.map(({ path, aside }) => ({ path: displayPath(path), kept: aside && displayPath(aside) })),
    bytes: result.sizeBytes,
    duration_ms: result.durationMs,
  };
}

function summaryLines(place: RestorePlace, { outcome, restored, kept, sizeBytes, durationMs }: StackRestore): string[] {
  const lines = restored.flatMap(({ source, copies }) =>
    copies.map(({ path, copy }) => {
      const at = printableName(place.kind === "in-place" ? path : copy);
      return `  ${source.name}: ${at}: equal to what was captured`;
    }),
  );
  for (const { path, aside } of kept) {
    if (aside !== null) lines.push(`  what was at ${printableName(path)} is now ${printableName(aside)}`);
  }
  const partial = outcome === "partial" ? ", which is not all of it: see the warnings above" : "";
  lines.push(`restored ${formatBytes(sizeBytes)} in ${formatDuration(durationMs)}${partial}`);
  if (place.kind === "in-place") lines.push("`holdfast undo` takes it back");
  return lines;
}
