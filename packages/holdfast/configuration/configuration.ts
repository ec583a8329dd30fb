// What a valid configuration says, in the types and units that jobs work with.

import { parseLocation, type Location } from "@holdfast/repository";
import type { SourceKind } from "@holdfast/sources";
import { durationMs, keepSpanMs } from "./field-schemas.ts";
import type { FieldPath, Position, Problem } from "./problem.ts";
import type {
  EffectiveConfiguration,
  EffectiveRepository,
  EffectiveStack,
  KeepText,
  mediaTypes,
  periods,
  SourceKinds,
} from "./schema.ts";

export interface Configuration {
  /** Absolute path of the file. */
  readonly file: string;
  readonly repositories: ReadonlyMap<string, RepositoryConfiguration>;
  readonly stacks: ReadonlyMap<string, StackConfiguration>;
  /** As in the file, else what the caller has given as the default. */
  readonly stateDirectory: string | null;
  /** Null: what people are told is only printed. */
  readonly logFile: string | null;
  readonly warnings: readonly Problem[];
  /** The same in the shape of the file, with all defaults; may hold words of a password command. */
  readonly effective: EffectiveConfiguration;
  /** Where a value stands in the file, for errors that only work on it shows. */
  locate(path: FieldPath): Position;
}

export interface RepositoryConfiguration {
  readonly name: string;
  /** Holds neither user nor password. */
  readonly url: string;
  readonly location: Location;
  readonly password: PasswordOrigin;
  /** See `readRestCredentials`. */
  readonly credentialsFile: string | null;
  readonly media: (typeof mediaTypes)[number] | null;
  readonly place: string | null;
}

/** A file, or the words of a program that prints it. */
export type PasswordOrigin = { readonly file: string } | { readonly command: readonly string[] };

export interface StackConfiguration {
  readonly name: string;
  /** In the order of the file. */
  readonly sources: ReadonlyMap<string, SourceConfiguration>;
  readonly plans: ReadonlyMap<string, PlanConfiguration>;
  readonly prove: ProveConfiguration;
}

export interface SourceConfiguration {
  readonly name: string;
  readonly kind: SourceKind<unknown>;
  /** The long form, as the kind's schema gives it. */
  readonly options: unknown;
  readonly optional: boolean;
  readonly critical: boolean;
}

export interface PlanConfiguration {
  readonly name: string;
  /** Five fields of cron or a name like `@daily`; null: only when asked. */
  readonly schedule: string | null;
  readonly destinations: readonly DestinationConfiguration[];
}

export interface DestinationConfiguration {
  /** Stands in `repositories`. */
  readonly repository: string;
  readonly required: boolean;
  /** Null: everything is kept. */
  readonly keep: KeepRules | null;
}

/** Null: there is no such rule. */
export interface KeepRules {
  readonly last: number | null;
  readonly hourly: number | null;
  readonly daily: number | null;
  readonly weekly: number | null;
  readonly monthly: number | null;
  readonly yearly: number | null;
  readonly withinMs: number | null;
  readonly tags: readonly string[];
}

export interface ProveConfiguration {
  readonly restore: (typeof periods)[number] | null;
  readonly recovery: (typeof periods)[number] | null;
  readonly rtoMs: number | null;
  readonly rpoMs: number | null;
}

export type Parts = Pick<Configuration, "repositories" | "stacks">;

/** From what the schema accepted and the checks of references found whole. */
export function configurationParts(effective: EffectiveConfiguration, kinds: SourceKinds): Parts {
  return {
    repositories: mapped(effective.repositories, repositoryConfiguration),
    stacks: mapped(effective.stacks, (name, stack) => stackConfiguration(name, stack, kinds)),
  };
}

function mapped<From, To>(record: Readonly<Record<string, From>>, of: (name: string, from: From) => To) {
  return new Map(Object.entries(record).map(([name, from]) => [name, of(name, from)]));
}

function repositoryConfiguration(name: string, from: EffectiveRepository): RepositoryConfiguration {
  const { url, password_file: file, password_command: command, credentials_file: credentialsFile } = from;
  return {
    name,
    url,
    location: parseLocation(url),
    password: command === undefined ? { file: file as string } : { command },
    credentialsFile: credentialsFile ?? null,
    media: from.media ?? null,
    place: from.place ?? null,
  };
}

function stackConfiguration(name: string, from: EffectiveStack, kinds: SourceKinds): StackConfiguration {
  const { restore, recovery, rto, rpo } = from.prove ?? {};
  return {
    name,
    sources: mapped(from.sources, (sourceName, source) => sourceConfiguration(sourceName, source, kinds)),
    plans: mapped(from.plans, planConfiguration),
    prove: {
      restore: restore ?? null,
      recovery: recovery ?? null,
      rtoMs: rto === undefined ? null : durationMs(rto),
      rpoMs: rpo === undefined ? null : durationMs(rpo),
    },
  };
}

function sourceConfiguration(
  name: string,
  from: EffectiveStack["sources"][string],
  kinds: SourceKinds,
): SourceConfiguration {
  const options = from as Readonly<Record<string, unknown>>;
  const [kindName, kind] = Object.entries(kinds).find(([each]) => options[each] !== undefined) as [
    string,
    SourceKind<unknown>,
  ];
  return { name, kind, options: options[kindName], optional: from.optional, critical: from.critical };
}

function planConfiguration(name: string, from: EffectiveStack["plans"][string]): PlanConfiguration {
  return {
    name,
    schedule: from.schedule === undefined || from.schedule === "off" ? null : from.schedule,
    destinations: Object.entries(from.to).map(([repository, { required, keep }]) => ({
      repository,
      required,
      keep: keep === undefined ? null : keepRules(keep),
    })),
  };
}

function keepRules({ last, hourly, daily, weekly, monthly, yearly, within, tags }: KeepText): KeepRules {
  return {
    last: last ?? null,
    hourly: hourly ?? null,
    daily: daily ?? null,
    weekly: weekly ?? null,
    monthly: monthly ?? null,
    yearly: yearly ?? null,
    withinMs: within === undefined ? null : keepSpanMs(within),
    tags: tags ?? [],
  };
}
