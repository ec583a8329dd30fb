// The manifest `holdfast.json` at the root of a stack's snapshot: what was captured, how whole and how consistent it is.
import type { Consistency } from "@holdfast/sources";
import { z } from "zod";
import { isSourceName, isStackName } from "./names.ts";
import { rawPathSchema } from "./raw-path.ts";
import { parseVersioned } from "./versioned-json.ts";

/** Its path in the snapshot. */
export const manifestPath = "/holdfast.json";
/** Raise the minor number for a new member that readers may ignore, the major one for anything else. */
export const manifestVersion = "1.0";
const formatMajor = 1;

/** RFC 3339. */
const time = z.iso.datetime({ offset: true });
const count = z.number().int().nonnegative();
const consistency = z.enum(["crash", "application", "transaction", "offline"]) satisfies z.ZodType<Consistency>;
const stackName = z.string().refine(isStackName, "it is no name of a stack or plan");

const sourceSchema = z.looseObject({
  /** `files`, `sqlite`, … */
  kind: z.string(),
  /** `failed`: nothing, or nothing that can be relied on, is in the snapshot. `skipped`: optional, and not there. */
  outcome: z.enum(["good", "partial", "failed", "skipped"]),
  optional: z.boolean(),
  critical: z.boolean(),
  /** Why it is not good; null when it is. */
  reason: z.string().nullable(),
  /** Null when nothing was captured. */
  consistency: consistency.nullable(),
  /** Null when nothing was pinned. */
  pinnedAt: time.nullable(),
  warnings: z.array(z.string()),
  /** The first hundred of them. */
  errors: z.array(z.string()),
  errorCount: count,
  /** Absolute, below the source's directory of the snapshot, in the order of capture. */
  paths: z.array(rawPathSchema),
  /** As in the configuration, long form; never a secret. */
  options: z.record(z.string(), z.unknown()),
  /** Of its streams; null where the trees of the snapshot say it. */
  bytes: count.nullable(),
  /** Null when nothing was captured. */
  witness: z
    .looseObject({ exact: z.boolean(), facts: z.record(z.string(), z.unknown()), damage: z.array(z.string()) })
    .nullable(),
});

const manifestSchema = z.looseObject({
  version: z.string(),
  stack: stackName,
  plan: stackName,
  runId: z.string(),
  host: z.string(),
  /** `holdfast 0.1.0` */
  program: z.string(),
  startedAt: time,
  finishedAt: time,
  outcome: z.enum(["good", "partial"]),
  /** The weakest of all sources; null when none was captured. */
  consistency: consistency.nullable(),
  /** Between the first and the last pin; null when fewer than two are pinned. */
  skewMs: z.number().nonnegative().nullable(),
  sources: z.record(z.string().refine(isSourceName, "it is no name of a source"), sourceSchema),
});

export type Manifest = z.infer<typeof manifestSchema>;
export type ManifestSource = z.infer<typeof sourceSchema>;

/** Checked like what is read: what is malformed is never stored. */
export function encodeManifest(manifest: Manifest): Buffer {
  return Buffer.from(`${JSON.stringify(manifestSchema.parse(manifest), null, 2)}\n`);
}

/** Members it does not know are kept. Throws `damaged`, or `unsupported` for a higher major version. */
export function parseManifest(bytes: Buffer): Manifest {
  return parseVersioned(bytes, manifestPath.slice(1), manifestSchema, formatMajor);
}
