// What a restore is asked to do, what it says meanwhile, and what it says in the end.
import type { HoldfastError } from "../errors.ts";
import type { DirectoryHandle } from "../filesystem/create.ts";
import type { NodeType } from "../format/file-mode.ts";
import type { PathRules } from "../selection/path-rules.ts";
import type { StoredSnapshot } from "../store/repository.ts";
import type { WorkerThreads } from "../threads/worker-threads.ts";

/** What happens to an entry that is there already; directories are always shared. */
export type Overwrite = "always" | "if-changed" | "if-newer" | "never";

export interface RestoreRequest {
  readonly snapshot: StoredSnapshot;
  /** The folder of the snapshot whose contents are restored (text or raw bytes); "/" for all of it. */
  readonly subfolder: string | Buffer;
  /**
   * The directory to restore into, which keeps its own metadata: a path, made (0700, with its parents) when missing; or
   * an open directory, for paths that are not text or that others may change. It stays open.
   */
  readonly target: string | DirectoryHandle;
  readonly rules: PathRules;
  /** The raw name of one entry of the folder: nothing else is restored. */
  readonly only?: Buffer | undefined;
  readonly overwrite: Overwrite;
  /** Removes what the restored folders of the snapshot do not have, as far as the rules select it. */
  readonly delete: boolean;
  /** Leaves holes for runs of zeros. */
  readonly sparse: boolean;
  /** Reads every written file back and compares it with the hashes of its blobs. */
  readonly verify: boolean;
  /** Changes nothing and says what would happen. */
  readonly dryRun: boolean;
  readonly workers?: number | undefined;
  /** Threads that were started before (`startRestoreThreads`), to be taken instead of new ones; they end with the restore. */
  readonly threads?: WorkerThreads | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** `updated`: something stood there before. `unchanged`: the content was right already. `skipped`: by `overwrite`. */
export type RestoreAction = "restored" | "updated" | "unchanged" | "skipped" | "deleted";

export type RestoreEvent =
  | {
      readonly kind: "progress";
      /** All entries, directories included. */
      readonly filesDone: number;
      /** An estimate until the walk is through (`totalsKnown`); null without one. */
      readonly filesTotal: number | null;
      readonly bytesDone: number;
      readonly bytesTotal: number | null;
      readonly totalsKnown: boolean;
      readonly errors: number;
    }
  | {
      readonly kind: "item";
      readonly action: RestoreAction;
      readonly type: NodeType;
      readonly path: Buffer;
      readonly sizeBytes: number;
    }
  | {
      readonly kind: "error";
      readonly path: Buffer;
      readonly during: "read" | "write" | "metadata" | "delete" | "verify";
      readonly error: HoldfastError;
    }
  | { readonly kind: "warning"; readonly message: string };

export interface RestoreSummary {
  /** Entries by what happened to them. */
  readonly files: Counts;
  readonly dirs: Counts;
  /** Links, pipes, devices. */
  readonly others: Counts;
  readonly deleted: number;
  /** Bytes of the content that was written, and of that which was right or left alone. */
  readonly bytesRestored: number;
  readonly bytesSkipped: number;
  /** Files that were read back (`verify`). */
  readonly filesVerified: number;
  /** Entries that are missing or not complete: the restore is partial when there are any. */
  readonly errors: number;
  /** Entries that belong to whoever restored them, because only root may give files away. */
  readonly ownersNotSet: number;
  readonly socketsSkipped: number;
  readonly durationMs: number;
}

export interface Counts {
  restored: number;
  updated: number;
  unchanged: number;
  skipped: number;
}
