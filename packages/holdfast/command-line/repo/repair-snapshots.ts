// `holdfast repo repair snapshots`: takes what is lost out of snapshots, so that the rest can be used again.

import {
  HoldfastError,
  repairSnapshots as repair,
  type RepairedSnapshot,
  type RepairSnapshotsEvent,
  type StoredSnapshot,
} from "@holdfast/repository";
import { formatCount } from "../../display/amounts.ts";
import { exitCodes, type ExitCode } from "../../exit-codes.ts";
import { stackOf } from "../../records/tags.ts";
import type { Context } from "../context.ts";
import { printableName } from "../display/printable.ts";
import { keepCopy } from "../kept-copy.ts";
import { openForRepair, RepairProgress } from "../repair-session.ts";
import { chooseSnapshots, filterOfOptions, type KnownSnapshots } from "../snapshot-filter.ts";
import { loadSnapshots } from "../snapshot-options.ts";
import { tagsOfRepaired } from "../stack-snapshots.ts";
import { formatTime } from "../values/times.ts";
import type { RepairOptions } from "./repair.ts";

type Change = Extract<RepairSnapshotsEvent, { kind: "change" }>["change"];

/** In the words of restic. */
const changes: Readonly<Record<Change, (name: string) => string>> = {
  shortened: (name) => `  file ${name}: removed missing content`,
  resized: (name) => `  file ${name}: fixed incorrect size`,
  removed: (name) => `  file ${name}: removed node with invalid type`,
  emptied: (name) => `  dir ${name}: replaced with empty directory`,
  lost: (name) => `  dir ${name}: not readable`,
};

export async function repairSnapshots(
  context: Context,
  words: readonly string[],
  options: RepairOptions,
): Promise<ExitCode> {
  const { output } = context;
  const dryRun = options.dryRun ?? false;
  const forget = options.forget ?? false;
  await using session = await openForRepair(context, dryRun);
  const known = await loadSnapshots(context, session.repository);
  const { snapshots, unreadable } = chosen(context, known, words, options);
  if (unreadable.length > 0 && !forget) throw unreadableSnapshots(unreadable);
  using progress = new RepairProgress(context);
  const result = await repair(
    session.repository,
    {
      snapshots,
      stored: known.snapshots,
      unreadable,
      forget,
      dryRun,
      inheritedTags: tagsOfRepaired,
      mayWrite: session.mayWrite,
      keep: (id, bytes) => keepCopy(`snapshot-${id}`, bytes),
      signal: session.signal,
    },
    (event) => {
      if (event.kind === "snapshot") {
        progress.update("snapshots", event.number, snapshots.length);
        if (!output.json) output.detail(snapshotLine(event.snapshot));
      } else if (output.json) {
        const path = event.path.toString("utf8");
        output.jsonLine({ message_type: "repair", kind: event.change, path });
      } else output.line(changes[event.change](printableName(event.path)));
    },
  );
  const changed = result.snapshots.filter(({ outcome }) => outcome !== "whole");
  for (const each of changed) {
    if (output.json) output.jsonLine(repairedJson(each));
    else for (const line of repairedLines(each, dryRun)) output.line(line);
  }
  const points = changed.filter(({ snapshot, outcome }) => outcome === "changed" && stackOf(snapshot) !== null);
  if (points.length > 0) {
    const what = formatCount(points.length, "recovery point");
    output.warn(`${what} of stacks lost something: what is left of them counts as recovery points no more`);
  }
  if (!output.json)
    for (const id of unreadable) output.line(`${dryRun ? "would remove" : "removed"} unreadable snapshot ${id}`);
  const modified =
    changed.filter(({ outcome, isRemoved }) => outcome === "changed" || isRemoved).length + unreadable.length;
  if (output.json)
    output.jsonLine({
      message_type: "summary",
      dry_run: dryRun,
      snapshots: snapshots.length,
      snapshots_modified: modified,
      snapshots_lost: changed.filter(({ outcome }) => outcome === "lost").length,
      unreadable_removed: unreadable,
    });
  else output.note(modifiedLine(modified, dryRun));
  const removed =
    unreadable.length + changed.filter(({ outcome, isRemoved }) => outcome === "lost" && isRemoved).length;
  if (!output.json && !dryRun && removed > 0)
    output.note("the removed snapshot files are in the current directory, as snapshot-ID");
  // restic, too, does not call it done while a snapshot file cannot be read.
  const left = known.damaged.map(({ id }) => id).filter((id) => !unreadable.includes(id));
  if (words.length === 0 && left.length > 0) throw unreadableSnapshots(left);
  return exitCodes.done;
}

/** The readable snapshots that are meant, and the unreadable ones among those that are named. */
function chosen(
  context: Context,
  known: KnownSnapshots<StoredSnapshot>,
  words: readonly string[],
  options: RepairOptions,
): { snapshots: readonly StoredSnapshot[]; unreadable: string[] } {
  const filter = filterOfOptions(options, context.globals.host);
  const matches = (word: string): string[] =>
    known.damaged.filter(({ id }) => word !== "" && id.startsWith(word)).map(({ id }) => id);
  const isUnreadable = (word: string): boolean =>
    matches(word).length === 1 && !known.snapshots.some(({ id }) => id.startsWith(word));
  const unreadable = new Set(words.filter(isUnreadable).flatMap(matches));
  const readable = words.filter((word) => !isUnreadable(word));
  const snapshots = words.length > 0 && readable.length === 0 ? [] : chooseSnapshots(known, readable, filter);
  return { snapshots, unreadable: [...unreadable] };
}

function unreadableSnapshots(ids: readonly string[]): HoldfastError {
  const [first = ""] = ids;
  return new HoldfastError("damaged", `${formatCount(ids.length, "snapshot file")} cannot be read: ${ids.join(", ")}`, {
    hint: `bring it back from a copy of the repository, or remove it with \`holdfast repo repair snapshots --forget ${first}\`; \`holdfast repo recover\` then finds its files`,
    context: { type: "snapshot", id: first },
  });
}

function snapshotLine({ id, paths, time, username, hostname }: StoredSnapshot): string {
  const what = paths.map((path) => printableName(path)).join(" ");
  return `snapshot ${id.slice(0, 8)} of [${what}] at ${formatTime(new Date(time))} by ${printableName(username)}@${printableName(hostname)}`;
}

function repairedLines({ snapshot, outcome, newId, isRemoved }: RepairedSnapshot, dryRun: boolean): string[] {
  const lines = [snapshotLine(snapshot)];
  if (outcome === "lost") {
    if (isRemoved) lines.push(dryRun ? "  would delete empty snapshot" : "  removed empty snapshot");
    else lines.push("  nothing of it can be read; --forget removes it");
    return lines;
  }
  lines.push(newId === null ? "  would save new snapshot" : `  saved new snapshot ${newId.slice(0, 8)}`);
  if (isRemoved) lines.push(dryRun ? "  would remove old snapshot" : "  removed old snapshot");
  return lines;
}

function repairedJson({ snapshot, outcome, newId, isRemoved }: RepairedSnapshot): object {
  return {
    message_type: "repair",
    kind: outcome === "lost" ? "snapshot-lost" : "snapshot-changed",
    snapshot_id: snapshot.id,
    new_snapshot_id: newId,
    removed: isRemoved,
  };
}

function modifiedLine(count: number, dryRun: boolean): string {
  if (count === 0) return dryRun ? "no snapshots would be modified" : "no snapshots were modified";
  return `${dryRun ? "would modify" : "modified"} ${formatCount(count, "snapshot")}`;
}
