// What a configuration says of a SQLite database.
import { z } from "zod";

const durationPattern = /^(\d+)(ms|s|m)$/;
const millisecondsOfUnit: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000 };
const maximumMs = 3_600_000;

const path = z
  .string()
  .min(1)
  .refine((text) => text.startsWith("/"), "must be an absolute path")
  .refine((text) => !text.includes("\0"), "must not contain a zero byte")
  .describe("absolute path of the database file");

const busyTimeout = z
  .string()
  .regex(durationPattern, 'must be a number with a unit, such as "30s" or "5m"')
  .refine((text) => !durationPattern.test(text) || durationMs(text) <= maximumMs, "must not be longer than 60m")
  .describe("how long to wait for a database that is locked: 500ms, 30s, 5m");

const long = z.strictObject({ path, busy_timeout: busyTimeout.default("30s") });

export type SqliteOptions = z.infer<typeof long>;

/** A path, or the long form. */
export const sqliteOptions: z.ZodType<SqliteOptions> = z.union([
  path.transform((path) => ({ path, busy_timeout: "30s" })),
  long,
]);

/** Milliseconds of a text that the options have accepted. */
export function durationMs(text: string): number {
  const [, number = "", unit = ""] = durationPattern.exec(text) ?? [];
  return Number(number) * (millisecondsOfUnit[unit] ?? Number.NaN);
}
