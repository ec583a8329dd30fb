// What a backup is asked for, what it tells while it runs, and what it says at the end.
import type { ChunkerHint } from "../chunker/chunker-hint.ts";
import type { HoldfastError } from "../errors.ts";
import type { SelectionRules } from "../selection/selection-rules.ts";
import type { StoredSnapshot } from "../store/repository.ts";
import type { PathProblem } from "./messages.ts";
import type { ReadStream } from "./stream-saver.ts";

/** What goes into the snapshot. `at` is the absolute path there, raw bytes. */
export type BackupEntry =
  | {
      readonly kind: "files";
      /** Absolute path on disk; its last name is the last name of `at`. */
      readonly from: Buffer;
      readonly at: Buffer;
      /** What of it is left out. */
      readonly selection: SelectionRules;
    }
  | {
      readonly kind: "stream";
      readonly at: Buffer;
      readonly read: ReadStream;
      /** Permission bits. */
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
      readonly mtimeNs: bigint;
      readonly hint: ChunkerHint;
      /** Called at the end of the stream; throws when the producer failed. */
      readonly finish: () => Promise<void>;
      /**
       * What a failure with the code `source` means, of `read` or of `finish`: `fail` makes no snapshot, `leave-out`
       * makes it without this entry, and reports the failure at the path `at`.
       */
      readonly whenBroken: "fail" | "leave-out";
    };

/** A small file at the root of the snapshot that says what the rest of it is: it is made when all else is stored. */
export interface ClosingFile {
  readonly name: Buffer;
  /** Permission bits. */
  readonly mode: number;
  readonly make: () => Promise<Buffer>;
}

export interface BackupRequest {
  readonly entries: readonly BackupEntry[];
  readonly closingFile?: ClosingFile | undefined;
  /** Recorded in the snapshot, with the other facts of it below. */
  readonly paths: readonly string[];
  readonly hostname: string;
  readonly username: string;
  readonly uid: number;
  readonly gid: number;
  readonly tags: readonly string[];
  readonly excludes: readonly string[];
  readonly timeNs: bigint;
  readonly programVersion: string;
  /** The snapshot to find unchanged files in; null reads everything. */
  readonly parent: StoredSnapshot | null;
  readonly oneFileSystem: boolean;
  readonly withAtime: boolean;
  /** Does everything but storing. */
  readonly dryRun: boolean;
  /** Makes no snapshot when its tree is the parent's. */
  readonly skipIfUnchanged: boolean;
  /** Reads every new pack back from the storage and compares it. */
  readonly readBack: boolean;
  /** Resolves when the lock on the repository is settled; nothing is written before. */
  readonly mayWrite: Promise<void>;
  readonly workers?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export type BackupEvent =
  | {
      readonly kind: "progress";
      readonly filesDone: number;
      readonly bytesDone: number;
      /** What the parent snapshot held, as an estimate; null without one. */
      readonly filesTotal: number | null;
      readonly bytesTotal: number | null;
      readonly errors: number;
      readonly currentFiles: readonly string[];
    }
  | {
      readonly kind: "error";
      readonly path: Buffer;
      readonly during: PathProblem["during"];
      readonly error: HoldfastError;
    }
  | { readonly kind: "skipped"; readonly path: Buffer; readonly reason: "socket" };

export interface BackupSummary {
  /** Null when none was made: dry run, or unchanged. */
  readonly snapshotId: string | null;
  readonly treeId: string;
  readonly parentId: string | null;
  readonly files: { readonly new: number; readonly changed: number; readonly unmodified: number };
  readonly dirs: { readonly new: number; readonly changed: number; readonly unmodified: number };
  readonly dataBlobs: number;
  readonly treeBlobs: number;
  /** Bytes of all files and streams in the snapshot. */
  readonly bytesProcessed: number;
  /** Plain bytes of the blobs that were not in the repository yet, and what they take there. */
  readonly bytesAdded: number;
  readonly bytesStored: number;
  readonly durationMs: number;
  /** Paths that are missing or doubtful in the snapshot: it is partial when there are any. */
  readonly errors: number;
}
