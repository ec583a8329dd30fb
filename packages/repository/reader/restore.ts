// Restores a snapshot, or a part of it, into a directory.
import { resolve } from "node:path";
import { HoldfastError } from "../errors.ts";
import { DirectoryHandle } from "../filesystem/create.ts";
import { openLibc } from "../filesystem/libc.ts";
import { errorNumber, systemError } from "../filesystem/system-error.ts";
import { PathSelection } from "../selection/path-rules.ts";
import { makeDirectories } from "../storage/make-directories.ts";
import type { Repository } from "../store/repository.ts";
import { ContentRestorer } from "./content-restorer.ts";
import { EntryRestorer } from "./entry-restorer.ts";
import { findTree } from "./find-node.ts";
import { RestorePool, startRestoreThreads } from "./restore-pool.ts";
import { RestoreReport } from "./restore-report.ts";
import type { RestoreEvent, RestoreRequest, RestoreSummary } from "./restore-request.ts";
import { walkSteps } from "./walk.ts";

/**
 * Restores `request.subfolder` of a snapshot into `request.target`. Trouble with single entries is an event and
 * counted in the summary; what ends the restore is thrown: `not-found` (no such folder), `no-space`, `interrupted`,
 * `storage`, a root tree that is `damaged`. Then entries that are complete stay, and no incomplete file is left.
 *
 * A file gets its name only with its content complete: every blob is checked against its hash before it is written,
 * and files that replace others or have several blobs are written under a temporary name (`.holdfast-restore-…`).
 * Nothing is written through links that lie in the target. As in restic nothing is synced to the disk: whoever needs
 * it there before going on syncs the file system. The caller holds a shared lock.
 */
export async function restore(
  repository: Repository,
  request: RestoreRequest,
  listener: (event: RestoreEvent) => void,
): Promise<RestoreSummary> {
  const startedMs = performance.now();
  const selection = new PathSelection(request.rules, request.only);
  // Threads that were not started before start while the index is read.
  const threads = request.threads ?? startRestoreThreads(request.workers);
  await using pool = new RestorePool(threads, repository.masterKey, request);
  const treeId = await findTree(repository, request.snapshot.tree, Buffer.from(request.subfolder as string));
  const index = await repository.loadIndex();
  const report = new RestoreReport(listener, estimateOf(request));
  const calls = openLibc();
  if (calls.missing.length > 0)
    listener({ kind: "warning", message: `not possible on this machine: ${calls.missing.join("; ")}` });
  const content = new ContentRestorer(repository, index, pool, calls, report, {
    ...request,
    settled: (file) => entries.fileSettled(file),
  });
  const entries: EntryRestorer = new EntryRestorer(
    await openTarget(calls, request),
    index,
    content,
    selection,
    report,
    request,
  );
  const stop = (): void =>
    content.fail(new HoldfastError("interrupted", "the restore was interrupted", { cause: request.signal?.reason }));
  request.signal?.addEventListener("abort", stop);
  if (request.signal?.aborted) stop();
  try {
    const enters = entries.enters.bind(entries);
    for await (const steps of walkSteps(repository, treeId, {
      enters,
      needsNames: request.delete,
      report: (path, error) => report.error(path, "read", error),
    })) {
      for (const step of steps) {
        // Most steps are done at once, and then nothing is waited for.
        const waiting = entries.take(step);
        if (waiting) await waiting;
      }
    }
    report.allFound();
    await content.finish();
    report.progress();
    return report.summary(performance.now() - startedMs);
  } catch (error) {
    content.fail(error);
    // Threads let go of the files first.
    await pool[Symbol.asyncDispose]();
    content.discard();
    throw error;
  } finally {
    request.signal?.removeEventListener("abort", stop);
    entries.close();
  }
}

/** What a whole snapshot comes to; of a part nothing is known before the walk. */
function estimateOf({ snapshot, subfolder, rules, only }: RestoreRequest): { entries: number; bytes: number } | null {
  const { summary } = snapshot;
  const isWhole =
    subfolder.toString() === "/" &&
    !only &&
    Object.values(rules).every((patterns: readonly string[]) => patterns.length === 0);
  if (!summary || !isWhole) return null;
  const dirs = summary.dirsNew + summary.dirsChanged + summary.dirsUnmodified;
  return { entries: summary.totalFilesProcessed + dirs, bytes: summary.totalBytesProcessed };
}

/** The open target; null in a dry run where it does not exist. */
async function openTarget(
  calls: ReturnType<typeof openLibc>,
  request: RestoreRequest,
): Promise<DirectoryHandle | null> {
  const { target } = request;
  if (typeof target !== "string") return target.reopen();
  const path = Buffer.from(resolve(target));
  try {
    if (!request.dryRun) await makeDirectories(resolve(target), 0o700);
  } catch (error) {
    throw systemError("target", "create the directory", path, errorNumber(error));
  }
  try {
    return DirectoryHandle.open(calls, path);
  } catch (error) {
    if (request.dryRun && error instanceof HoldfastError && error.context["errno"] === "ENOENT") return null;
    throw error;
  }
}
