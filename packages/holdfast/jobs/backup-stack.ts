// The job that captures a stack: into which repository, after which snapshot, and what counts as good.
import { HoldfastError, type BackupEvent, type BackupSummary, type StoredSnapshot } from "@holdfast/repository";
import { openConfigured } from "../access/configured-repository.ts";
import type {
  Configuration,
  PlanConfiguration,
  RepositoryConfiguration,
  StackConfiguration,
} from "../configuration/configuration.ts";
import { exitCodeOfOutcome } from "../exit-codes.ts";
import type { Manifest } from "../records/manifest.ts";
import { stackOf } from "../records/tags.ts";
import { captureStack } from "./capture-stack.ts";
import type { JobContext } from "./job-context.ts";
import { noted, runJob } from "./run-job.ts";
import type { RunResult } from "../state/runs.ts";

export interface StackBackup {
  readonly stack: string;
  readonly plan: string;
  readonly repository: string;
  /** Null: nothing could be stored. */
  readonly snapshotId: string | null;
  readonly manifest: Manifest;
  readonly summary: BackupSummary | null;
  /** `failed`: a source that is required is missing or failed; what is stored of the rest is partial. */
  readonly outcome: "good" | "partial" | "failed";
}

/** The one repository that a plan stores in: the configuration refuses a second one. */
function repositoryOfPlan(configuration: Configuration, plan: PlanConfiguration): RepositoryConfiguration {
  const [first] = plan.destinations;
  const repository = first && configuration.repositories.get(first.repository);
  if (repository === undefined) throw new HoldfastError("internal", `the plan ${plan.name} names no repository`);
  return repository;
}

/** One recovery point of the stack. Throws what concerns the repository, the lock or the configuration. */
export async function backupStack(
  configuration: Configuration,
  stack: StackConfiguration,
  plan: PlanConfiguration,
  context: JobContext,
  listener: (event: BackupEvent) => void,
): Promise<StackBackup> {
  const destination = repositoryOfPlan(configuration, plan);
  const start = { operation: "backup", stack: stack.name, plan: plan.name } as const;
  return runJob(start, context, async (runId) => {
    await using session = await openConfigured(destination, context);
    const { snapshots, damaged } = await session.repository.loadSnapshots();
    for (const { id } of damaged) context.warn(`the snapshot ${id.slice(0, 8)} is damaged: run \`holdfast check\``);
    const request = {
      stack: stack.name,
      plan: plan.name,
      runId,
      sources: [...stack.sources.values()],
      parent: latestOf(snapshots, stack.name),
      mayWrite: session.mayWrite,
      listener,
    };
    const { manifest, summary } = await captureStack(session.repository, request, {
      ...context,
      signal: session.signal,
    });
    const result: StackBackup = {
      stack: stack.name,
      plan: plan.name,
      repository: destination.name,
      snapshotId: summary?.snapshotId ?? null,
      manifest,
      summary,
      outcome: outcomeOf(manifest, summary),
    };
    if (result.snapshotId !== null) {
      const { snapshotId } = result;
      const point = { stack: stack.name, snapshotId, origin: snapshotId, time: context.now() };
      const repository = { id: session.repository.id, name: destination.name };
      noted(
        context,
        () => context.state.knownPoints.note(repository, [point]),
        "nobody would miss this recovery point",
      );
    }
    return { result, report: reportOf(result) };
  });
}

/** The newest snapshot of the stack: what it has need not be read again. */
function latestOf(snapshots: readonly StoredSnapshot[], stack: string): StoredSnapshot | null {
  return snapshots.filter((snapshot) => stackOf(snapshot) === stack).at(-1) ?? null;
}

function outcomeOf(manifest: Manifest, summary: BackupSummary | null): StackBackup["outcome"] {
  const sources = Object.values(manifest.sources);
  const failed = sources.some(({ outcome, optional }) => outcome === "failed" && !optional);
  if (failed || summary === null) return "failed";
  return manifest.outcome;
}

function reportOf({ outcome, snapshotId, summary, manifest }: StackBackup): RunResult {
  const failed = Object.entries(manifest.sources).flatMap(([name, { reason, outcome: of }]) =>
    of === "failed" ? [`${name}: ${reason}`] : [],
  );
  return {
    outcome,
    exitCode: exitCodeOfOutcome[outcome],
    snapshotIds: snapshotId === null ? [] : [snapshotId],
    counts: {
      files: summary ? summary.files.new + summary.files.changed + summary.files.unmodified : 0,
      errors: summary?.errors ?? 0,
      bytesStored: summary?.bytesStored ?? 0,
    },
    bytes: summary?.bytesProcessed ?? null,
    message: failed.length === 0 ? null : failed.join("; "),
  };
}
