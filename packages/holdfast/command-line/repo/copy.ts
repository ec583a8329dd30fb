// `holdfast repo copy`: copies snapshots from another repository into this one.

import { copy, HoldfastError } from "@holdfast/repository";
import type { Command } from "commander";
import { formatCount } from "../../display/amounts.ts";
import { exitCodes, type ExitCode } from "../../exit-codes.ts";
import type { Context, Verb } from "../context.ts";
import { CopyDisplay, copySummaryJson, copySummaryLine } from "../copy-report.ts";
import { addFromOptions, fromContext, type FromOptions } from "../from-options.ts";
import { openSession } from "../session.ts";
import { chooseSnapshots, filterOfOptions } from "../snapshot-filter.ts";
import { addSnapshotOptions, loadSnapshots, type SnapshotOptions } from "../snapshot-options.ts";

type CopyOptions = SnapshotOptions & FromOptions;

export const copyVerb: Verb<CopyOptions> = {
  describe(command: Command): void {
    command.description("Copy snapshots, all or those that are named, from another repository into this one.");
    addFromOptions(command);
    addSnapshotOptions(command, "of the list");
    command.addHelpText(
      "after",
      `
What is there already is not copied again, and nothing is ever removed from this repository: a snapshot that was
forgotten in the other one stays here. Interrupted, the same command goes on where it stopped. A snapshot that needs
damaged data is named and left out; the exit code is then 1.

Data is shared with later backups into this repository only when both cut files alike: make it with
\`holdfast repo init --copy-chunker-params\`.

Examples:
  $ holdfast repo copy -r /mnt/offsite -p /etc/holdfast/offsite-key --from-repo /srv/backups --from-password-file /etc/holdfast/key
  $ holdfast repo copy -r /mnt/offsite --from-repo /srv/backups --tag stack:mist
`,
    );
  },

  async run(context: Context, words: readonly string[], options: CopyOptions): Promise<ExitCode> {
    const { output } = context;
    const origin = fromContext(context, options);
    await using from = await openSession(origin, "shared");
    await using to = await openSession(context, "shared", true);
    const known = await loadSnapshots(origin, from.repository);
    const snapshots = chooseSnapshots(known, words, filterOfOptions(options, context.globals.host));
    using display = new CopyDisplay(context);
    const mayWrite = Promise.all([from.mayWrite, to.mayWrite]).then(() => undefined);
    // A copy that has nothing to write does not wait for it.
    mayWrite.catch(() => undefined);
    const request = {
      snapshots,
      mayWrite,
      signal: AbortSignal.any([from.signal, to.signal]),
    };
    const report = await copy(from.repository, to.repository, request, (event) => display.show(event));
    display[Symbol.dispose]();
    if (output.json) output.jsonLine(copySummaryJson(report, display.elapsedMs));
    else output.note(copySummaryLine(report));
    const problems = display.errors + (words.length === 0 ? known.damaged.length : 0);
    if (problems === 0) return exitCodes.done;
    throw new HoldfastError("damaged", `the copy is not complete: ${formatCount(problems, "problem")}, named above`, {
      hint: "run `holdfast repo check --read-data` on both repositories; everything that is not named is copied",
    });
  },
};
