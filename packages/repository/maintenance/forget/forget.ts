// Removes snapshots: the files that name what was stored. The data itself is the business of prune.
import { hasCode, HoldfastError } from "../../errors.ts";
import type { Repository } from "../../store/repository.ts";
import { forEachAtOnce } from "../../store/repository.ts";

const removalsAtOnce = 5;

export interface ForgetOptions {
  readonly signal: AbortSignal;
  /** Called after each snapshot that is gone. */
  readonly onRemoved?: (id: string) => void;
}

export interface Forgotten {
  /** In the order of the request; those that somebody else had removed already are among them. */
  readonly removed: readonly string[];
  readonly failed: readonly { readonly id: string; readonly error: HoldfastError }[];
}

/**
 * Each snapshot is there or gone, whenever this ends; asked again, it finishes. What the storage does not remove is
 * reported, and the rest is removed all the same. The caller holds an exclusive lock that is settled. Throws
 * `interrupted` after `signal`.
 */
export async function forgetSnapshots(
  repository: Repository,
  ids: readonly string[],
  { signal, onRemoved }: ForgetOptions,
): Promise<Forgotten> {
  const removed = new Set<string>();
  const failed: { id: string; error: HoldfastError }[] = [];
  await forEachAtOnce(ids, removalsAtOnce, async (id) => {
    throwIfAborted(signal);
    try {
      await repository.storage.remove("snapshot", id);
    } catch (error) {
      if (signal.aborted || !(error instanceof HoldfastError) || isEnd(error)) throw error;
      if (error.code !== "not-found") return void failed.push({ id, error });
    }
    removed.add(id);
    onRemoved?.(id);
  });
  return { removed: ids.filter((id) => removed.has(id)), failed };
}

function isEnd(error: HoldfastError): boolean {
  return hasCode(error, "interrupted") || hasCode(error, "internal");
}

function throwIfAborted(signal: AbortSignal): void {
  if (!signal.aborted) return;
  if (signal.reason instanceof HoldfastError) throw signal.reason;
  throw new HoldfastError("interrupted", "removing snapshots was interrupted", { cause: signal.reason });
}
