// `holdfast demo`: shows a backup, a loss and a restore on a copy of files of this machine.

import { resolve } from "node:path";
import { HoldfastError } from "@holdfast/repository";
import type { Command } from "commander";
import type { Context, Verb } from "../command-line/context.ts";
import { formatCount } from "../command-line/display/amounts.ts";
import { exitCodes, type ExitCode } from "../command-line/exit-codes.ts";
import { identityOfProcess } from "../command-line/session.ts";
import { usualSources, wholeSource } from "./choose-entries.ts";
import { reportJson, reportLines } from "./demo-report.ts";
import { demonstrate } from "./demonstration.ts";
import { rawPath, type RawPath } from "./raw-path.ts";
import { Workplace } from "./workplace.ts";

interface DemoOptions {
  keep?: string;
}

export const demo: Verb<DemoOptions> = {
  describe(command: Command): void {
    command
      .description(
        "Back up a copy of real files of this machine, change it, back it up again, destroy it, restore it,\n" +
          "and compare every byte and attribute; then let plain restic do the same, where it is installed.",
      )
      .option("--keep <folder>", "do it in this new or empty folder, and leave the repository there to play with")
      .option("-q, --quiet", "print nothing but errors")
      .option("--json", "print one JSON object at the end")
      .addHelpText(
        "after",
        "\nWithout paths: some 200 MiB of what everybody may read in /etc and /usr. The files themselves are only read;\n" +
          "all is done on a copy in TMPDIR, /tmp or /var/tmp, and removed afterwards, also after Ctrl-C.\n\n" +
          "Examples:\n  $ ./holdfast demo\n  $ ./holdfast demo ~/documents --keep /var/tmp/demo\n",
      );
  },

  async run(context: Context, words: readonly string[], options: DemoOptions): Promise<ExitCode> {
    const { output, clock, now, signal, environment, programVersion } = context;
    const sources = words.length === 0 ? usualSources : words.map((word) => wholeSource(absolute(context, word)));
    const keep = options.keep === undefined ? undefined : resolve(options.keep);
    using place = Workplace.create(keep, environment);
    output.note("A backup, a loss and a restore, on a copy of files of this machine.");
    output.note("");
    const identity = identityOfProcess();
    const parts = { place, sources, output, clock, now, signal, environment, identity, programVersion };
    const report = await demonstrate(parts);
    if (output.json) output.jsonLine(reportJson(report));
    else for (const line of ["", ...reportLines(report), ""]) output.note(line);
    if (keep !== undefined) for (const line of invitation(place)) output.note(line);
    if (report.differences === 0) {
      output.note(`Everything came back as it was. ${report.seconds.toFixed(1)} seconds in all.`);
      return exitCodes.done;
    }
    throw new HoldfastError("internal", `not everything came back as it was: ${formatCount(report.differences, "difference")}`, {
      hint: "this is a defect of Holdfast: please report it with the lines above",
    });
  },
};

/** As it was typed, links in it included; without a slash at the end. */
function absolute(context: Context, word: string): RawPath {
  return resolve(rawPath(process.cwd()), rawPath(context.rawArguments(word)));
}

/** How to go on with a kept repository. */
function invitation(place: Workplace): string[] {
  const quoted = (path: string): string => (/^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`);
  return [
    `Kept in ${place.directory}: the repository, its password, and the restored latest snapshot. To go on:`,
    `  export RESTIC_REPOSITORY=${quoted(place.repository)} RESTIC_PASSWORD_FILE=${quoted(place.passwordFile)}`,
    "  ./holdfast repo snapshots",
    "  ./holdfast repo ls latest",
    "  ./holdfast repo restore latest --target /tmp/restored",
    "  restic snapshots",
    "",
  ];
}
