// One path pattern as restic understands it: compiled once, matched against the components of a path.

import { posix } from "node:path";
import { HoldfastError } from "../errors.ts";
import { BadPattern, compileNamePattern, type NameTest } from "./name-pattern.ts";

/** Stands for `**`: any number of components. */
const anyDepth = null;

/** Paths are byte strings (latin1 of the bytes). The first component of an absolute path is "/". */
export interface Pattern {
  /** `!pattern`: takes back what earlier patterns matched. */
  readonly negated: boolean;
  /** Begins with "/": matches from the root only. */
  readonly absolute: boolean;
  readonly parts: readonly (NameTest | typeof anyDepth)[];
  /** The cleaned pattern when it has no wildcard, for comparison without matching. */
  readonly literal: string | undefined;
}

/**
 * Compiles a pattern in the language of restic's exclude rules: components joined by "/", each with
 * `*`, `?`, `[a-z]`, `[^a-z]` and `\` for the literal character; `**` for any number of directories;
 * `!` in front for negation. The pattern is cleaned first (`a//b/../c/` is `a/c`).
 * Throws `usage` when the pattern is malformed.
 */
export function compilePattern(source: string, options: { ignoreCase: boolean }): Pattern {
  const negated = source.startsWith("!");
  const bytes = Buffer.from(negated ? source.slice(1) : source, "utf8").toString("latin1");
  const cleaned = cleanPath(options.ignoreCase ? lowerCase(bytes) : bytes);
  const names = splitPath(cleaned);
  return malformedPattern(source, () => ({
    negated,
    absolute: names[0] === "/",
    parts: names.map((name) => (name === "**" || name === "" ? anyDepth : compileNamePattern(name))),
    literal: /[\\[\]*?]/.test(cleaned) || cleaned === "/" ? undefined : cleaned,
  }));
}

/** A test of one name, a byte string, against one component (`*.txt`) of a pattern. Throws `usage`. */
export function compileName(pattern: string): NameTest {
  return malformedPattern(pattern, () => compileNamePattern(pattern));
}

/** Runs `compile`; what it finds wrong becomes `usage`, naming the whole pattern. */
function malformedPattern<Compiled>(source: string, compile: () => Compiled): Compiled {
  try {
    return compile();
  } catch (error) {
    if (!(error instanceof BadPattern)) throw error;
    throw new HoldfastError("usage", `the pattern ${JSON.stringify(source)} is malformed: ${error.message}`, {
      hint: "write a backslash before a bracket, star or question mark that is meant literally",
    });
  }
}

/** Components of a cleaned path; "/" stands first for an absolute one, and "" after it for the root itself. */
export function splitPath(path: string): string[] {
  const names = path.split("/");
  if (names[0] === "") names[0] = "/";
  return names;
}

/**
 * True when the pattern matches `names[0..count)` with its end at the last of them. A path is matched
 * when it or one of its parents is, which the caller asks one by one and remembers.
 *
 * Where a pattern holds several `**`, restic's own code tries fewer splits than its documentation
 * promises; this follows the documentation.
 */
export function matchesEnd(pattern: Pattern, names: readonly string[], count: number): boolean {
  const floor = !pattern.absolute && names[0] === "/" ? 1 : 0;
  return matchesUpTo(pattern, pattern.parts.length - 1, names, count - 1, floor);
}

function matchesUpTo(pattern: Pattern, part: number, names: readonly string[], at: number, floor: number): boolean {
  let name = at;
  for (let index = part; index >= 0; index--) {
    const test = pattern.parts[index];
    if (test === anyDepth || test === undefined) {
      for (; ; name--) {
        if (matchesUpTo(pattern, index - 1, names, name, floor)) return true;
        if (name < floor || names[name] === "/") return false;
      }
    }
    if (name < floor || !test(names[name] as string)) return false;
    name--;
  }
  // An absolute pattern begins with "/", which only the first component is.
  return true;
}

/** True when something below the directory `names` can match the pattern. */
export function mayMatchBelow(pattern: Pattern, names: readonly string[]): boolean {
  if (!pattern.absolute) return true;
  const count = Math.min(names.length, pattern.parts.length);
  for (let index = 0; index < count; index++) {
    const test = pattern.parts[index];
    if (test === anyDepth || test === undefined) return true;
    if (!test(names[index] as string)) return false;
  }
  return true;
}

/** A pattern that matches exactly this absolute path and what is below it. */
export function escapePattern(path: string): string {
  return path.replace(/[\\[\]*?]/g, "\\$&");
}

/** As Go's filepath.Clean: no empty, `.` or inner `..` components, no slash at the end; "." for nothing. */
function cleanPath(path: string): string {
  const normal = posix.normalize(path);
  return normal.length > 1 && normal.endsWith("/") ? normal.slice(0, -1) : normal;
}

/** Lower case character by character (as Go does, without context); bytes that are not UTF-8 become U+FFFD. */
export function lowerCase(bytes: string): string {
  // eslint-disable-next-line no-control-regex -- the range is "every ASCII character"
  if (/^[\x00-\x7f]*$/.test(bytes)) return bytes.toLowerCase();
  let lower = "";
  for (const character of Buffer.from(bytes, "latin1").toString("utf8")) {
    // U+0130 is the one letter whose lower case JavaScript writes as two characters and Go as one.
    lower += character === "İ" ? "i" : character.toLowerCase();
  }
  return Buffer.from(lower, "utf8").toString("latin1");
}
