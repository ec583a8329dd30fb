// Recovery points for tests of retention: what a repository would say of them, without a repository.
import { HoldfastError } from "@holdfast/repository";
import type { KeepRules, PlanConfiguration, StackConfiguration } from "../configuration/configuration.ts";
import type { RecoveryPoint } from "../jobs/recovery-points.ts";
import type { Manifest } from "../records/manifest.ts";
import { emptyRecord, type Proof } from "../records/stack-record.ts";
import { snapshotTags } from "../records/tags.ts";
import type { RetentionPlan } from "./retention-plan.ts";

export const stackName = "app";
export const ownHost = "here";
export const dayMs = 86_400_000;

export const noRules: KeepRules = {
  last: null,
  hourly: null,
  daily: null,
  weekly: null,
  monthly: null,
  yearly: null,
  withinMs: null,
  tags: [],
};

/** A plan that stores in these repositories, with these rules; null: everything is kept. */
export function plan(name: string, to: Readonly<Record<string, Partial<KeepRules> | null>>): PlanConfiguration {
  const destinations = Object.entries(to).map(([repository, keep]) => ({
    repository,
    required: true,
    keep: keep === null ? null : { ...noRules, ...keep },
  }));
  return { name, schedule: null, destinations };
}

export function stack(...plans: readonly PlanConfiguration[]): StackConfiguration {
  return {
    name: stackName,
    sources: new Map(),
    plans: new Map(plans.map((each) => [each.name, each])),
    prove: { restore: null, recovery: null, rtoMs: null, rpoMs: null },
  };
}

export interface PointFacts {
  readonly plan?: string | null;
  readonly host?: string;
  readonly tags?: readonly string[];
  readonly outcome?: "good" | "partial" | "unreadable";
  readonly pinned?: boolean;
  /** null: for ever. */
  readonly heldUntil?: Date | null;
  /** Results of drills, the oldest first. */
  readonly drills?: readonly Proof["result"][];
}

/** A point of that moment; its id tells the moment too. */
export function point(time: Date, facts: PointFacts = {}): RecoveryPoint {
  const { plan: planName = "daily", host = ownHost, outcome = "good", tags = [] } = facts;
  const at = time.toISOString();
  const id = `${at.replaceAll(/[^0-9]/g, "")}${host}${planName}${outcome}`.padEnd(64, "0");
  const entry = { id: "e", snapshotId: id, at, removedAt: null };
  const person = { by: "somebody", note: "" };
  const isReadable = outcome !== "unreadable";
  return {
    repository: { name: "local" } as RecoveryPoint["repository"],
    stack: stackName,
    snapshot: {
      id,
      time: at,
      parent: null,
      tree: "0".repeat(64),
      paths: [`/${stackName}`],
      hostname: host,
      username: "",
      uid: 0,
      gid: 0,
      excludes: [],
      tags: [...(planName === null ? ["holdfast", `stack:${stackName}`] : snapshotTags(stackName, planName)), ...tags],
      original: null,
      programVersion: "",
      summary: null,
      unknownFields: {},
    },
    time,
    manifest: isReadable ? ({ outcome } as Manifest) : null,
    problem: isReadable ? null : new HoldfastError("damaged", "its manifest is malformed"),
    record: {
      ...emptyRecord,
      pins: facts.pinned === true ? [{ ...entry, ...person }] : [],
      holds:
        facts.heldUntil === undefined
          ? []
          : [{ ...entry, ...person, until: facts.heldUntil === null ? null : facts.heldUntil.toISOString() }],
      proofs: (facts.drills ?? []).map((result, number) => ({
        ...entry,
        at: new Date(time.getTime() + (number + 1) * 60_000).toISOString(),
        tree: "0".repeat(64),
        host,
        result,
        rtoMs: 1,
        rpoMs: null,
        sources: [],
      })),
    },
  };
}

export function keptOf({ decisions }: RetentionPlan): RecoveryPoint[] {
  return decisions.filter(({ action }) => action === "keep").map((each) => each.point);
}
