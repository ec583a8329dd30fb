// The options that say which snapshots are kept, as restic has them, and the policy that they amount to.

import {
  emptyPolicy,
  forgetPeriods,
  HoldfastError,
  isEmptySpan,
  parseCalendarSpan,
  type CalendarSpan,
  type ForgetPolicy,
} from "@holdfast/repository";
import type { Command } from "commander";
import { collect } from "./global-options.ts";
import { parseTagLists } from "./snapshot-filter.ts";
import { parseCount } from "./values/sizes.ts";

export interface KeepOptions {
  keepLast?: string;
  keepHourly?: string;
  keepDaily?: string;
  keepWeekly?: string;
  keepMonthly?: string;
  keepYearly?: string;
  keepWithin?: string;
  keepWithinHourly?: string;
  keepWithinDaily?: string;
  keepWithinWeekly?: string;
  keepWithinMonthly?: string;
  keepWithinYearly?: string;
  keepTag?: string[];
}

const letters = { hourly: "H", daily: "d", weekly: "w", monthly: "m", yearly: "y" } as const;

export function addKeepOptions(command: Command): void {
  command.option("-l, --keep-last <n>", "keep the newest n; or all with unlimited, here and below");
  for (const period of forgetPeriods) {
    const unit = period === "daily" ? "day" : period.slice(0, -2);
    command.option(`-${letters[period]}, --keep-${period} <n>`, `keep the newest of each ${unit}, for n that have one`);
  }
  command.option("--keep-within <span>", "keep all that are younger than the newest by less, like 1y5m7d2h");
  for (const period of forgetPeriods) {
    command.option(`--keep-within-${period} <span>`, `keep ${period} ones that are younger than the newest by less`);
  }
  command.option("--keep-tag <tag,...>", 'keep those with all these tags; repeat for "or"', collect);
}

/** Throws `usage`. */
export function policyOfOptions(options: KeepOptions): ForgetPolicy {
  const given = options as Readonly<Record<string, string | undefined>>;
  const nameOf = (prefix: string, period: string): string => `${prefix}${period[0]?.toUpperCase()}${period.slice(1)}`;
  const count = (name: string, option: string): number => {
    const text = given[name];
    if (text === undefined) return 0;
    return text === "unlimited" || text === "-1" ? Infinity : parseCount(text, option);
  };
  const eachPeriod = <Value>(of: (period: (typeof forgetPeriods)[number]) => Value): Record<string, Value> =>
    Object.fromEntries(forgetPeriods.map((period) => [period, of(period)]));
  return {
    last: count("keepLast", "--keep-last"),
    counts: {
      ...emptyPolicy.counts,
      ...eachPeriod((period) => count(nameOf("keep", period), `--keep-${period}`)),
    },
    within: parseSpan(options.keepWithin, "--keep-within"),
    withinPeriods: {
      ...emptyPolicy.withinPeriods,
      ...eachPeriod((period) => parseSpan(given[nameOf("keepWithin", period)], `--keep-within-${period}`)),
    },
    tags: parseTagLists(options.keepTag ?? []),
  };
}

/** Null for nothing, and for a span of nothing: that is no rule. */
function parseSpan(text: string | undefined, option: string): CalendarSpan | null {
  if (text === undefined) return null;
  const span = parseCalendarSpan(text);
  if (span !== null) return isEmptySpan(span) ? null : span;
  throw new HoldfastError("usage", `${option}: ${JSON.stringify(text)} is not a span of time`, {
    hint: "write years, months, days and hours like 1y5m7d2h",
  });
}
