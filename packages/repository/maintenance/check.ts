// Checks a repository: its files, its index against its packs, all trees, and on request every byte.
import { availableParallelism } from "node:os";
import { HoldfastError } from "../errors.ts";
import type { Repository } from "../store/repository.ts";
import { checkData } from "./check-data.ts";
import type { Damage } from "./check-damage.ts";
import { blobName, DamageLog } from "./check-damage.ts";
import { checkConfig, checkKeys, checkLocks, checkSnapshots } from "./check-files.ts";
import type { Impact } from "./check-impact.ts";
import { describeImpact, findImpact } from "./check-impact.ts";
import { CheckedIndex } from "./check-index.ts";
import { checkPacks } from "./check-packs.ts";
import { CheckPool } from "./check-pool.ts";
import type { CheckEvent, CheckPhase, CheckReport, Finding } from "./check-report.ts";
import { namedAtMost, verdictOf } from "./check-report.ts";
import { checkTrees, countUnused } from "./check-trees.ts";

export interface CheckOptions {
  /** Reads every pack whole; otherwise only trees are read. */
  readonly readData: boolean;
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
  const snapshots = await checkSnapshots(repository, log);
  throwIfAborted();
  const checked = await CheckedIndex.read(repository, log, (done, total) => progress("index", done, total));
  throwIfAborted();
  progress("packs", 0, checked.packs.length);
  const sizes = await checkPacks(repository, checked, log);
  const packBytes = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  const indexedBytes = checked.packs.reduce((sum, { name }) => sum + (sizes.get(name) ?? 0), 0);

  const walk = await checkTrees(repository, checked.index, snapshots, log, {
    pool,
    progress: (done) => progress("trees", done, null),
    throwIfAborted,
  });
  const read = options.readData
    ? await checkData(repository, checked, sizes, log, {
        pool,
        progress: (bytes) => progress("data", bytes, indexedBytes),
        throwIfAborted,
      })
    : { packs: 0, bytes: 0 };

  progress("impact", 0, null);
  const impacts = await findImpact(repository, checked.index, snapshots, log.lostBlobs(checked.index), throwIfAborted);
  const findings = [...log.findings, ...log.damages.map((damage) => findingOf(damage, impacts.get(damage)))];
  for (const finding of findings) listener({ kind: "finding", finding });
  return {
    verdict: verdictOf(findings),
    findings,
    keys,
    indexFiles: checked.files.length,
    snapshots: snapshots.length,
    packs: sizes.size,
    packBytes,
    blobs: checked.index.size,
    duplicateBlobs: walk.marks.duplicates,
    trees: walk.trees,
    unused: walk.isComplete ? countUnused(checked.index, walk.marks) : null,
    packsRead: read.packs,
    bytesRead: read.bytes,
  };
}

const problemsNamed = 3;

function findingOf(damage: Damage, impact: Impact | undefined): Finding {
  const { kind, pack, problems, blobs } = damage;
  const keys = [...blobs];
  const named =
    [...problems].slice(0, problemsNamed).join("; ") +
    (problems.size > problemsNamed ? `; and ${problems.size - problemsNamed} more` : "");
  return {
    severity: "error",
    kind,
    message: messageOf(damage, named),
    file: pack === null ? null : { type: "pack", name: pack },
    blobs: keys.slice(0, namedAtMost).map(blobName),
    blobCount: keys.length,
    ...describeImpact(impact),
  };
}

function messageOf({ kind, pack, blobs }: Damage, problems: string): string {
  switch (kind) {
    case "pack-missing":
      return `the pack ${pack} is missing, and with it ${blobs.size} blobs`;
    case "pack-damaged":
      return `the pack ${pack} is damaged: ${problems}`;
    case "blobs-missing":
      return `${blobs.size} blobs that snapshots need are in no index`;
    case "tree-invalid":
      return `the tree ${blobName([...blobs][0]!).id} is invalid: ${problems}`;
  }
}
