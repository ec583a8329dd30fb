// What the main thread and the writer's worker threads say to each other. Paths and names are byte strings.
import type { ClaimedBlob } from "./blob-saver.ts";
import type { MasterKey } from "../codec/seal.ts";
import type { ErrorCode } from "../errors.ts";
import type { TreeNode } from "../format/node.ts";
import type { SharedBlobIndex } from "../index/blob-index.ts";
import type { Region } from "../kernel/arena.ts";
import type { ReadyMessage } from "../threads/worker-threads.ts";
import type { SelectionRules } from "../selection/selection-rules.ts";
import type { SharedPackSlots } from "./pack-slots.ts";

/** Given once, when the thread starts. */
export interface WorkerSetup {
  readonly memory: WebAssembly.Memory;
  readonly kernelScratch: Region;
  readonly sealScratch: Region;
  readonly inflatedScratch: Region;
  /** This worker's window on the file that it reads. */
  readonly window: Region;
  readonly rabinTables: Region;
  readonly key: MasterKey;
  readonly compression: boolean;
  readonly index: SharedBlobIndex;
  readonly slots: SharedPackSlots;
  readonly progress: SharedArrayBuffer;
  /** Scans name theirs by its number. */
  readonly selections: readonly SelectionRules[];
  readonly oneFileSystem: boolean;
  readonly withAtime: boolean;
}

/** A directory to look through, or a part of its names. */
export interface ScanItem {
  /** The main thread's number for the directory, and for this part of it. */
  readonly directory: number;
  readonly slot: number;
  readonly path: string;
  /** Null: all names of the directory, read by the worker. */
  readonly names: readonly string[] | null;
  /** Sealed tree of the same directory in the parent snapshot, and its plain length (0: not compressed). */
  readonly parent: { readonly sealed: Uint8Array; readonly plainLength: number } | null;
  /** The device that --one-file-system keeps to; null at the root of an entry. */
  readonly deviceId: bigint | null;
  /** Number of the rules that say what is left out. */
  readonly selection: number;
  /** Somebody named these names: no rule excludes them. */
  readonly chosen: boolean;
}

/** A file larger than a worker's window: all workers read it together, region by region. */
export interface LargeFileItem {
  readonly path: string;
  readonly shared: SharedArrayBuffer;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly inode: bigint;
}

export type Task =
  | { readonly kind: "scan"; readonly items: readonly ScanItem[] }
  | { readonly kind: "large"; readonly file: LargeFileItem }
  | { readonly kind: "chunks"; readonly pointer: number; readonly lengths: readonly number[] }
  | { readonly kind: "flush" };

/** A failure that concerns one path and does not end the backup. */
export interface PathProblem {
  readonly path: string;
  readonly during: "scan" | "read" | "metadata" | "changed";
  readonly code: ErrorCode;
  readonly message: string;
}

export interface FoundDirectory {
  readonly name: string;
  /** Offset in the part's JSON of the 64 digits of the subtree's id, to be filled in. */
  readonly idAt: number;
  readonly parentTree: string | null;
  readonly deviceId: bigint;
  /** A mount point under --one-file-system: kept, but not looked into. */
  readonly closed: boolean;
}

export interface FoundLargeFile {
  /** Offset in the part's JSON where the node belongs. */
  readonly at: number;
  /** Everything but the content. */
  readonly node: TreeNode;
  readonly path: string;
  readonly isNew: boolean;
}

export interface ScanCounts {
  filesNew: number;
  filesChanged: number;
  filesUnmodified: number;
  bytes: number;
}

/** The nodes of a directory, or of the first names of it. */
export interface ScanPart {
  readonly slot: number;
  /** Set when the tree is whole: then `json` is empty, and there is nothing to wait for. */
  readonly treeId: string | null;
  /** The whole tree, unless the repository has it already. */
  readonly tree: ClaimedBlob | null;
  /** A whole tree of these nodes. Offsets count from the comma before the first, see `nodesOfTree`. */
  readonly json: Uint8Array;
  readonly directories: readonly FoundDirectory[];
  readonly largeFiles: readonly FoundLargeFile[];
  /** Names that were left for another task. */
  readonly rest: readonly string[];
  readonly counts: ScanCounts;
}

export type Answer =
  | {
      readonly kind: "scan";
      readonly parts: readonly ScanPart[];
      readonly undone: readonly ScanItem[];
      readonly problems: readonly PathProblem[];
      readonly sockets: readonly string[];
    }
  | {
      readonly kind: "large";
      readonly segments: readonly ContentSegment[];
      readonly changed: boolean;
      readonly problem: PathProblem | null;
      readonly sizeBytes: number;
    }
  /** 32 bytes a chunk: a database has hundreds of thousands, and as texts they would take three times the room. */
  | { readonly kind: "chunks"; readonly ids: Uint8Array }
  | { readonly kind: "flush" };

/** Ids of a run of chunks of a large file; `sequence` orders the runs. `repeat` says how often the ids stand there. */
export interface ContentSegment {
  readonly sequence: number;
  readonly ids: readonly string[];
  readonly repeat: number;
}

export type FromWorker =
  | ReadyMessage
  | {
      readonly kind: "answer";
      readonly answer: Answer;
      readonly totals: { blobs: number; plainBytes: number; sealedBytes: number };
    }
  | { readonly kind: "pack"; readonly buffer: number; readonly id: string; readonly sizeBytes: number }
  | { readonly kind: "failure"; readonly code: ErrorCode; readonly message: string; readonly hint: string };
