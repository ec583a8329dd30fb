// What a source is: it can be pinned, read, restored, and compared with what was recorded when it was captured.
import type { ChunkerHint, SelectionRules } from "@holdfast/repository";
import type { z } from "zod";

/**
 * How far the parts of a capture belong to one moment. `crash`: as after a power cut, or read file by file while
 * others write; `application`: as the application itself would leave it; `transaction`: one committed state;
 * `offline`: nothing ran that could write.
 */
export type Consistency = "crash" | "application" | "transaction" | "offline";

/** Weakest first: a stack is as consistent as its weakest source. */
export const consistencyOrder: readonly Consistency[] = ["crash", "application", "transaction", "offline"];

/** What every call to a source is given; sources have no clock and no end of their own. */
export interface SourceContext {
  readonly signal: AbortSignal;
  readonly now: () => Date;
  /** Milliseconds that only ever grow. */
  readonly clock: () => number;
  /** Values of secrets come from here, never from `process.env`. */
  readonly environment: NodeJS.ProcessEnv;
}

/** What can be known before anything is opened. */
export interface Preflight {
  /** False: what the source names is not there at all. An optional source is then skipped, any other has failed. */
  readonly present: boolean;
  /** An estimate; null when it cannot be had cheaply. */
  readonly sizeBytes: number | null;
  /** Things that will be missing or doubtful in the capture, in plain words; empty is good. */
  readonly warnings: readonly string[];
}

/** A path, or a stream of bytes, that goes into the source's directory of the snapshot. */
export type SourceEntry =
  | {
      readonly kind: "files";
      /** Absolute path on disk (raw bytes); it keeps this path below the source's directory. */
      readonly path: Buffer;
      readonly selection: SelectionRules;
    }
  | {
      readonly kind: "stream";
      /** Absolute path below the source's directory, raw bytes: where the content lies on disk. */
      readonly path: Buffer;
      /** Fills the beginning of `into`; 0 is the end. */
      readonly read: (into: Buffer) => Promise<number>;
      /** Called after the last byte; throws `source` when the stream is not whole. */
      readonly finish: () => Promise<void>;
      /** Permission bits, owner and time that the restored file gets. */
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
      readonly mtimeNs: bigint;
      readonly hint: ChunkerHint;
    };

/**
 * A pinned view. It is opened for all sources of a stack before the first is read, and disposed of when all are
 * read or the run has failed. Disposing never throws and ends everything that was started.
 */
export interface OpenSource extends AsyncDisposable {
  /** When the view was pinned, nanoseconds since the epoch; null: nothing is pinned, content is as of its reading. */
  readonly pinnedAtNs: bigint | null;
  readonly consistency: Consistency;
  readonly entries: readonly SourceEntry[];
  /** As in `Preflight`, now that it was looked at closely. */
  readonly warnings: readonly string[];
  /**
   * The facts of this very view that a restore must reproduce, and what is wrong with the content itself. Called
   * once, after the view is open; it may run while the entries are read, and is awaited before the end of the run.
   */
  witness(): Promise<Witnessed>;
}

/** JSON: what the kind's own `compare` understands. Readers accept members that they do not know. */
export type Facts = { readonly [name: string]: unknown };

export interface Witnessed {
  /** False: taken beside the content, not from the same view. */
  readonly exact: boolean;
  readonly facts: Facts;
  /** Damage in the content, in plain words: it is stored, and the source has failed. */
  readonly damage: readonly string[];
}

/** The part of a snapshot that belongs to one source. */
export interface SnapshotPart {
  /**
   * Brings back one entry of the source's directory, with all below it and all its metadata, as `copy`, which must not
   * exist; its directory must. Everything that is written is read back and compared. Throws when anything is missing
   * or differs, and leaves nothing behind then.
   */
  restore(path: Buffer, copy: Buffer): Promise<void>;
  /** Compares content and metadata of `copy` with the entry; at most some hundred differences, in plain words. */
  compare(path: Buffer, copy: Buffer): Promise<readonly Difference[]>;
}

export interface Difference {
  /** A table, a path: what differs. */
  readonly what: string;
  readonly problem: string;
}

/** What the manifest says of a source that is to be restored. */
export interface CapturedSource {
  /** Absolute paths below the source's directory, in the order of its entries. */
  readonly paths: readonly Buffer[];
  readonly facts: Facts;
}

/** Where a restore puts a source. `paths`: each path of it to a place that does not exist yet, its directory does. */
export type RestoreTarget = { readonly kind: "paths"; readonly place: (path: Buffer) => Buffer };

/** One path of a source and where its restored copy stands. */
export interface RestoredCopy {
  readonly path: Buffer;
  readonly copy: Buffer;
}

/** A throwaway target; disposing removes it, whatever happened in it, and never throws. */
export interface Sandbox extends AsyncDisposable {
  readonly target: RestoreTarget;
}

/** One kind of source; all that is asked of it. `Options` is what stands below the kind's name in a configuration. */
export interface SourceKind<Options> {
  readonly name: string;
  /** Accepts the short form and the long one, and gives the long one. */
  readonly options: z.ZodType<Options>;
  /** Paths on this host that the options name: for config checks, and to find sources that overlap. */
  paths(options: Options): readonly string[];
  preflight(options: Options, context: SourceContext): Promise<Preflight>;
  open(options: Options, context: SourceContext): Promise<OpenSource>;
  /** Files that belong to `path` and must not stand beside a restored one: they are moved aside with it. */
  companions(path: Buffer): readonly Buffer[];
  /** Brings all paths of the source to the target. When it throws, the caller removes what `part` has restored. */
  restore(
    captured: CapturedSource,
    part: SnapshotPart,
    target: RestoreTarget,
    context: SourceContext,
  ): Promise<readonly RestoredCopy[]>;
  /** A place to restore into and throw away, in `directory` (empty, 0700), which the caller removes. */
  sandbox(directory: string, context: SourceContext): Promise<Sandbox>;
  /**
   * Compares restored copies with the recorded facts and checks them as deeply as the kind can. It changes nothing of
   * them and leaves nothing beside them. No difference: the copy is what was captured.
   */
  compare(
    captured: CapturedSource,
    copies: readonly RestoredCopy[],
    part: SnapshotPart,
    context: SourceContext,
  ): Promise<readonly Difference[]>;
}
