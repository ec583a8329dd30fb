// Lists recovery points: those of the wanted stacks in all repositories that may have some.
import { tellingError } from "../access/session.ts";
import { HoldfastError } from "@holdfast/repository";
import { OpenRepositories, repositoriesOfStacks, type ClosedRepository } from "../access/open-repositories.ts";
import { nameHint } from "../configuration/nearest-name.ts";
import type { ChoiceContext } from "./choose-snapshot.ts";
import type { RepositoryIdentity } from "../state/known-points.ts";
import { readPoints, type RecordProblem, type RecoveryPoint } from "./recovery-points.ts";
import type { PresentSnapshots } from "./vanished-points.ts";

export interface PointList {
  /** Of all stacks together, the oldest first. */
  readonly points: readonly RecoveryPoint[];
  readonly failed: readonly ClosedRepository[];
  /** Snapshot files that cannot be read, with their repository's name. */
  readonly damagedSnapshots: readonly { readonly id: string; readonly repository: string }[];
  readonly recordProblems: readonly RecordProblem[];
  /** Stacks that have recovery points in these repositories and were not asked for. */
  readonly otherStacks: readonly string[];
  /** What every repository that could be looked at holds, of whatever stack. */
  readonly repositories: readonly { readonly identity: RepositoryIdentity; readonly present: PresentSnapshots }[];
}

/**
 * Without names: all stacks of the configuration. A name that the configuration does not have is looked for in all
 * repositories, for a stack may have been taken out of the file; when nobody knows it, `usage` is thrown.
 */
export async function listPoints(
  { configuration, job }: ChoiceContext,
  names: readonly string[],
  now: Date,
): Promise<PointList> {
  const stacks = new Set(names.length > 0 ? names : configuration.stacks.keys());
  const unknown = [...stacks].filter((name) => !configuration.stacks.has(name));
  const wanted =
    unknown.length > 0 ? [...configuration.repositories.values()] : repositoriesOfStacks(configuration, stacks);
  await using repositories = await OpenRepositories.open(wanted, job);
  const points: RecoveryPoint[] = [];
  const failed = [...repositories.failed];
  const damagedSnapshots: { id: string; repository: string }[] = [];
  const recordProblems: RecordProblem[] = [];
  const found = new Set<string>();
  const lookedAt: { identity: RepositoryIdentity; present: PresentSnapshots }[] = [];
  for (const opened of repositories.opened) {
    try {
      const read = await readPoints(opened, (stack) => stacks.has(stack), now);
      points.push(...read.points);
      recordProblems.push(...read.recordProblems);
      damagedSnapshots.push(...read.damagedSnapshots.map((id) => ({ id, repository: opened.repository.name })));
      for (const stack of read.stacks) found.add(stack);
      const identity = { id: opened.session.repository.id, name: opened.repository.name };
      lookedAt.push({ identity, present: read.present });
    } catch (error) {
      if (job.signal.aborted || !(error instanceof HoldfastError) || error.code === "internal") throw error;
      failed.push({ repository: opened.repository, error: tellingError(error) });
    }
  }
  const [missing] = unknown.filter((name) => !found.has(name));
  if (missing !== undefined && failed.length === 0) {
    throw new HoldfastError("usage", `there is no stack ${JSON.stringify(missing)}`, {
      hint: nameHint(missing, [...new Set([...configuration.stacks.keys(), ...found])]),
    });
  }
  points.sort((a, b) => a.time.getTime() - b.time.getTime());
  const otherStacks = [...found].filter((stack) => !stacks.has(stack));
  return { points, failed, damagedSnapshots, recordProblems, otherStacks, repositories: lookedAt };
}
