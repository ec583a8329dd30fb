// What a check finds wrong with a stack.
import type { RepositoryConfiguration } from "../configuration/configuration.ts";

/** Something wrong with a stack, and which of its recovery points and sources it concerns. */
export interface StackFinding {
  /**
   * `damage`: something is lost. `vanished`: recovery points that this host knew are gone. `incomplete`: what should be
   * there was never stored.
   */
  readonly kind: "damage" | "vanished" | "incomplete";
  readonly repository: string;
  readonly message: string;
  /** The first of their ids; empty for what hurts none that is known, or cannot be told. */
  readonly snapshots: readonly string[];
  readonly snapshotCount: number;
  readonly sources: readonly string[];
  /** True when so much is hurt that only the first of it is named. */
  readonly mayHurtMore: boolean;
}

export function damageOf({ name }: RepositoryConfiguration, message: string): StackFinding {
  return {
    kind: "damage",
    repository: name,
    message,
    snapshots: [],
    snapshotCount: 0,
    sources: [],
    mayHurtMore: false,
  };
}
