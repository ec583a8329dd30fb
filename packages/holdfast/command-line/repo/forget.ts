// `holdfast repo forget`: removes snapshots, by their ids or by rules that say which are kept.

import {
  forgetSnapshots,
  HoldfastError,
  isEmptyPolicy,
  planForget,
  systemZone,
  type ForgetPlan,
  type ForgetPolicy,
  type Grouping,
  type PruneRules,
  type StoredSnapshot,
} from "@holdfast/repository";
import type { Command } from "commander";
import type { Session } from "../../access/session.ts";
import { formatCount } from "../../display/amounts.ts";
import { exitCodes, type ExitCode } from "../../exit-codes.ts";
import type { Context, Verb } from "../context.ts";
import { addKeepOptions, policyOfOptions, type KeepOptions } from "../forget-options.ts";
import { addPruneRuleOptions, pruneRulesOf, type PruneRuleOptions } from "../prune-options.ts";
import { runPrune } from "../run-prune.ts";
import { forgetPlanJson, forgetPlanLines } from "../forget-report.ts";
import { withoutKept } from "../kept-snapshots.ts";
import { openSession } from "../session.ts";
import { chooseSnapshots, filterOfOptions, matchesFilter, parseGrouping } from "../snapshot-filter.ts";
import { addSnapshotOptions, loadSnapshots, type SnapshotOptions } from "../snapshot-options.ts";

interface ForgetOptions extends KeepOptions, SnapshotOptions, PruneRuleOptions {
  groupBy: string;
  compact?: boolean;
  dryRun?: boolean;
  unsafeAllowRemoveAll?: boolean;
  prune?: boolean;
}

/** What the options ask for, before a repository is opened. */
interface Wish {
  readonly policy: ForgetPolicy;
  readonly grouping: Grouping;
  readonly mayRemoveAll: boolean;
  readonly pruneRules: PruneRules;
}

export const forget: Verb<ForgetOptions> = {
  describe(command: Command): void {
    command.description(
      "Remove snapshots: those named, or all that no --keep rule keeps. The data goes with `prune`, when nothing needs it.",
    );
    addKeepOptions(command);
    addSnapshotOptions(command, "of the list", "--host <host>");
    command
      .option("-g, --group-by <what>", "each of host, paths, tags (with commas) is judged by itself", "host,paths")
      .option("-c, --compact", "one line a snapshot, without paths and reasons")
      .option("-n, --dry-run", "remove nothing, show what would be done and why")
      .option("--unsafe-allow-remove-all", "without any rule, remove all that pass the filter")
      .option("--prune", "then prune, if snapshots were removed; as the next options say");
    addPruneRuleOptions(command);
    command.addHelpText(
      "after",
      `
What any rule keeps stays; hours, days, weeks, months and years are those of the clock where the snapshot was made.
While a rule by number is not used up, the oldest snapshot is kept too. Recovery points of stacks are better left to
\`holdfast prune\`, which knows pins, holds, proofs and which of them are good.

Examples:
  $ holdfast repo forget --keep-daily 7 --keep-weekly 4 --dry-run
  $ holdfast repo forget --keep-within 30d --group-by host
  $ holdfast repo forget 44d9def0
`,
    );
  },

  async run(context: Context, words: readonly string[], options: ForgetOptions): Promise<ExitCode> {
    const dryRun = options.dryRun ?? false;
    const wish = wishOf(context, words, options);
    await using session = await openSession(context, "exclusive", !dryRun);
    const plan = words.length > 0 ? null : await planned(context, session, wish, options);
    const { output } = context;
    if (plan !== null && !output.json && output.verbosity > 0) {
      for (const line of forgetPlanLines(plan, options.compact ?? false)) output.line(line);
    }
    const removals = plan?.groups.flatMap((group) => group.remove) ?? (await named(context, session, words, options));
    const ids = removals.map(({ id }) => id);
    const failures = dryRun ? 0 : await remove(context, session, ids);
    if (output.json && plan !== null && plan.groups.length > 0) output.jsonLine(forgetPlanJson(plan));
    else if (dryRun) output.note(wouldRemove(ids));
    if (failures > 0) return exitCodes.partial;
    if (options.prune === true && ids.length > 0)
      await runPrune(context, session, {
        rules: wish.pruneRules,
        dryRun,
        ...(dryRun ? { without: new Set(ids) } : {}),
      });
    return exitCodes.done;
  },
};

