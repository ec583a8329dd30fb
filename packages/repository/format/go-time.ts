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

/** As many minutes as a formatter remembers. Files of one run of a program share minutes. */
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

/** Splits a time of 64 bits into seconds and nanoseconds (0 to 999,999,999) without arithmetic on bigints, which is slow. */
class TimeSplitter {
  readonly #time = new BigInt64Array(1);
  readonly #words = new Int32Array(this.#time.buffer); // low word first: Holdfast runs on little-endian processors
  seconds = 0;
  nanos = 0;

  split(time: bigint): void {
    if (time < -0x8000_0000_0000_0000n || time > 0x7fff_ffff_ffff_ffffn) {
      this.#splitLong(time); // before 1677 or after 2262
      return;
    }
    this.#time[0] = time;
    const low = (this.#words[0] ?? 0) >>> 0;
    const high = this.#words[1] ?? 0;
    // time = top · 2^48 + middle · 2^32 + low, and of each power the whole seconds and the rest are known.
    const top = high >> 16;
    const middle = high & 0xffff;
    const rest = top * 976_710_656 + middle * 294_967_296 + low;
    const carried = Math.floor(rest / nanosPerSecond);
    this.seconds = top * 281_474 + middle * 4 + carried;
    this.nanos = rest - carried * nanosPerSecond;
  }

  #splitLong(time: bigint): void {
    const rest = Number(time % nanosPerSecondBig);
    this.nanos = rest < 0 ? rest + nanosPerSecond : rest;
    this.seconds = Number((time - BigInt(this.nanos)) / nanosPerSecondBig);
  }
}

/** A formatter with a memory of its own: writing many times of the same minutes is cheap. */
export function createTimeFormatter(): TimeFormatter {
  const memory: (Minute | undefined)[] = new Array<Minute | undefined>(rememberedMinutes).fill(undefined);
  const splitter = new TimeSplitter();
  return (time) => {
    splitter.split(time);
    const { seconds, nanos } = splitter;
    const minute = Math.floor(seconds / 60);
    if (minute < firstWholeMinute || seconds > dateRangeSeconds) {
      const date = localDate(seconds);
      const { beginning, zone } = describeMinute(date);
      return beginning + two(date.getSeconds()) + fractionText(nanos) + zone;
    }
    const place = minute % rememberedMinutes;
    let found = memory[place];
    if (found?.minute !== minute) {
      found = { minute, ...describeMinute(localDate(minute * 60)) };
      memory[place] = found;
    }
    return found.beginning + two(seconds - minute * 60) + fractionText(nanos) + found.zone;
  };
}

function damagedTime(text: string): HoldfastError {
  return new HoldfastError("damaged", `"${text}" is not a time as RFC 3339 has it`);
}

/** Days from the epoch to a date of the Gregorian calendar; the month from 1. */
function daysSinceEpoch(year: number, month: number, day: number): number {
  // Counting years from March puts the leap day last; 400 years have 146,097 days.
  const yearFromMarch = month > 2 ? year : year - 1;
  const era = Math.floor(yearFromMarch / 400);
  const yearOfEra = yearFromMarch - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  return (
    era * 146_097 + yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear - 719_468
  );
}

const daysOfMonths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

function isRealDate(year: number, month: number, day: number): boolean {
  const isLeapDay = month === 2 && day === 29 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return day >= 1 && (day <= (daysOfMonths[month - 1] ?? 0) || isLeapDay);
}

/** The number that `count` digits at `start` make; NaN unless all are digits. */
function digitsAt(text: string, start: number, count: number): number {
  let value = 0;
  for (let index = start; index < start + count; index += 1) {
    const digit = text.charCodeAt(index) - 0x30;
    value = digit >= 0 && digit <= 9 ? value * 10 + digit : NaN;
  }
  return value;
}

const wholeSecondsForm = /^....-..-..T..:..:../;
const wholeSecondsLength = 19;

/** Seconds since the epoch of the date and time at the beginning of `text`, as if in UTC; NaN when it is none. */
function readDateTime(text: string): number {
  const [year, month, day] = [digitsAt(text, 0, 4), digitsAt(text, 5, 2), digitsAt(text, 8, 2)];
  const [hour, minute, second] = [digitsAt(text, 11, 2), digitsAt(text, 14, 2), digitsAt(text, 17, 2)];
  const isPossible = isRealDate(year, month, day) && hour <= 23 && minute <= 59 && second <= 59;
  if (!isPossible || !wholeSecondsForm.test(text)) {
    return NaN;
  }
  return daysSinceEpoch(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
}

/** The seconds of the offset that `text` ends with from `start` on; NaN when it is none. */
function readOffset(text: string, start: number): number {
  const sign = text.charAt(start);
  if (sign === "Z") {
    return text.length === start + 1 ? 0 : NaN;
  }
  const [hours, minutes] = [digitsAt(text, start + 1, 2), digitsAt(text, start + 4, 2)];
  const hasForm = (sign === "+" || sign === "-") && text.charAt(start + 3) === ":" && text.length === start + 6;
  return hasForm && hours <= 23 && minutes <= 59 ? (hours * 3600 + minutes * 60) * (sign === "-" ? -1 : 1) : NaN;
}

/** Nanoseconds since the epoch of an RFC 3339 time with any offset. Throws `damaged` for anything else. */
export function parseTime(text: string): bigint {
  let position = wholeSecondsLength;
  let nanos = 0;
  if (text.charAt(position) === ".") {
    const start = position + 1;
    for (position = start; text.charCodeAt(position) >= 0x30 && text.charCodeAt(position) <= 0x39;) {
      position += 1;
    }
    const digits = Math.min(9, position - start); // Go cuts off what is finer than nanoseconds
    nanos = digits === 0 ? NaN : digitsAt(text, start, digits) * 10 ** (9 - digits);
  }
  const seconds = readDateTime(text) - readOffset(text, position);
  if (Number.isNaN(seconds + nanos)) {
    throw damagedTime(text);
  }
  return BigInt(seconds) * nanosPerSecondBig + BigInt(nanos);
}
