// Finds out what a prune has to do: reads the index and all trees, and changes nothing.
import { availableParallelism } from "node:os";
import { HoldfastError } from "../../errors.ts";
import { decodeSnapshot } from "../../format/snapshot.ts";
import type { Repository, StoredSnapshot } from "../../store/repository.ts";
import { forEachAtOnce } from "../../store/repository.ts";
import { packTargetBytes } from "../../writer/pack-slots.ts";
import type { BlobMarks } from "../blob-marks.ts";
import { DamageLog, problemOf } from "../check/check-damage.ts";
import { CheckedIndex } from "../check/check-index.ts";
import { CheckPool } from "../check/check-pool.ts";
import { checkTrees } from "../check/check-trees.ts";
import { surveyPacks } from "./prune-facts.ts";
import type { PruneDecision, PruneRules } from "./prune-plan.ts";
import { decidePrune, usualPruneRules } from "./prune-plan.ts";

const readsAtOnce = 5;
const problemsNamed = 3;

/** What is missing is as `usualPruneRules` has it. */
export interface PruneOptions extends Partial<PruneRules> {
  /** Ids of snapshots that count as removed already, to show what a prune would do then. Not for a plan to be applied. */
  readonly without?: ReadonlySet<string> | undefined;
  readonly workers?: number | undefined;
  /** Ends planning and, later, applying with `interrupted`. */
  readonly signal?: AbortSignal | undefined;
}

/** `packs` and `remove` count packs, `index` index files (for `replace-index` those that were removed), `trees` trees. */
export type PrunePhase = "snapshots" | "index" | "trees" | "repack" | "replace-index" | "remove";

/** `total` is null where it is not known beforehand. */
export interface PruneEvent {
  readonly kind: "progress";
  readonly phase: PrunePhase;
  readonly done: number;
  readonly total: number | null;
}

/** What a prune would do, and the repository for which that is true. */
export interface PrunePlan {
  /** Everything that can be shown. */
  readonly decision: PruneDecision;
  /** False when everything is as it should be. */
  readonly isNeeded: boolean;
  readonly replacesIndex: boolean;
  /** The ids of the snapshots that were taken into account, and the names of all index files. */
  readonly snapshots: readonly string[];
  readonly indexFiles: readonly string[];
  /** For `applyPrune` only: the table of all blobs, and which of them are needed. */
  readonly checked: CheckedIndex;
  readonly marks: BlobMarks;
  readonly compressData: boolean;
  readonly signal: AbortSignal | undefined;
}

/**
 * Decides what a prune does with each pack. Changes nothing. The caller holds an exclusive lock that is settled (for a
 * plan that is only shown, a shared one or none may do). Throws `damaged` when a snapshot, an index file or a tree
 * cannot be read, or anything that a snapshot needs is not there: whoever does not know all that is needed must not
 * remove anything. Throws `usage` for rules that this repository cannot follow.
 */
export async function planPrune(
  repository: Repository,
  options: PruneOptions,
  listener: (event: PruneEvent) => void,
): Promise<PrunePlan> {
  const rules = { ...usualPruneRules, ...withoutUndefined(options) };
  requireRules(repository, rules);
  const progress = (phase: PrunePhase, done: number, total: number | null): void =>
    listener({ kind: "progress", phase, done, total });
  const throwIfAborted = (): void => throwIfPruneAborted(options.signal);
  throwIfAborted();
  const log = new DamageLog();
  await using pool = new CheckPool(repository.masterKey, options.workers ?? availableParallelism());
  const snapshots = await readSnapshots(repository, options, progress);
  // Before they are read: a file that appears meanwhile must not count as one that was taken into account.
  const indexFiles = await namesIn(repository, "index");
  const checked = await CheckedIndex.read(repository, log, (done, total) => progress("index", done, total));
  refuseDamage(log);
  throwIfAborted();
  const walk = await checkTrees(repository, checked.index, snapshots, log, {
    pool,
    progress: (done) => progress("trees", done, null),
    throwIfAborted,
    treePacks: repository.treePacks,
  });
  refuseDamage(log);
  if (!walk.isComplete) throw refusal(["a tree could not be read"]);
  const sizes = new Map<string, number>();
  for await (const { name, sizeBytes } of repository.storage.list("pack")) sizes.set(name, sizeBytes);
  const { facts, lost } = surveyPacks(checked, walk.marks, sizes, repository.version);
  if (lost.length > 0) {
    throw refusal(
      lost.map(({ name, problem, blobs }) => `the pack ${name} ${problem}, and ${blobs} of its blobs are needed`),
    );
  }
  const decision = decidePrune(facts, rules);
  const { repack, remove, forget, unreferenced } = decision;
  const replacesIndex = repack.length + remove.length + forget.length > 0 || hasIndexLeftovers(checked, log);
  return {
    decision,
    isNeeded: replacesIndex || unreferenced.length > 0,
    replacesIndex,
    snapshots: snapshots.map(({ id }) => id),
    indexFiles,
    checked,
    marks: walk.marks,
    compressData: rules.repackUncompressed,
    signal: options.signal,
  };
}

