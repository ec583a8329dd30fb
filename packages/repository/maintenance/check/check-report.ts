// What a check of a repository finds, as data: for people, for programs, and for repairs.
import type { BlobType } from "../../index/blob-index.ts";
import type { FileType } from "../../storage/storage.ts";

/**
 * `error`: something is lost or will be. `rubbish`: what an interrupted backup or prune leaves, harmless, for the
 * next prune. `hint`: legal, but not as it should be.
 */
export type Severity = "error" | "rubbish" | "hint";

export type FindingKind =
  /** A file that cannot be read or decrypted, or whose content does not match its name. */
  | "file-damaged"
  /** A storage that lost what it must have: no config, no key. */
  | "file-missing"
  | "pack-missing"
  | "pack-damaged"
  /** Index files disagree with each other, or give blobs places that cannot be. */
  | "index-contradiction"
  /** Blobs that snapshots need and no index knows. */
  | "blobs-missing"
  /** A tree whose bytes are whole and whose content is wrong. */
  | "tree-invalid"
  | "pack-unindexed"
  | "index-empty"
  | "index-superseded"
  | "lock-stale"
  | "pack-indexed-twice"
  | "pack-mixed";

export interface BlobName {
  readonly type: BlobType;
  readonly id: string;
}

/** What is hurt of the snapshots that belong together: those of a stack. */
export interface HurtGroup {
  readonly name: string;
  /** The first of their ids, and how many there are. */
  readonly snapshots: readonly string[];
  readonly snapshotCount: number;
  /** The first of the files and directories that are hurt, as paths in the snapshots, raw bytes; and how many. */
  readonly paths: readonly Buffer[];
  /** Exact up to 10,000, and as long as all damages together hurt fewer than 100,000. */
  readonly pathCount: number;
}

export interface Finding {
  readonly severity: Severity;
  readonly kind: FindingKind;
  readonly message: string;
  /** Null for what has no file: blobs that are in no index. */
  readonly file: { readonly type: FileType; readonly name: string } | null;
  /** The first of the blobs that are lost, and how many there are. */
  readonly blobs?: readonly BlobName[];
  readonly blobCount?: number;
  /** As of `HurtGroup`, of all snapshots together. */
  readonly snapshots?: readonly string[];
  readonly snapshotCount?: number;
  readonly paths?: readonly Buffer[];
  readonly pathCount?: number;
  /** So much is damaged that what this one hurts is told with another one. */
  readonly isSaidBefore?: boolean;
  /** The same of each group that `groupOf` names. */
  readonly groups?: readonly HurtGroup[];
}

export interface CheckReport {
  /** `rubbish`: sound, with leftovers. Hints leave a repository clean. */
  readonly verdict: "clean" | "rubbish" | "damaged";
  readonly findings: readonly Finding[];
  readonly keys: number;
  readonly indexFiles: number;
  readonly snapshots: number;
  readonly packs: number;
  readonly packBytes: number;
  readonly blobs: number;
  /** Further copies of blobs that are stored more than once, and their sealed bytes. */
  readonly duplicateBlobs: number;
  readonly duplicateBytes: number;
  readonly trees: number;
  /** Packs that hold both data and trees: old versions of restic made such. */
  readonly mixedPacks: number;
  /** Blobs that no snapshot needs, and their sealed bytes; null when trees could not be read, or not all were. */
  readonly unused: { readonly blobs: number; readonly sizeBytes: number } | null;
  /** Packs that were read whole, and their bytes. */
  readonly packsRead: number;
  readonly bytesRead: number;
}

export type CheckPhase = "files" | "index" | "packs" | "trees" | "data" | "impact";

export type CheckEvent =
  /** `total` is null where it is not known beforehand. Bytes for `data`, else things. */
  | { readonly kind: "progress"; readonly phase: CheckPhase; readonly done: number; readonly total: number | null }
  | { readonly kind: "finding"; readonly finding: Finding };

/** How many blobs and paths a finding names. */
export const namedAtMost = 20;
export const snapshotsNamedAtMost = 1000;

export function verdictOf(findings: readonly Finding[]): CheckReport["verdict"] {
  if (findings.some(({ severity }) => severity === "error")) return "damaged";
  return findings.some(({ severity }) => severity === "rubbish") ? "rubbish" : "clean";
}
