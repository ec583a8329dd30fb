// Names in a repository: SHA-256 sums as 64 lower-case hexadecimal digits, and the prefixes people type.

import { hash } from "node:crypto";
import { HoldfastError } from "../errors.ts";

export const idBytes = 32;
const idPattern = /^[0-9a-f]{64}$/;
const prefixPattern = /^[0-9a-f]{1,64}$/;
/** As many digits as restic prints for an id. */
const shortDigits = 8;

/** The id of some bytes: their SHA-256 sum. */
export function idOf(bytes: Uint8Array): string {
  return hash("sha256", bytes, "hex");
}

export function isId(text: string): boolean {
  return idPattern.test(text);
}

/** The shortest length of at least 8 digits at which the prefixes of these ids all differ. */
export function uniquePrefixDigits(ids: Iterable<string>): number {
  const sorted = [...new Set(ids)].sort();
  let digits = shortDigits;
  for (const [index, id] of sorted.entries()) {
    const next = sorted[index + 1];
    while (next !== undefined && digits < id.length && id.slice(0, digits) === next.slice(0, digits)) {
      digits += 1;
    }
  }
  return digits;
}

/**
 * The one id that begins with `prefix`. Throws `usage` when the prefix is no hexadecimal text or fits several
 * ids, `not-found` when it fits none; `kind` ("snapshot", "key") is what the message calls them.
 */
export function findByPrefix(ids: Iterable<string>, prefix: string, kind: string): string {
  const wanted = prefix.toLowerCase();
  if (!prefixPattern.test(wanted)) {
    throw new HoldfastError("usage", `"${prefix}" is no ${kind} id: ids are hexadecimal`, { context: { prefix } });
  }
  const matches = [...new Set(ids)].filter((id) => id.startsWith(wanted));
  const [match] = matches;
  if (match === undefined) {
    throw new HoldfastError("not-found", `no ${kind} begins with "${prefix}"`, { context: { prefix } });
  }
  if (matches.length > 1) {
    const hint = `give more digits: ${matches
      .slice(0, 5)
      .map((id) => id.slice(0, uniquePrefixDigits(matches)))
      .join(", ")}`;
    throw new HoldfastError("usage", `${matches.length} ids of a ${kind} begin with "${prefix}"`, {
      hint,
      context: { prefix },
    });
  }
  return match;
}
