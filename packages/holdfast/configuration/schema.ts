// The shape of holdfast.yml: what may stand where, with a description of each key.

import type { SourceKind } from "@holdfast/sources";
import { z } from "zod";
import {
  addressSchema,
  durationSchema,
  keepSpanSchema,
  namePattern,
  nameSchema,
  pathSchema,
  scheduleSchema,
  textSchema,
} from "./field-schemas.ts";

/** The kinds of sources by their names; `SourceKind<FilesOptions>` and all others fit. */
export type SourceKinds = Readonly<Record<string, SourceKind<unknown>>>;

/** How often something is proven. */
export const periods = ["daily", "weekly", "monthly", "quarterly", "yearly"] as const;
export const mediaTypes = ["disk", "object", "tape", "optical"] as const;

/** Named things, at least one. That the names are good is looked at by `referenceFlaws`, which sees all of them. */
const named = <Value extends z.ZodType>(value: Value, what: string) =>
  z
    .record(z.string().meta({ pattern: namePattern.source }), value)
    .refine((map) => Object.keys(map).length > 0, `must name at least one ${what}`);

const repositorySchema = z.strictObject({
  url: addressSchema.describe("where it is: an absolute path, or rest:https://HOST/PATH/; never with a password"),
  password_file: pathSchema.optional().describe("a file with the password, readable by its owner only"),
  password_command: z
    .array(textSchema)
    .min(1)
    .optional()
    .describe("a program that prints the password, as a list of words; run without a shell"),
  credentials_file: pathSchema
    .optional()
    .describe(
      "a file with the account for the address: lines NAME=VALUE with RESTIC_REST_USERNAME, RESTIC_REST_PASSWORD",
    ),
  media: z.enum(mediaTypes).optional().describe("what it is kept on"),
  place: nameSchema.optional().describe("where that stands: repositories in one place burn together"),
});

const countSchema = z.int().min(1).max(100_000);

const keepSchema = z
  .strictObject({
    last: countSchema.optional().describe("the newest so many"),
    hourly: countSchema.optional().describe("the newest of each hour, for so many hours that have one"),
    daily: countSchema.optional().describe("the newest of each day, for so many days that have one"),
    weekly: countSchema.optional().describe("the newest of each week, for so many weeks that have one"),
    monthly: countSchema.optional().describe("the newest of each month, for so many months that have one"),
    yearly: countSchema.optional().describe("the newest of each year, for so many years that have one"),
    within: keepSpanSchema
      .optional()
      .describe("all that are younger than the newest by less: hours, days or weeks, like 30d"),
    tags: z.array(textSchema).min(1).optional().describe("all with one of these tags"),
  })
  .refine((rules) => Object.keys(rules).length > 0, "names no rule: leave keep out to keep everything");

const destinationSchema = z.strictObject({
  keep: keepSchema.optional().describe("what `holdfast prune` keeps there; without it everything"),
  required: z.boolean().default(true).describe("false: the run is good without this copy"),
});

const planSchema = z.strictObject({
  schedule: scheduleSchema.optional().describe('when: five fields of cron, in UTC, a name like @daily, or "off"'),
  to: named(destinationSchema, "repository").describe("the repositories it goes to, by their names"),
});

const proveSchema = z.strictObject({
  restore: z.enum(periods).optional().describe("how often a restore is tried in a sandbox"),
  recovery: z.enum(periods).optional().describe("how often a recovery from nothing is tried"),
  rto: durationSchema.optional().describe("how long a recovery may take, like 15m"),
  rpo: durationSchema.optional().describe("how much time may be lost, like 24h"),
});

function sourceSchema(kinds: SourceKinds) {
  const options = Object.fromEntries(
    Object.entries(kinds).map(([name, kind]) => [
      name,
      kind.options.optional().describe(`a source of the kind ${name}`),
    ]),
  );
  return z.strictObject({
    ...options,
    optional: z.boolean().default(false).describe("true: when it is not there, that is recorded and all is well"),
    critical: z.boolean().default(false).describe("true: what is a warning for others is a failure for this one"),
    during: z.literal("hot").default("hot").describe("what happens to its services meanwhile; hot: nothing"),
  });
}

/** Accepts what a file may say, and gives it with all defaults and long forms. */
export function configurationSchema(kinds: SourceKinds) {
  const stackSchema = z.strictObject({
    sources: named(sourceSchema(kinds), "source").describe("what is captured, as one recovery point"),
    plans: named(planSchema, "plan").describe("when it is captured, where it goes and how long it is kept"),
    prove: proveSchema.optional().describe("how often and how well it must come back"),
  });
  return z.strictObject({
    repositories: named(repositorySchema, "repository").describe("where backups go"),
    stacks: named(stackSchema, "stack").describe("what belongs together"),
    state_directory: pathSchema.optional().describe("what this host must remember between runs; its user's alone"),
    log_file: pathSchema.optional().describe("where what people are told is written too; rotated at 10 MiB"),
  });
}

/** The whole configuration in the shape of its file, all defaults filled in. */
export type EffectiveConfiguration = z.output<ReturnType<typeof configurationSchema>>;
export type EffectiveRepository = z.output<typeof repositorySchema>;
export type EffectiveStack = EffectiveConfiguration["stacks"][string];
export type KeepText = z.output<typeof keepSchema>;

/** JSON Schema (draft 2020-12) of what a file may say, for editors. */
export function configurationJsonSchema(kinds: SourceKinds): z.core.JSONSchema.BaseSchema {
  return z.toJSONSchema(configurationSchema(kinds), { io: "input" });
}
