// `holdfast demo`: shows backups, disasters and recoveries on a small application made for it.

import { resolve } from "node:path";
import { hasCode, HoldfastError } from "@holdfast/repository";
import type { Command } from "commander";
import type { Context, Verb } from "../command-line/context.ts";
import { formatCount } from "../display/amounts.ts";
import { exitCodes, type ExitCode } from "../exit-codes.ts";
import { usualSources, wholeSource } from "./choose-entries.ts";
import { reportJson, reportLines, type DemoReport } from "./demo-report.ts";
import { demonstrate } from "./demonstration.ts";
import { rawPath, type RawPath } from "../filesystem/raw-path.ts";
import { Workplace } from "./workplace.ts";

interface DemoOptions {
  keep?: string;
}

export const demo: Verb<DemoOptions> = {
  describe(command: Command): void {
    command
      .description(
        "Build a small application with a database that is written to, back it up twice, wreck it four times, bring " +
          "it back, and compare every row, byte and attribute; then let plain restic restore it too, where that is installed.",
      )
      .option("--keep <folder>", "do it in this new or empty folder, and leave the repository there to play with")
      .option("-q, --quiet", "print nothing but errors")
      .option("--json", "print one JSON object at the end")
      .addHelpText(
        "after",
        "\nIts uploads are a copy of the paths, or of some files that everybody may read in /etc and /usr; they are only read.\n" +
          "All is done in TMPDIR, /tmp or /var/tmp, and removed afterwards, also after Ctrl-C.\n\n" +
          "Examples:\n  $ ./holdfast demo\n  $ ./holdfast demo ~/documents --keep /var/tmp/demo\n",
      );
  },

  async run(context: Context, words: readonly string[], options: DemoOptions): Promise<ExitCode> {
    const { output, signal, environment } = context;
    const sources = words.length === 0 ? usualSources : words.map((word) => wholeSource(absolute(context, word)));
    const keep = options.keep === undefined ? undefined : resolve(options.keep);
    await using place = Workplace.create(keep, environment);
    output.note("A live application: two backups, four disasters, and the way back.");
    output.note("");
    try {
      const report = await demonstrate({ ...context, place, sources });
      return conclude(context, report);
    } catch (error) {
      if (!hasCode(signal.reason, "interrupted")) throw error;
      output.failure(interruptionOf(signal.reason, keep), exitCodes.interrupted);
      return exitCodes.interrupted;
    } finally {
      if (keep !== undefined) for (const line of invitation(place)) output.note(line);
    }
  },
};

function conclude({ output }: Context, report: DemoReport): ExitCode {
  if (output.json) output.jsonLine(reportJson(report));
  else for (const line of ["", ...reportLines(report), ""]) output.note(line);
  if (report.problems > 0) {
    const count = formatCount(report.problems, "difference");
    throw new HoldfastError("internal", `not everything came back as it was: ${count}`, {
      hint: "this is a defect of Holdfast: please report it with the lines above",
    });
  }
  output.note(`Everything came back as it was. ${report.seconds.toFixed(1)} seconds in all.`);
  return exitCodes.done;
}

/** Another run of a backup finds again what was stored; another demo begins anew. */
function interruptionOf({ message }: HoldfastError, keep: string | undefined): HoldfastError {
  const hint = keep === undefined ? "all that the demo made is removed" : `what the demo made so far is in ${keep}`;
  return new HoldfastError("interrupted", message, { hint });
}

/** As it was typed, links in it included; without a slash at the end. */
function absolute(context: Context, word: string): RawPath {
  return resolve(rawPath(process.cwd()), rawPath(context.rawArguments(word)));
}

/** How to go on with a kept repository. */
function invitation(place: Workplace): string[] {
  const quoted = (path: string): string => (/^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`);
  return [
    "",
    `Kept in ${place.directory}: application, configuration, repository, password. To go on:`,
    `  export HOLDFAST=$PWD/holdfast; cd ${quoted(place.directory)}`,
    "  $HOLDFAST restore shop --to restored",
    "  $HOLDFAST drill",
    `  export RESTIC_REPOSITORY=repository RESTIC_PASSWORD_FILE=password`,
    "  $HOLDFAST repo snapshots",
    "  restic snapshots",
  ];
}