/** Throws why the signal ended the prune: `interrupted`, or `locked` where the lock could not be kept. */
export function throwIfPruneAborted(signal: AbortSignal | undefined): void {
  if (!signal?.aborted) return;
  if (signal.reason instanceof HoldfastError) throw signal.reason;
  throw new HoldfastError("interrupted", "the prune was interrupted", { cause: signal.reason });
}

export async function namesIn(repository: Repository, type: "snapshot" | "index"): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of repository.storage.list(type)) names.push(name);
  return names;
}

function withoutUndefined(options: PruneOptions): PruneOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

function requireRules(repository: Repository, { repackUncompressed, smallPackBytes }: PruneRules): void {
  if (repackUncompressed && repository.version === 1) {
    throw new HoldfastError("usage", "a repository of version 1 knows no compression", {
      hint: "leave out --repack-uncompressed",
    });
  }
  if (smallPackBytes !== null && smallPackBytes > packTargetBytes) {
    throw new HoldfastError(
      "usage",
      `no pack is larger than ${packTargetBytes} bytes: all would be repacked each time`,
      {
        hint: "give a smaller limit for small packs",
      },
    );
  }
}

/** All of them: one that is listed and cannot be read ends the prune, even if it seems to be gone. */
async function readSnapshots(
  repository: Repository,
  { without, signal }: PruneOptions,
  progress: (phase: PrunePhase, done: number, total: number) => void,
): Promise<StoredSnapshot[]> {
  const names = (await namesIn(repository, "snapshot")).filter((name) => !without?.has(name));
  const snapshots: StoredSnapshot[] = [];
  const problems: string[] = [];
  await forEachAtOnce(names, readsAtOnce, async (id) => {
    throwIfPruneAborted(signal);
    try {
      snapshots.push({ ...decodeSnapshot(await repository.loadUnpacked("snapshot", id)), id });
      progress("snapshots", snapshots.length, names.length);
    } catch (error) {
      problems.push(`the snapshot ${id} cannot be read: ${problemOf(error)}`);
    }
  });
  if (problems.length > 0) throw refusal(problems);
  // The oldest first: its trees lie together.
  return snapshots.sort((a, b) => Date.parse(a.time) - Date.parse(b.time) || (a.id < b.id ? -1 : 1));
}

function refuseDamage(log: DamageLog): void {
  const problems = [
    ...log.findings.filter(({ severity }) => severity === "error").map(({ message }) => message),
    ...log.damages.map(({ kind, pack, blobs, problems: found }) => {
      if (kind === "blobs-missing") return `${blobs.size} blobs that snapshots need are in no index`;
      const what = pack === null ? "a tree" : `the pack ${pack}`;
      return `${what} is damaged: ${[...found].slice(0, problemsNamed).join("; ")}`;
    }),
  ];
  if (problems.length > 0) throw refusal(problems);
}

/** Whoever does not know everything that is needed cannot tell what is not. */
function refusal(problems: readonly string[]): HoldfastError {
  const more = problems.length > problemsNamed ? `; and ${problems.length - problemsNamed} more` : "";
  return new HoldfastError(
    "damaged",
    `the repository is damaged, so that nothing was removed: ${problems.slice(0, problemsNamed).join("; ")}${more}`,
    {
      hint: "run `holdfast repo check`, bring lost files back from a copy or use `holdfast repo repair`, then prune again",
      context: { problems: problems.length },
    },
  );
}

/** What an interrupted prune or repair leaves in the index; old versions of restic left replaced files. */
function hasIndexLeftovers(checked: CheckedIndex, log: DamageLog): boolean {
  return (
    log.findings.some(({ kind }) => kind === "index-superseded" || kind === "index-empty") ||
    checked.packs.some(({ indexFiles }) => indexFiles > 1)
  );
}
