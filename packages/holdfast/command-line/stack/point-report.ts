// A recovery point as a row for people and an object for programs; and what could not be read of a list of them.
import { parseTime } from "@holdfast/repository";
import type { PointList } from "../../jobs/list-points.ts";
import { provenAt, type RecoveryPoint } from "../../jobs/recovery-points.ts";
import { planOf } from "../../records/tags.ts";
import { exitCodeOf, exitCodes, type ExitCode } from "../../exit-codes.ts";
import type { Output } from "../output.ts";
import { formatTime } from "../values/times.ts";
import { worstExitCode } from "../../worst-exit-code.ts";

/** `pinned`, `held`, `held until 2027-01-31`. */
export function marksOf({ record }: RecoveryPoint): string[] {
  const { pins, holds } = record;
  const held = holds.some(({ until }) => until === null)
    ? ["held"]
    : holds.flatMap(({ until }) => until ?? []).toSorted((a, b) => Date.parse(b) - Date.parse(a));
  const latest = held[0];
  return [
    ...(pins.length > 0 ? ["pinned"] : []),
    ...(latest === undefined
      ? []
      : [latest === "held" ? latest : `held until ${formatTime(new Date(latest)).slice(0, 10)}`]),
  ];
}

type PointFacts = Pick<RecoveryPoint, "snapshot" | "stack" | "repository" | "manifest">;

/** What the snapshot itself and its manifest say. */
export function pointFactsJson({ snapshot, stack, repository, manifest }: PointFacts): Record<string, unknown> {
  return {
    message_type: "recovery_point",
    id: snapshot.id,
    short_id: snapshot.id.slice(0, 8),
    time: new Date(Number(parseTime(snapshot.time) / 1_000_000n)).toISOString(),
    stack,
    plan: planOf(snapshot),
    host: snapshot.hostname,
    repository: repository.name,
    outcome: manifest?.outcome ?? "damaged",
    consistency: manifest?.consistency ?? null,
    skew_ms: manifest?.skewMs ?? null,
    bytes: snapshot.summary?.totalBytesProcessed ?? null,
    sources: Object.fromEntries(
      Object.entries(manifest?.sources ?? {}).map(([name, { kind, outcome, reason }]) => [
        name,
        { kind, outcome, reason },
      ]),
    ),
  };
}

export function pointJson(point: RecoveryPoint): Record<string, unknown> {
  const { problem, record } = point;
  return {
    ...pointFactsJson(point),
    problem: problem?.message ?? null,
    proven_at: provenAt(point)?.toISOString() ?? null,
    pins: record.pins.map(({ at, by, note }) => ({ at, by, note })),
    holds: record.holds.map(({ at, by, note, until }) => ({ at, by, note, until })),
  };
}

/** Says what of the list could not be read; the exit code for it. */
export function reportProblems(list: PointList, output: Output): ExitCode {
  const codes: ExitCode[] = [];
  for (const { problem } of list.points) {
    if (problem === null) continue;
    output.itemError("", "list", problem);
    codes.push(exitCodes.failed);
  }
  for (const { repository, error } of list.failed) {
    output.itemError(`the repository ${repository.name}`, "open", error);
    codes.push(exitCodeOf(error.code));
  }
  return worstExitCode([...codes, reportUnreadable(list, output)]);
}

/** The same for what belongs to no recovery point that is known. */
export function reportUnreadable({ damagedSnapshots, recordProblems }: PointList, output: Output): ExitCode {
  for (const { id, repository } of damagedSnapshots) {
    output.warn(
      `the snapshot ${id.slice(0, 8)} of ${repository} is damaged, and may be a recovery point: run \`holdfast check\``,
    );
  }
  for (const { error } of recordProblems) output.warn(`${error.message}: proofs, pins and holds may be missing`);
  return damagedSnapshots.length + recordProblems.length > 0 ? exitCodes.failed : exitCodes.done;
}
