// What verbs about stacks work with: the configuration, the state of this host, and the context of jobs.
import { HoldfastError } from "@holdfast/repository";
import { sourceKinds } from "@holdfast/sources";
import type {
  Configuration,
  PlanConfiguration,
  RepositoryConfiguration,
  StackConfiguration,
} from "../../configuration/configuration.ts";
import { findConfigurationFile } from "../../configuration/find-file.ts";
import { loadConfiguration } from "../../configuration/load-configuration.ts";
import { nameHint } from "../../configuration/nearest-name.ts";
import type { JobContext } from "../../jobs/job-context.ts";
import { defaultStateDirectory } from "../../state/default-state-directory.ts";
import { StateDirectory } from "../../state/state-directory.ts";
import type { Context } from "../context.ts";
import { LogFile } from "../log-file.ts";
import { cacheDirectoryOf } from "../session.ts";
import { parseDurationMs } from "../values/durations.ts";
import type { StackOptions } from "./stack-options.ts";

export class Workspace implements Disposable {
  readonly configuration: Configuration;
  readonly job: JobContext;

  private constructor(configuration: Configuration, job: JobContext) {
    this.configuration = configuration;
    this.job = job;
  }

  /** Throws `usage` for a configuration that is wrong, or none. */
  static async open(context: Context, options: StackOptions): Promise<Workspace> {
    const { environment, globals, output, signal, now, clock, programVersion } = context;
    const uid = process.getuid?.() ?? 0;
    const stateDirectory = defaultStateDirectory(environment, uid);
    const file = findConfigurationFile({ named: options.config, directory: process.cwd(), environment, uid });
    const configuration = loadConfiguration({ file, kinds: sourceKinds, environment, stateDirectory });
    const { logFile } = configuration;
    if (logFile !== null) output.logTo(new LogFile(logFile, { now, whenBroken: (message) => output.warn(message) }));
    const state = await StateDirectory.open(configuration.stateDirectory ?? stateDirectory, { now, uid });
    return new Workspace(configuration, {
      signal,
      now,
      clock,
      environment,
      programVersion,
      cacheDirectory: cacheDirectoryOf(globals, environment),
      retryLockMs: globals.retryLockMs,
      warn: (message) => output.warn(message),
      state,
      waitMs: options.wait === undefined ? 0 : parseDurationMs(options.wait, "--wait"),
    });
  }

  /** Throws `usage`, with the nearest name. */
  stack(name: string): StackConfiguration {
    return this.#named(this.configuration.stacks, name, "stack");
  }

  /** Throws `usage`, with the nearest name. */
  repository(name: string): RepositoryConfiguration {
    return this.#named(this.configuration.repositories, name, "repository");
  }

  /** `STACK`, if it has one plan, or `STACK/PLAN`. Throws `usage`. */
  plan(word: string): { stack: StackConfiguration; plan: PlanConfiguration } {
    const [stackName = "", planName, ...more] = word.split("/");
    if (more.length > 0) throw new HoldfastError("usage", `${JSON.stringify(word)} is not STACK or STACK/PLAN`);
    const stack = this.stack(stackName);
    if (planName !== undefined) return { stack, plan: this.#named(stack.plans, planName, "plan") };
    const [only, ...others] = stack.plans.values();
    if (only === undefined) throw new HoldfastError("usage", `the stack ${stackName} has no plan`);
    if (others.length === 0) return { stack, plan: only };
    throw new HoldfastError("usage", `the stack ${stackName} has several plans`, {
      hint: `name one: ${[...stack.plans.keys()].map((each) => `${stackName}/${each}`).join(", ")}`,
    });
  }

  [Symbol.dispose](): void {
    this.job.state[Symbol.dispose]();
  }

  #named<Value>(map: ReadonlyMap<string, Value>, name: string, what: string): Value {
    const found = map.get(name);
    if (found !== undefined) return found;
    throw new HoldfastError("usage", `there is no ${what} ${JSON.stringify(name)}`, {
      hint: nameHint(name, [...map.keys()]),
    });
  }
}
