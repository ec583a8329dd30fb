// How long ago something was, in words.
import { formatCount } from "./amounts.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

/** `12 seconds`, `5 minutes`, `3 hours`, `9 days`: the largest unit of which there are two, cut off. */
export function formatAge(ageMs: number): string {
  const positiveMs = Math.max(0, ageMs);
  if (positiveMs < 2 * minuteMs) return formatCount(Math.trunc(positiveMs / 1000), "second");
  if (positiveMs < 2 * hourMs) return formatCount(Math.trunc(positiveMs / minuteMs), "minute");
  if (positiveMs < 2 * dayMs) return formatCount(Math.trunc(positiveMs / hourMs), "hour");
  return formatCount(Math.trunc(positiveMs / dayMs), "day");
}
