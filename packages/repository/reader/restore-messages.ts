// What the main thread and the restorer's worker threads say to each other. Names are byte strings.
import type { MasterKey } from "../codec/seal.ts";
import type { ErrorCode, ErrorContext } from "../errors.ts";
import type { ExtendedAttribute } from "../format/node.ts";
import type { ContentRun, WriteOptions } from "./file-writer.ts";

/** The first message to a thread. */
export interface RestoreWorkerSetup {
  readonly key: MasterKey;
  readonly options: WriteOptions;
  /** One 32-bit word, not zero once everything has to stop. */
  readonly stop: SharedArrayBuffer;
}

/** A directory that the main thread keeps open until the task is answered: threads share descriptors. */
export interface SharedDirectory {
  readonly fd: number;
  readonly path: Uint8Array;
}

/** 32-bit words of a blob in `RangeTask.blobs`. */
export const blobWords = 4;
/** Numbers of a target in `TargetList.numbers`. */
export const targetNumbers = 7;
export const wholeTarget = 0;
export const replacingTarget = 1;
export const partTarget = 2;

/** Where blobs go, packed: a task has thousands of them, and objects cost more to send than to use. */
export interface TargetList {
  readonly directories: readonly SharedDirectory[];
  /** Joined by slashes. */
  readonly names: string;
  /** Kind, number of the directory, descriptor and offset (of a part of a file), uid, gid, mode (of a whole one). */
  readonly numbers: Float64Array;
  /** Access and modification. */
  readonly times: BigInt64Array;
  readonly xattrs: readonly { readonly target: number; readonly xattrs: readonly ExtendedAttribute[] }[];
}

/** A range of a pack and the blobs in it. */
export interface RangeTask {
  readonly kind: "range";
  readonly bytes: Uint8Array;
  /** Offset in `bytes`, sealed length, plain length (0: not compressed), how many of the next targets it has. */
  readonly blobs: Uint32Array;
  readonly ids: Uint8Array;
  readonly targets: TargetList;
}

export interface CompareTask {
  readonly kind: "compare";
  readonly directory: SharedDirectory;
  readonly name: string;
  readonly run: ContentRun;
}

export type RestoreTask = RangeTask | CompareTask;

/** A HoldfastError on its way between threads. */
export interface PlainError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string;
  readonly context: ErrorContext;
}

export interface TargetProblem {
  readonly target: number;
  readonly during: "write" | "metadata";
  readonly error: PlainError;
}

export type RestoreAnswer =
  | {
      readonly kind: "range";
      /** Blobs that cannot be read from here; nothing was done about their targets. */
      readonly failedBlobs: readonly number[];
      readonly problems: readonly TargetProblem[];
      readonly ownersNotSet: number;
    }
  | { readonly kind: "compare"; readonly holds: boolean };

export type FromRestoreWorker =
  | { readonly kind: "answer"; readonly answer: RestoreAnswer }
  | { readonly kind: "failure"; readonly error: PlainError };
