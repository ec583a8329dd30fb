// Several repositories of the configuration, open at once; those that cannot be opened are kept with their reason.
import { HoldfastError } from "@holdfast/repository";
import type { Configuration, RepositoryConfiguration } from "../configuration/configuration.ts";
import type { RepositoryContext } from "../jobs/job-context.ts";
import { openConfigured } from "./configured-repository.ts";
import type { Session } from "./session.ts";

export interface OpenRepository {
  readonly repository: RepositoryConfiguration;
  readonly session: Session;
}

export interface ClosedRepository {
  readonly repository: RepositoryConfiguration;
  readonly error: HoldfastError;
}

/** Disposing gives back all locks, but those of sessions that were taken out. */
export class OpenRepositories implements AsyncDisposable {
  readonly opened: readonly OpenRepository[];
  readonly failed: readonly ClosedRepository[];
  readonly #taken = new Set<Session>();

  private constructor(opened: readonly OpenRepository[], failed: readonly ClosedRepository[]) {
    this.opened = opened;
    this.failed = failed;
  }

  /** With shared locks. Throws only what is no matter of one repository: an interruption, a defect. */
  static async open(
    repositories: Iterable<RepositoryConfiguration>,
    context: RepositoryContext,
  ): Promise<OpenRepositories> {
    const opened: OpenRepository[] = [];
    const failed: ClosedRepository[] = [];
    try {
      for (const repository of repositories) {
        try {
          opened.push({ repository, session: await openConfigured(repository, context) });
        } catch (error) {
          if (context.signal.aborted || !(error instanceof HoldfastError) || error.code === "internal") throw error;
          failed.push({ repository, error });
        }
      }
    } catch (error) {
      await new OpenRepositories(opened, failed)[Symbol.asyncDispose]();
      throw error;
    }
    return new OpenRepositories(opened, failed);
  }

  /** From now on the caller disposes of this one. */
  take(session: Session): Session {
    this.#taken.add(session);
    return session;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await using stack = new AsyncDisposableStack();
    for (const { session } of this.opened) if (!this.#taken.has(session)) stack.use(session);
  }
}

/** The repositories that the plans of these stacks store in, each once, in the order of the configuration. */
export function repositoriesOfStacks(
  configuration: Configuration,
  stacks: Iterable<string>,
): RepositoryConfiguration[] {
  const names = new Set<string>();
  for (const stack of stacks) {
    for (const plan of configuration.stacks.get(stack)?.plans.values() ?? []) {
      for (const { repository } of plan.destinations) names.add(repository);
    }
  }
  return [...configuration.repositories.values()].filter(({ name }) => names.has(name));
}
