// Spans of calendar time (`1y5m7d2h`), and the moment that lies one before another, in that one's own time zone.
//
// Source: restic's Duration, and the documentation of Go's time package (AddDate, Date, Parse): a time read from
// RFC 3339 belongs to the local zone if its offset is the one that the local zone has at that moment, else to a zone
// of this offset that never changes.
import { parseTime } from "../../format/go-time.ts";

export interface CalendarSpan {
  readonly years: number;
  readonly months: number;
  readonly days: number;
  readonly hours: number;
}

/** How far a zone is ahead of UTC, in seconds, at a moment in seconds since the epoch. */
export type ZoneOffset = (seconds: number) => number;

/** The zone of this process (TZ, or the system's). */
export const systemZone: ZoneOffset = (seconds) => -60 * new Date(seconds * 1000).getTimezoneOffset();

/** A stored time, as a moment and as the clock on the wall showed it where it was written. */
export interface WallTime {
  /** Nanoseconds since the epoch. */
  readonly timeNs: bigint;
  /** Its UTC fields are those of the wall clock; whole seconds. */
  readonly wall: Date;
  /** False: the zone is UTC by name, and never any other. */
  readonly hasOffset: boolean;
}

const nanosPerSecond = 1_000_000_000n;
const wholeSecondsLength = 19;
const unitsInOrder = [
  ["years", "y"],
  ["months", "m"],
  ["days", "d"],
  ["hours", "h"],
] as const;

/** `6y5m234d37h`, in any order, the last of each unit counts. Null for anything else, and for negative numbers. */
export function parseCalendarSpan(text: string): CalendarSpan | null {
  const trimmed = text.trim();
  if (!/^(\d{1,6}[ymdh])*$/.test(trimmed)) return null;
  const amounts = new Map([...trimmed.matchAll(/(\d+)([ymdh])/g)].map(([, amount, unit]) => [unit, Number(amount)]));
  const of = (unit: string): number => amounts.get(unit) ?? 0;
  return { years: of("y"), months: of("m"), days: of("d"), hours: of("h") };
}

export function isEmptySpan({ years, months, days, hours }: CalendarSpan): boolean {
  return years === 0 && months === 0 && days === 0 && hours === 0;
}

/** As restic writes it: `1y5m7d2h`, without what is zero. */
export function formatCalendarSpan(span: CalendarSpan): string {
  return unitsInOrder.map(([name, letter]) => (span[name] === 0 ? "" : `${span[name]}${letter}`)).join("");
}

/** Throws `damaged` for what is no RFC 3339 time. */
export function wallTime(text: string): WallTime {
  const timeNs = parseTime(text);
  const wall = parseTime(`${text.slice(0, wholeSecondsLength)}Z`);
  return { timeNs, wall: new Date(Number(wall / 1_000_000n)), hasOffset: !text.endsWith("Z") };
}

/**
 * The moment `span` before `time`, in nanoseconds since the epoch: years, months and days by the calendar of its zone
 * (days that no month has run over into the next one), then the hours. Null: longer ago than any calendar goes.
 */
export function before(time: WallTime, span: CalendarSpan, local: ZoneOffset): bigint | null {
  const { timeNs, wall, hasOffset } = time;
  const seconds = floorSeconds(timeNs);
  const offset = wall.getTime() / 1000 - seconds;
  const isLocal = hasOffset && local(seconds) === offset;
  const shifted = new Date(wall);
  shifted.setUTCFullYear(
    wall.getUTCFullYear() - span.years,
    wall.getUTCMonth() - span.months,
    wall.getUTCDate() - span.days,
  );
  const shiftedWall = shifted.getTime() / 1000;
  if (Number.isNaN(shiftedWall)) return null;
  // Go looks the zone up as if the wall clock showed UTC, and once more with what it has found: so it decides for
  // hours that a change of the clocks leaves out, or has twice.
  const found = isLocal ? local(shiftedWall - local(shiftedWall)) : offset;
  const nanos = timeNs - BigInt(seconds) * nanosPerSecond;
  return BigInt(shiftedWall - found - span.hours * 3600) * nanosPerSecond + nanos;
}

function floorSeconds(timeNs: bigint): number {
  const rest = timeNs % nanosPerSecond;
  return Number((timeNs - (rest < 0n ? rest + nanosPerSecond : rest)) / nanosPerSecond);
}
