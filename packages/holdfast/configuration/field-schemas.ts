// The kinds of values that a configuration holds: names, paths, addresses, spans of time, schedules.

import { HoldfastError, parseLocation } from "@holdfast/repository";
import { z } from "zod";
import { parseDurationMs } from "../command-line/values/durations.ts";
import { parseCron } from "./cron-schedule.ts";

export const namePattern = /^[a-z0-9][a-z0-9-]*$/;

/** Names become names of directories, tags and words on a command line. */
export const nameSchema = z
  .string()
  .regex(namePattern, "is no name: use a to z, 0 to 9 and -, and begin with a letter or a digit")
  .max(100, "is too long for a name: 100 characters at most")
  .refine((name) => !name.startsWith("holdfast"), "is reserved: names that begin with holdfast are Holdfast's own");

export const pathSchema = z
  .string()
  .startsWith("/", "must be an absolute path: it begins with /")
  .refine((path) => !path.includes("\0"), "must not contain a zero byte");

export const textSchema = z.string().min(1, "must not be empty");

/** `15m`, `24h`, `1h30m`, `2d`; more than nothing. */
export const durationSchema = z
  .string()
  .refine((text) => durationMs(text) > 0, "must be a span of time like 15m, 24h or 2d");

/** 0 for what is no span of time. */
export function durationMs(text: string): number {
  try {
    return parseDurationMs(text, "");
  } catch (error) {
    if (error instanceof HoldfastError) return 0;
    throw error;
  }
}

const keepUnitsMs: Readonly<Record<string, number>> = { h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000 };
const keepPattern = /^([1-9][0-9]{0,4})([hdw])$/;

/** Hours, days or weeks: `m` would mean minutes to some and months to others. */
export const keepSpanSchema = z
  .string()
  .regex(keepPattern, "must be hours, days or weeks like 12h, 30d or 8w (m is refused: minutes or months?)");

/** Of a text that `keepSpanSchema` accepted. */
export function keepSpanMs(text: string): number {
  const [, amount, unit] = keepPattern.exec(text) as unknown as [string, string, string];
  return Number(amount) * (keepUnitsMs[unit] as number);
}

export const scheduleSchema = z.string().superRefine((text, issues) => {
  if (text === "off") return;
  const rhythm = parseCron(text);
  if (typeof rhythm === "string") issues.addIssue(rhythm.startsWith("must") ? rhythm : `is no schedule: ${rhythm}`);
});

const secretsElsewhere = "must not contain a user or a password: put them into a file and name it as credentials_file";

/** Addresses that this version can open; paths of local ones are absolute. */
export const addressSchema = z.string().superRefine((text, issues) => {
  // Before anything else, and whatever the scheme: the text itself must not come into a message.
  if (/^[a-z0-9+:]*:\/\/[^/]*@/i.test(text)) return issues.addIssue(secretsElsewhere);
  try {
    parseLocation(text);
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    return issues.addIssue(
      error.code === "unsupported"
        ? `is not yet supported by this version: ${error.hint}`
        : `is no address: ${error.message}`,
    );
  }
  if (!/^(\/|local:\/|rest:)/.test(text)) issues.addIssue("must be an absolute path: it begins with /");
});
