// The `keep` of a plan as restic's rules.
import { emptyPolicy, type ForgetPolicy } from "@holdfast/repository";
import type { KeepRules } from "../configuration/configuration.ts";

const hourMs = 3_600_000;

/** A span counts in hours, so that a day has 24 of them whatever the clocks do. Each tag is a rule of its own. */
export function policyOfKeep(keep: KeepRules): ForgetPolicy {
  const { last, hourly, daily, weekly, monthly, yearly, withinMs, tags } = keep;
  return {
    ...emptyPolicy,
    last: last ?? 0,
    counts: {
      hourly: hourly ?? 0,
      daily: daily ?? 0,
      weekly: weekly ?? 0,
      monthly: monthly ?? 0,
      yearly: yearly ?? 0,
    },
    within: withinMs === null ? null : { years: 0, months: 0, days: 0, hours: withinMs / hourMs },
    tags: tags.map((tag) => [tag]),
  };
}
