// Checks a repository: its files, its index against its packs, all trees, and on request every byte.
import { availableParallelism } from "node:os";
import { HoldfastError } from "../../errors.ts";
import type { Repository, StoredSnapshot } from "../../store/repository.ts";
import { checkData } from "./check-data.ts";
import { DamageLog } from "./check-damage.ts";
import { checkConfig, checkKeys, checkLocks, checkSnapshots } from "./check-files.ts";
import { findingsOf } from "./check-findings.ts";
import { findImpact } from "./check-impact.ts";
import { CheckedIndex } from "./check-index.ts";
import { checkPacks } from "./check-packs.ts";
import { CheckPool } from "./check-pool.ts";
import type { CheckEvent, CheckPhase, CheckReport } from "./check-report.ts";
import { verdictOf } from "./check-report.ts";
import { checkTrees, countUnused, usedPacks } from "./check-trees.ts";
import type { PackSize } from "./pack-subset.ts";

export interface CheckOptions {
  /** Reads packs whole; otherwise only trees are read. */
  readonly readData: boolean;
  /** The names of those that are read, of all in the index; without it all are. */
  readonly choosePacks?: ((packs: readonly PackSize[]) => ReadonlySet<string>) | undefined;
  /** Only these snapshots are walked, and only packs that they need are read; without it all are. */
  readonly includes?: ((snapshot: StoredSnapshot) => boolean) | undefined;
  /** What is hurt is told for each group: the stacks of an application. Null: of no group. */
  readonly groupOf?: ((snapshot: StoredSnapshot) => string | null) | undefined;
  readonly workers?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Looks at everything and never stops at the first finding; throws only `interrupted`, and what makes it impossible
 * to list the storage. The caller holds a lock, and opened the repository without a cache: what is read is to be what
 * the storage holds now. Findings come to the listener when everything is known about them.
 */
export async function check(
  repository: Repository,
  options: CheckOptions,
  listener: (event: CheckEvent) => void,
): Promise<CheckReport> {
  const { includes, groupOf } = options;
  const throwIfAborted = (): void => {
    if (options.signal?.aborted)
      throw new HoldfastError("interrupted", "the check was interrupted", { cause: options.signal.reason });
  };
  const progress = (phase: CheckPhase, done: number, total: number | null): void =>
    listener({ kind: "progress", phase, done, total });
  const log = new DamageLog();
  throwIfAborted();
  await using pool = new CheckPool(repository.masterKey, options.workers ?? availableParallelism());
  progress("files", 0, null);
  await checkConfig(repository, log);
  const keys = await checkKeys(repository, log);
  await checkLocks(repository, log);
  // Snapshots before the index: what a backup finishes meanwhile is then known to the index, not the other way round.
  const all = await checkSnapshots(repository, log);
  const snapshots = includes ? all.filter(includes) : all;
  throwIfAborted();
  const checked = await CheckedIndex.read(repository, log, (done, total) => progress("index", done, total), {
    survivesFailures: true,
  });
  throwIfAborted();
  progress("packs", 0, checked.packs.length);
  const sizes = await checkPacks(repository, checked, log);

  const walk = await checkTrees(repository, checked.index, snapshots, log, {
    pool,
    progress: (done) => progress("trees", done, null),
    throwIfAborted,
  });
  const needed = includes && options.readData ? usedPacks(checked.index, walk.marks) : null;
  const wanted = options.readData ? packsToRead(checked, sizes, needed, options.choosePacks) : [];
  const chosen = new Set(wanted.map(({ name }) => name));
  const wantedBytes = bytesOf(wanted);
  const read =
    wanted.length === 0
      ? { packs: 0, bytes: 0 }
      : await checkData(repository, checked, sizes, log, {
          pool,
          isChosen: (name) => chosen.has(name),
          progress: (bytes) => progress("data", bytes, wantedBytes),
          throwIfAborted,
        });

  progress("impact", 0, null);
  const { index } = checked;
  const question = { index, snapshots, log, groupOf: groupOf ?? ((): null => null), throwIfAborted };
  const impacts = await findImpact(repository, question);
  const findings = [...log.findings, ...findingsOf(log.damages, impacts, checked)];
  for (const finding of findings) listener({ kind: "finding", finding });
  return {
    verdict: verdictOf(findings),
    findings,
    keys,
    indexFiles: checked.files.length,
    snapshots: snapshots.length,
    packs: sizes.size,
    packBytes: [...sizes.values()].reduce((sum, size) => sum + size, 0),
    blobs: index.size,
    duplicateBlobs: walk.marks.duplicates,
    duplicateBytes: walk.marks.duplicateBytes,
    mixedPacks: checked.packs.filter(({ hasData, hasTrees }) => hasData && hasTrees).length,
    trees: walk.trees,
    unused: walk.isComplete && !includes ? countUnused(index, walk.marks) : null,
    packsRead: read.packs,
    bytesRead: read.bytes,
  };
}

/** Of the packs in the index that are there. */
function packsToRead(
  checked: CheckedIndex,
  sizes: ReadonlyMap<string, number>,
  needed: ReadonlySet<string> | null,
  choosePacks: CheckOptions["choosePacks"],
): PackSize[] {
  const known = checked.packs.flatMap(({ name }) => {
    const sizeBytes = sizes.get(name);
    return sizeBytes === undefined || needed?.has(name) === false ? [] : [{ name, sizeBytes }];
  });
  const chosen = choosePacks?.(known);
  return chosen ? known.filter(({ name }) => chosen.has(name)) : known;
}

function bytesOf(packs: readonly PackSize[]): number {
  return packs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}
