// Points in time as restic takes and shows them: "2012-11-01 22:08:41" in the local zone.

import { HoldfastError } from "@holdfast/repository";

const two = (value: number): string => String(value).padStart(2, "0");

/** `YYYY-MM-DD HH:MM:SS` in the local zone. */
export function formatTime(time: Date): string {
  const day = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  return `${day} ${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}

/**
 * Nanoseconds since the epoch of `YYYY-MM-DD HH:MM:SS` in the local zone, or of an RFC 3339 time with its
 * zone ("2012-11-01T22:08:41.5Z"). Days that no calendar has are refused, not carried over.
 */
export function parseTimeNs(text: string, option: string): bigint {
  const found = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)?$/.exec(text);
  const [, day, clock, fraction, zone] = found ?? [];
  if (day !== undefined && clock !== undefined && isOnTheCalendar(day)) {
    const milliseconds = Date.parse(`${day}T${clock}${zone ?? ""}`);
    if (!Number.isNaN(milliseconds)) return BigInt(milliseconds) * 1_000_000n + BigInt((fraction ?? "").padEnd(9, "0"));
  }
  throw new HoldfastError("usage", `${option}: ${JSON.stringify(text)} is not a time`, {
    hint: 'write it like "2012-11-01 22:08:41"',
  });
}

function isOnTheCalendar(day: string): boolean {
  const time = new Date(`${day}T00:00:00Z`);
  return !Number.isNaN(time.getTime()) && time.toISOString().startsWith(day);
}

/**
 * As `parseTimeNs`, and also a day alone (its beginning), a time without seconds, days as `01.11.2012`, and a zone as
 * ` +0100` behind: the forms that restic's `find` takes.
 */
export function parseDayOrTimeNs(text: string, option: string): bigint {
  const found = /^(?:(\d{4}-\d\d-\d\d)|(\d\d)\.(\d\d)\.(\d{4}))(?: (\d\d:\d\d)(:\d\d)?(?: ([+-]\d\d)(\d\d))?)?$/.exec(
    text,
  );
  if (found === null) return parseTimeNs(text, option);
  const [, isoDay, day, month, year, clock = "00:00", seconds = ":00", zoneHours, zoneMinutes] = found;
  const zone = zoneHours === undefined ? "" : `${zoneHours}:${zoneMinutes}`;
  return parseTimeNs(`${isoDay ?? `${year}-${month}-${day}`} ${clock}${seconds}${zone}`, option);
}
