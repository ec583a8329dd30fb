// `holdfast repo tag`: changes the tags of snapshots.

import { changeTags, HoldfastError, SnapshotReplacer, type StoredSnapshot, type TagChange } from "@holdfast/repository";
import type { Command } from "commander";
import { formatCount } from "../../display/amounts.ts";
import { exitCodes, type ExitCode } from "../../exit-codes.ts";
import type { Context, Verb } from "../context.ts";
import { collect } from "../global-options.ts";
import { openSession } from "../session.ts";
import { chooseSnapshots, filterOfOptions, parseTagLists } from "../snapshot-filter.ts";
import { addSnapshotOptions, loadSnapshots, type SnapshotOptions } from "../snapshot-options.ts";
import { withoutStackSnapshots } from "../stack-snapshots.ts";

interface TagOptions extends SnapshotOptions {
  set?: string[];
  add?: string[];
  remove?: string[];
}

export const tagVerb: Verb<TagOptions> = {
  describe(command: Command): void {
    command
      .description("Change the tags of snapshots: of all, or of those given. Each gets a new id.")
      .option("--set <tag,...>", "these take the place of all tags; '' takes all away; repeat for more", collect)
      .option("--add <tag,...>", "add these; repeat for more", collect)
      .option("--remove <tag,...>", "take these away; repeat for more", collect);
    addSnapshotOptions(command, "of the list");
    command.addHelpText(
      "after",
      `
Recovery points of stacks keep their tags and ids, since proofs, pins and holds name them.

Examples:
  $ holdfast repo tag --add keep,yearly 44d9def0
  $ holdfast repo tag --tag draft --remove draft
`,
    );
  },

  async run(context: Context, words: readonly string[], options: TagOptions): Promise<ExitCode> {
    const change = tagChange(options);
    await using session = await openSession(context, "exclusive", true);
    const known = await loadSnapshots(context, session.repository);
    const chosen = chooseSnapshots(known, words, filterOfOptions(options, context.globals.host));
    const snapshots = withoutStackSnapshots(context, chosen, words.length > 0);
    const replacer = new SnapshotReplacer(session.repository, known.snapshots, {
      original: "first",
      removeOld: true,
      mayWrite: session.mayWrite,
      signal: session.signal,
    });
    let changed = 0;
    for (const snapshot of snapshots) {
      const tags = changeTags(snapshot.tags, change);
      if (tags === null) continue;
      reportChanged(context, snapshot, await replacer.replace(snapshot, { tags }));
      changed++;
    }
    reportSummary(context, changed);
    // Those that could not be read may be meant too.
    return known.damaged.length > 0 && words.length === 0 ? exitCodes.failed : exitCodes.done;
  },
};

function tagChange({ set, add, remove }: TagOptions): TagChange {
  const tags = (lists: readonly string[] = []): string[] =>
    parseTagLists(lists)
      .flat()
      .filter((tag) => tag !== "");
  if (set === undefined && tags(add).length + tags(remove).length === 0)
    throw new HoldfastError("usage", "no change of tags was given", { hint: "give --set, --add or --remove" });
  if (set !== undefined && (add !== undefined || remove !== undefined)) {
    throw new HoldfastError("usage", "--set was given together with --add or --remove", {
      hint: "give all tags with --set, or only the changes",
    });
  }
  return { set: set === undefined ? null : tags(set), add: tags(add), remove: tags(remove) };
}

/** restic's line and object. */
export function reportChanged({ output }: Context, old: StoredSnapshot, newId: string): void {
  if (output.json) output.jsonLine({ message_type: "changed", old_snapshot_id: old.id, new_snapshot_id: newId });
  else output.detail(`old snapshot ID: ${old.id} -> new snapshot ID: ${newId}`);
}

function reportSummary({ output }: Context, changed: number): void {
  if (output.json) output.jsonLine({ message_type: "summary", changed_snapshots: changed });
  else output.note(changed === 0 ? "no snapshots were modified" : `modified ${formatCount(changed, "snapshot")}`);
}
