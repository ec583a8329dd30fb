// `holdfast repo snapshots`: lists the snapshots.

import { groupSnapshots, type GroupKey, type StoredSnapshot } from "@holdfast/repository";
import type { Command } from "commander";
import type { Context, Verb } from "../context.ts";
import { formatCount } from "../../display/amounts.ts";
import { renderTable } from "../display/table.ts";
import { exitCodes, type ExitCode } from "../../exit-codes.ts";
import { lastOfEach, newestFirst, oldestFirst, parseGrouping } from "../snapshot-filter.ts";
import { snapshotToJson } from "../snapshot-json.ts";
import { groupTitle, snapshotColumns } from "../snapshot-table.ts";
import { addSnapshotOptions, severalSnapshots, type SnapshotOptions } from "../snapshot-options.ts";
import { openSession } from "../session.ts";
import { parseCount } from "../values/sizes.ts";

interface ListOptions extends SnapshotOptions {
  compact?: boolean;
  latest?: string;
  groupBy?: string;
}

interface Group {
  readonly key: GroupKey;
  readonly snapshots: readonly StoredSnapshot[];
}

export const snapshots: Verb<ListOptions> = {
  describe(command: Command): void {
    command.description("List the snapshots, the newest last.");
    addSnapshotOptions(command, "of the list");
    command
      .option("-c, --compact", "one line a snapshot, without paths")
      .option("--latest <n>", "only the last n of each host and set of paths")
      .option("-g, --group-by <what>", "a table for each of host, paths, tags (with commas between them)");
  },

  async run(context: Context, words: readonly string[], options: ListOptions): Promise<ExitCode> {
    const grouping = parseGrouping(options.groupBy ?? "");
    const latest = options.latest === undefined ? Infinity : parseCount(options.latest, "--latest");
    await using session = await openSession(context, "shared");
    const chosen = await severalSnapshots(context, session.repository, words, options);
    const grouped = grouping.host || grouping.paths || grouping.tags;
    const groups = groupSnapshots(chosen, grouping).map(({ key, snapshots: all }) => {
      const last = grouped ? newestFirst(all).slice(0, latest) : lastOfEach(all, latest);
      return { key, snapshots: oldestFirst(last) };
    });
    if (context.output.json) context.output.jsonLine(groupsToJson(groups, grouped));
    else for (const line of snapshotLines(groups, grouped, options.compact ?? false)) context.output.line(line);
    return exitCodes.done;
  },
};

/** restic's shapes: a list of snapshots, or of groups if there is a grouping. */
export function groupsToJson(groups: readonly Group[], grouped: boolean): unknown {
  if (!grouped) return groups.flatMap((group) => group.snapshots.map(snapshotToJson));
  return groups.map(({ key, snapshots: members }) => ({ group_key: key, snapshots: members.map(snapshotToJson) }));
}

export function snapshotLines(groups: readonly Group[], grouped: boolean, compact: boolean): string[] {
  if (groups.length === 0) return ["0 snapshots"];
  return groups.flatMap(({ key, snapshots: members }, index) => {
    const header = grouped ? [...(index > 0 ? [""] : []), `snapshots of ${groupTitle(key)}:`] : [];
    return [
      ...header,
      ...renderTable(snapshotColumns(members, compact), members, [formatCount(members.length, "snapshot")]),
    ];
  });
}
