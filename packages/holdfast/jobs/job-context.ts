// What every job is given: clocks, the order to end, the state of this host, and whom to tell.
import type { SourceContext } from "@holdfast/sources";
import type { StateDirectory } from "../state/state-directory.ts";

/** Enough to open a repository. */
export interface RepositoryContext extends SourceContext {
  /** `holdfast 0.1.0`, written into snapshots. */
  readonly programVersion: string;
  /** The directory of all caches; undefined: none is wanted. */
  readonly cacheDirectory: string | undefined;
  /** How long to wait for the lock of a repository. */
  readonly retryLockMs: number;
  /** Something a person should know that does not change the outcome. */
  readonly warn: (message: string) => void;
}

export interface JobContext extends RepositoryContext {
  readonly state: StateDirectory;
  /** How long to wait for another job of the same stack. */
  readonly waitMs: number;
}