/** Throws `usage` for what contradicts itself. */
function wishOf(context: Context, words: readonly string[], options: ForgetOptions): Wish {
  const wish = {
    policy: policyOfOptions(options),
    grouping: parseGrouping(options.groupBy),
    mayRemoveAll: options.unsafeAllowRemoveAll ?? false,
    pruneRules: pruneRulesOf(options),
  };
  const refuse = (problem: string, hint: string): never => {
    throw new HoldfastError("usage", problem, { hint });
  };
  if (context.globals.noLock && options.dryRun !== true)
    refuse("--no-lock goes with --dry-run only", "leave --no-lock out: removing needs the repository alone");
  const isEmpty = isEmptyPolicy(wish.policy);
  if (words.length > 0 && (!isEmpty || wish.mayRemoveAll))
    refuse("snapshots are named, and rules are given besides", "name snapshots, or give rules");
  const { hosts, tags, paths } = filterOf(context, options);
  if (words.length === 0 && isEmpty && wish.mayRemoveAll && hosts.length + tags.length + paths.length === 0)
    refuse(
      "--unsafe-allow-remove-all would remove every snapshot of the repository",
      "say which are meant with --host, --tag or --path",
    );
  return wish;
}

function filterOf(context: Context, options: ForgetOptions): ReturnType<typeof filterOfOptions> {
  return filterOfOptions(options, context.globals.host);
}

async function named(
  context: Context,
  { repository }: Session,
  words: readonly string[],
  options: ForgetOptions,
): Promise<StoredSnapshot[]> {
  const chosen = chooseSnapshots(await loadSnapshots(context, repository), words, filterOf(context, options));
  return withoutKept(context, repository, chosen, true);
}

async function planned(
  context: Context,
  session: Session,
  wish: Wish,
  options: ForgetOptions,
): Promise<ForgetPlan<StoredSnapshot>> {
  const { snapshots, damaged } = await loadSnapshots(context, session.repository);
  const [first] = damaged;
  if (first !== undefined) {
    throw new HoldfastError("damaged", `the snapshot ${first.id} cannot be read: no rule can be applied without it`, {
      hint: "bring its file back from a copy of the repository, or name the snapshots to remove by their ids",
      context: { type: "snapshot", id: first.id },
      cause: first.error,
    });
  }
  const filter = filterOf(context, options);
  const matching = snapshots.filter((snapshot) => matchesFilter(snapshot, filter));
  const chosen = await withoutKept(context, session.repository, matching, false);
  return planForget(chosen, wish, { now: context.now(), localZone: systemZone });
}

/** How many could not be removed; each is reported. */
async function remove(context: Context, session: Session, ids: readonly string[]): Promise<number> {
  const { output } = context;
  const { removed, failed } = await forgetSnapshots(session.repository, ids, {
    signal: session.signal,
    onRemoved: (id) => output.detail(`removed snapshot ${id}`),
  });
  for (const { id, error } of failed) output.itemError(`snapshot ${id}`, "remove", error);
  output.note(`${formatCount(removed.length, "snapshot")} removed`);
  return failed.length;
}

function wouldRemove(ids: readonly string[]): string {
  return ids.length === 0
    ? "no snapshot would be removed"
    : `${formatCount(ids.length, "snapshot")} would be removed: ${ids.map((id) => id.slice(0, 8)).join(", ")}`;
}
