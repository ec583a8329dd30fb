// Times as Go writes them in JSON: RFC 3339 with nanoseconds, no trailing zeros, in the local zone.
//
// Source: the documentation of Go's time package (RFC3339Nano); restic moves years outside 0 to 9999 to the
// nearest of them, because Go refuses to write others. A time is a bigint of nanoseconds since the epoch.

import { HoldfastError } from "../errors.ts";

const nanosPerSecond = 1_000_000_000;
const nanosPerSecondBig = 1_000_000_000n;

/** Writes a time in the zone it was made for (the process's: TZ, or the system's). */
export type TimeFormatter = (time: bigint) => string;

/** What all times of one minute have in common: "2026-11-21T12:00:" and "+01:00". */
interface Minute {
  readonly minute: number;
  readonly beginning: string;
  readonly zone: string;
}

// Offsets of zones have changed on the full minute ever since Liberia gave up its 44 minutes 30 seconds in
// 1972; before, they could change at any second, so those times are written one by one.
const firstWholeMinute = Date.UTC(1973, 0, 1) / 60_000;

/** As many minutes as a formatter remembers; a power of two. Files of one run of a program share minutes. */
const rememberedMinutes = 1024;

/** The widest range of a Date, in seconds. */
const dateRangeSeconds = 8_640_000_000_000;

const digits2 = Array.from({ length: 100 }, (_, number) => String(number).padStart(2, "0"));

function two(number: number): string {
  return digits2[number] ?? "00";
}

/** How far local time is ahead of UTC, in seconds; `local` is a Date whose local fields are read. */
function zoneOffsetSeconds(local: Date): number {
  const asUtc = new Date(0);
  asUtc.setUTCFullYear(local.getFullYear(), local.getMonth(), local.getDate());
  asUtc.setUTCHours(local.getHours(), local.getMinutes(), local.getSeconds(), local.getMilliseconds());
  return (asUtc.getTime() - local.getTime()) / 1000;
}

/** Go writes `Z` for an offset of zero, and drops the seconds of old offsets. */
function zoneText(offsetSeconds: number): string {
  if (offsetSeconds === 0) {
    return "Z";
  }
  const minutes = Math.trunc(Math.abs(offsetSeconds) / 60);
  const sign = offsetSeconds < 0 && minutes > 0 ? "-" : "+";
  return `${sign}${two(Math.trunc(minutes / 60))}:${two(minutes % 60)}`;
}

/** The local date at `seconds`, moved into the years that can be written. */
function localDate(seconds: number): Date {
  const inRange = Math.max(-dateRangeSeconds, Math.min(dateRangeSeconds, seconds));
  const date = new Date(inRange * 1000);
  const year = date.getFullYear();
  if (year < 0 || year > 9999) {
    date.setFullYear(year < 0 ? 0 : 9999);
  }
  return date;
}

function describeMinute(date: Date): { beginning: string; zone: string } {
  const year = String(date.getFullYear()).padStart(4, "0");
  const day = `${year}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return {
    beginning: `${day}T${two(date.getHours())}:${two(date.getMinutes())}:`,
    zone: zoneText(zoneOffsetSeconds(date)),
  };
}

function fractionText(nanos: number): string {
  if (nanos === 0) {
    return "";
  }
  let digits = nanos;
  let count = 9;
  while (digits % 10 === 0) {
    digits /= 10;
    count -= 1;
  }
  return `.${String(digits).padStart(count, "0")}`;
}

/** A formatter with a memory of its own: writing many times of the same minutes is cheap. */
export function createTimeFormatter(): TimeFormatter {
  const memory: (Minute | undefined)[] = new Array<Minute | undefined>(rememberedMinutes).fill(undefined);
  return (time) => {
    let wholeSeconds = time / nanosPerSecondBig;
    let nanos = Number(time - wholeSeconds * nanosPerSecondBig);
    if (nanos < 0) {
      nanos += nanosPerSecond;
      wholeSeconds -= 1n;
    }
    const seconds = Number(wholeSeconds);
    const minute = Math.floor(seconds / 60);
    if (minute < firstWholeMinute || seconds > dateRangeSeconds) {
      const date = localDate(seconds);
      const { beginning, zone } = describeMinute(date);
      return beginning + two(date.getSeconds()) + fractionText(nanos) + zone;
    }
    let found = memory[minute & (rememberedMinutes - 1)];
    if (found?.minute !== minute) {
      found = { minute, ...describeMinute(localDate(minute * 60)) };
      memory[minute & (rememberedMinutes - 1)] = found;
    }
    return found.beginning + two(seconds - minute * 60) + fractionText(nanos) + found.zone;
  };
}

const timePattern = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9})\d*)?(?:Z|([+-])(\d\d):(\d\d))$/;

function damagedTime(text: string): HoldfastError {
  return new HoldfastError("damaged", `"${text}" is not a time as RFC 3339 has it`);
}

/** Nanoseconds since the epoch of an RFC 3339 time with any offset. Throws `damaged` for anything else. */
export function parseTime(text: string): bigint {
  const match = timePattern.exec(text);
  if (match === null) {
    throw damagedTime(text);
  }
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1, 7).map(Number);
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  const isRealDate = date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  const offsetHours = Number(match[9] ?? 0);
  const offsetMinutes = Number(match[10] ?? 0);
  if (!isRealDate || hour > 23 || minute > 59 || second > 59 || offsetHours > 23 || offsetMinutes > 59) {
    throw damagedTime(text);
  }
  const offset = (offsetHours * 3600 + offsetMinutes * 60) * (match[8] === "-" ? -1 : 1);
  const seconds = date.getTime() / 1000 + hour * 3600 + minute * 60 + second - offset;
  return BigInt(seconds) * nanosPerSecondBig + BigInt((match[7] ?? "").padEnd(9, "0"));
}
