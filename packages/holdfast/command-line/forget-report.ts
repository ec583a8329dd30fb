// What `forget` prints: the plan as tables for people, and as restic's JSON for programs.

import type { ForgetGroup, ForgetPlan, StoredSnapshot } from "@holdfast/repository";
import { formatCount } from "../display/amounts.ts";
import { renderTable, type Column } from "./display/table.ts";
import { snapshotToJson } from "./snapshot-json.ts";
import { groupTitle, snapshotColumns } from "./snapshot-table.ts";

/** restic's list of groups; empty lists are null there, the tags of a group without tags too. */
export function forgetPlanJson({ groups }: ForgetPlan<StoredSnapshot>): object[] {
  const orNull = <Value>(list: readonly Value[]): readonly Value[] | null => (list.length === 0 ? null : list);
  return groups.map(({ key, keep, remove }) => ({
    tags: orNull(key.tags ?? []),
    host: key.hostname,
    paths: orNull(key.paths ?? []),
    keep: orNull(keep.map(({ snapshot }) => snapshotToJson(snapshot))),
    remove: orNull(remove.map(snapshotToJson)),
    reasons: orNull(keep.map(({ snapshot, reasons }) => ({ snapshot: snapshotToJson(snapshot), matches: reasons }))),
  }));
}

export function forgetPlanLines({ policy, groups }: ForgetPlan<StoredSnapshot>, compact: boolean): string[] {
  return [`applying the policy: ${policy}`, "", ...groups.flatMap((group) => groupLines(group, compact))];
}

function groupLines({ key, keep, remove }: ForgetGroup<StoredSnapshot>, compact: boolean): string[] {
  const title = groupTitle(key);
  const reasons = new Map(keep.map((each) => [each.snapshot.id, each.reasons]));
  const reasonsColumn: Column<StoredSnapshot> = {
    title: "Reasons",
    cell: ({ id }) => (reasons.get(id) ?? []).join("\n"),
  };
  const table = (what: string, newestFirst: readonly StoredSnapshot[], more: readonly Column<StoredSnapshot>[]) => {
    if (newestFirst.length === 0) return [];
    const rows = newestFirst.toReversed();
    const columns = [...snapshotColumns(rows, compact)];
    if (!compact) columns.splice(4, 0, ...more);
    return [`${what} ${formatCount(rows.length, "snapshot")}:`, ...renderTable(columns, rows, []), ""];
  };
  const kept = keep.map(({ snapshot }) => snapshot);
  return [
    ...(title === "" ? [] : [`snapshots of ${title}:`]),
    ...table("keep", kept, [reasonsColumn]),
    ...table("remove", remove, []),
  ];
}
