// `holdfast repo rewrite`: makes new snapshots of old ones, without certain files or with another host or time.

import {
  createTimeFormatter,
  HoldfastError,
  rewriteSnapshots,
  type RewriteEvent,
  type RewriteRequest,
} from "@holdfast/repository";
import type { Command } from "commander";
import { formatCount } from "../../display/amounts.ts";
import { exitCodes, type ExitCode } from "../../exit-codes.ts";
import type { Context, Verb } from "../context.ts";
import { printableName } from "../display/printable.ts";
import { addPathRuleOptions, hasNoRules, pathRulesOf, type PathRuleOptions } from "../path-rule-options.ts";
import { openSession } from "../session.ts";
import { chooseSnapshots, filterOfOptions } from "../snapshot-filter.ts";
import { addSnapshotOptions, loadSnapshots, type SnapshotOptions } from "../snapshot-options.ts";
import { belongsToStack, tagsOfRewritten, withoutStackSnapshots } from "../stack-snapshots.ts";
import { isRecord } from "../../records/tags.ts";
import { parseTimeNs } from "../values/times.ts";

interface RewriteOptions extends SnapshotOptions, PathRuleOptions {
  forget?: boolean;
  dryRun?: boolean;
  newHost?: string;
  newTime?: string;
  snapshotSummary?: boolean;
}

type Wish = Pick<RewriteRequest, "rules" | "countsAnew" | "hostname" | "time" | "removeOld" | "dryRun">;

export const rewriteVerb: Verb<RewriteOptions> = {
  describe(command: Command): void {
    command
      .description("Make new snapshots of old ones: without certain files, or with another host or time.")
      .option("--forget", "remove each old snapshot once the new one is stored")
      .option("-n, --dry-run", "store and remove nothing, only tell what would be")
      .option("--new-host <host>", "the host of the new snapshots")
      .option("--new-time <time>", 'the time of the new snapshots, like "2012-11-01 22:08:41"')
      .option("-s, --snapshot-summary", "count files and bytes, for snapshots that do not tell them");
    addPathRuleOptions(command, "leave out what matches", "keep only what matches");
    addSnapshotOptions(command, "of the list");
    command.addHelpText(
      "after",
      `
Without ids and without --host, --tag and --path, all snapshots are rewritten. The new ones get the tag "rewrite",
unless the old ones are removed. The data that nothing needs any more goes with \`prune\`. A rewritten recovery point of
a stack becomes an ordinary snapshot, since it is not what was captured; the recovery point itself stays.

Examples:
  $ holdfast repo rewrite --exclude '*.iso' --dry-run
  $ holdfast repo rewrite --exclude /home/me/secret --forget 44d9def0
  $ holdfast repo rewrite --new-host server --host old-name
`,
    );
  },

  async run(context: Context, words: readonly string[], options: RewriteOptions): Promise<ExitCode> {
    const wish = wishOf(context, options);
    const kind = wish.removeOld ? "exclusive" : "shared";
    await using session = await openSession(context, wish.dryRun ? "none" : kind, true);
    const known = await loadSnapshots(context, session.repository);
    const chosen = chooseSnapshots(known, words, filterOfOptions(options, context.globals.host));
    const belongs = wish.removeOld ? belongsToStack : isRecord;
    const report = new Report(context, wish);
    await rewriteSnapshots(
      session.repository,
      {
        ...wish,
        snapshots: withoutStackSnapshots(context, chosen, words.length > 0, belongs),
        stored: known.snapshots,
        tagsOf: (snapshot) => (wish.removeOld ? snapshot.tags : tagsOfRewritten(snapshot)),
        mayWrite: session.mayWrite,
        signal: session.signal,
      },
      (event) => report.event(event),
    );
    report.finish();
    // Those whose files could not be read may be meant too.
    const isComplete = report.failed === 0 && (known.damaged.length === 0 || words.length > 0);
    return isComplete ? exitCodes.done : exitCodes.failed;
  },
};

/** Throws `usage` for what contradicts itself. */
function wishOf(context: Context, options: RewriteOptions): Wish {
  const rules = pathRulesOf(options, context.environment);
  const wish: Wish = {
    rules,
    countsAnew: options.snapshotSummary ?? false,
    hostname: options.newHost || null,
    time: options.newTime ? createTimeFormatter()(parseTimeNs(options.newTime, "--new-time")) : null,
    removeOld: options.forget ?? false,
    dryRun: options.dryRun ?? false,
  };
  if (hasNoRules(rules) && !wish.countsAnew && wish.hostname === null && wish.time === null)
    throw new HoldfastError("usage", "there is nothing to rewrite", {
      hint: "give --exclude or --include patterns, --new-host, --new-time or --snapshot-summary",
    });
  return wish;
}

class Report {
  readonly #context: Context;
  readonly #wish: Wish;
  #changed = 0;
  failed = 0;

  constructor(context: Context, wish: Wish) {
    this.#context = context;
    this.#wish = wish;
  }

  event(event: RewriteEvent): void {
    const { output } = this.#context;
    if (event.kind === "left-out") {
      if (output.verbosity >= 3) output.detail(`excluding ${printableName(event.path)}`);
      return;
    }
    const shortId = event.snapshot.id.slice(0, 8);
    if (event.kind === "unchanged") {
      output.detail(`snapshot ${shortId} stays as it is`);
    } else if (event.kind === "failed") {
      this.failed++;
      output.itemError(`snapshot ${shortId}`, "rewrite", event.error);
    } else {
      this.#changed++;
      this.#tellChanged(event.snapshot.id, event.newId);
    }
  }

  /** restic has no JSON for this verb: the objects are those of `tag`. */
  #tellChanged(oldId: string, newId: string | null): void {
    const { output } = this.#context;
    const { removeOld } = this.#wish;
    if (output.json) {
      output.jsonLine({ message_type: "changed", old_snapshot_id: oldId, new_snapshot_id: newId ?? undefined });
      return;
    }
    const shortId = oldId.slice(0, 8);
    if (newId === null)
      output.note(`snapshot ${shortId}: would save a new snapshot${removeOld ? ", and remove this one" : ""}`);
    else
      output.note(
        `snapshot ${shortId}: saved new snapshot ${newId.slice(0, 8)}${removeOld ? ", removed the old one" : ""}`,
      );
  }

  finish(): void {
    const { output } = this.#context;
    const { dryRun } = this.#wish;
    if (output.json) {
      output.jsonLine({
        message_type: "summary",
        changed_snapshots: this.#changed,
        failed_snapshots: this.failed,
        dry_run: dryRun,
      });
      return;
    }
    const done = dryRun ? "would modify" : "modified";
    const none = dryRun ? "no snapshots would be modified" : "no snapshots were modified";
    output.note(this.#changed === 0 ? none : `${done} ${formatCount(this.#changed, "snapshot")}`);
  }
}
