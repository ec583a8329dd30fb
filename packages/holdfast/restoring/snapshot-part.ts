// The part of a stack's snapshot that belongs to one source, brought back and compared entry by entry.
import {
  DirectoryHandle,
  displayPath,
  everyPath,
  findNode,
  HoldfastError,
  openLibc,
  restore,
  startRestoreThreads,
  type Repository,
  type RestoreEvent,
  type RestoreRequest,
  type StoredSnapshot,
  type TreeNode,
} from "@holdfast/repository";
import type { Difference, SnapshotPart } from "@holdfast/sources";
import { EntryComparison } from "./entry-comparison.ts";
import { StagingDirectory } from "./staging-directory.ts";

export interface PartContext {
  readonly signal: AbortSignal;
  /** Hears all that the engine says while it restores; every error that it tells is thrown afterwards, too. */
  readonly listener: (event: RestoreEvent) => void;
}

interface StoredEntry {
  readonly node: TreeNode;
  /** Where it stands in the snapshot. */
  readonly folder: Buffer;
  readonly name: Buffer;
}

const slash = 0x2f;
/** Content of so few pieces is restored faster than a second thread starts. */
const fewBlobs = 8;

/** The caller holds a shared lock on the repository. */
export class StoredPart implements SnapshotPart {
  readonly #repository: Repository;
  readonly #snapshot: StoredSnapshot;
  readonly #source: string;
  readonly #context: PartContext;

  constructor(repository: Repository, snapshot: StoredSnapshot, source: string, context: PartContext) {
    this.#repository = repository;
    this.#snapshot = snapshot;
    this.#source = source;
    this.#context = context;
  }

  /**
   * As the interface says; when this resolves, all of it is on the disk. Throws `not-found` when the snapshot does not
   * have the entry, `target` when `copy` exists, and the first error of the engine.
   */
  async restore(path: Buffer, copy: Buffer): Promise<void> {
    const entry = await this.#find(path);
    const [directory, name] = splitLast(copy);
    using parent = DirectoryHandle.open(openLibc(), directory);
    if (parent.status(name)) {
      throw new HoldfastError("target", `${displayPath(copy)} exists already and is left as it is`, {
        hint: "restore to another place, or move what is there away",
        context: { path: displayPath(copy), errno: "EEXIST" },
      });
    }
    await using staging = new StagingDirectory(parent);
    await this.#fill(staging.handle, entry, path);
    await staging.handle.syncFileSystem();
    staging.release(entry.name, name);
    parent.sync();
  }

  /** Reads all of `copy`. Throws `damaged` when the snapshot cannot tell what should be there. */
  async compare(path: Buffer, copy: Buffer): Promise<readonly Difference[]> {
    const { node } = await this.#find(path);
    const { signal } = this.#context;
    return new EntryComparison(this.#repository, await this.#repository.loadIndex(), signal).run(node, path, copy);
  }

  async #find(path: Buffer): Promise<StoredEntry> {
    let end = path.length;
    while (end > 0 && path[end - 1] === slash) end--;
    const full = Buffer.concat([Buffer.from(`/${this.#source}`), path.subarray(0, end)]);
    const node = await findNode(this.#repository, this.#snapshot.tree, full);
    if (!node) throw new HoldfastError("internal", `${displayPath(path)} of ${this.#source} is the root of a snapshot`);
    const [folder, name] = splitLast(full);
    return { node, folder, name };
  }

  async #fill(target: DirectoryHandle, { node, folder, name }: StoredEntry, path: Buffer): Promise<void> {
    const isSmall = node.type !== "dir" && (node.content?.length ?? 0) <= fewBlobs;
    const request: RestoreRequest = {
      snapshot: this.#snapshot,
      subfolder: folder,
      target,
      rules: everyPath,
      only: name,
      overwrite: "always",
      delete: false,
      sparse: true,
      verify: true,
      dryRun: false,
      threads: startRestoreThreads(isSmall ? 1 : undefined),
      signal: this.#context.signal,
    };
    let first: HoldfastError | null = null;
    const summary = await restore(this.#repository, request, (event) => {
      if (event.kind === "error") first ??= event.error;
      this.#context.listener(event);
    });
    if (summary.errors > 0) throw incomplete(path, summary.errors, first);
  }
}

function incomplete(path: Buffer, count: number, first: HoldfastError | null): HoldfastError {
  const entries = count === 1 ? "one entry of it" : `${count} entries of it`;
  const message = `${displayPath(path)} cannot be restored whole: ${entries} failed`;
  if (!first) return new HoldfastError("target", message, { context: { errors: count } });
  return new HoldfastError(first.code, `${message}, the first because ${first.message}`, {
    hint: first.hint,
    retryable: first.retryable,
    context: { ...first.context, errors: count },
    cause: first,
  });
}

/** The directory and the last name of an absolute path. */
function splitLast(path: Buffer): [directory: Buffer, name: Buffer] {
  const at = path.lastIndexOf(slash);
  if (at < 0) throw new HoldfastError("internal", `${displayPath(path)} is no absolute path`);
  return [path.subarray(0, Math.max(1, at)), path.subarray(at + 1)];
}
