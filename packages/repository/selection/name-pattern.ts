// One component of a path pattern (`*.tmp`, `foo`, `[a-f]?x`), compiled to a test of one name.

/**
 * Names and patterns are "byte strings": one character a byte (latin1), so that names which are not
 * UTF-8 pass unharmed. `?` and `[...]` nevertheless stand for one UTF-8 character, or for one byte
 * where the bytes are not UTF-8. The language is that of Go's path/filepath.Match, which restic uses.
 */
export type NameTest = (name: string) => boolean;

type Step =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "any" }
  | { readonly kind: "set"; readonly negated: boolean; readonly ranges: readonly (readonly [number, number])[] };

/** What stands between two stars. `star` says whether a star stands before it. */
interface Run {
  readonly star: boolean;
  readonly steps: readonly Step[];
}

/** Says what is wrong with a pattern; the caller knows the whole pattern and throws. */
export class BadPattern extends Error {}

/** Compiles one component; throws BadPattern where Go reports "syntax error in pattern". */
export function compileNamePattern(pattern: string): NameTest {
  if (!/[\\[\]*?]/.test(pattern)) return (name) => name === pattern;
  const runs = parseRuns(pattern);
  const first = runs[0];
  const last = runs[1];
  const prefix = first === undefined || first.star ? undefined : onlyText(first);
  if (runs.length === 1 && first !== undefined) {
    if (!first.star && prefix !== undefined) return (name) => name === prefix;
    if (first.star && first.steps.length === 0) return () => true;
    const suffix = first.star ? onlyText(first) : undefined;
    if (suffix !== undefined) return (name) => name.endsWith(suffix);
  }
  if (runs.length === 2 && prefix !== undefined && last !== undefined) {
    if (last.steps.length === 0) return (name) => name.startsWith(prefix);
    const suffix = onlyText(last);
    const shortest = prefix.length + (suffix?.length ?? 0);
    if (suffix !== undefined) {
      return (name) => name.length >= shortest && name.startsWith(prefix) && name.endsWith(suffix);
    }
  }
  return (name) => matchRuns(runs, name);
}

function onlyText(run: Run): string | undefined {
  const step = run.steps[0];
  return run.steps.length === 1 && step?.kind === "text" ? step.text : undefined;
}

function parseRuns(pattern: string): Run[] {
  const runs: Run[] = [];
  let steps: Step[] = [];
  let star = false;
  let text = "";
  const endText = (): void => {
    if (text !== "") steps.push({ kind: "text", text });
    text = "";
  };
  const endRun = (): void => {
    endText();
    if (star || steps.length > 0) runs.push({ star, steps });
    steps = [];
  };
  for (let at = 0; at < pattern.length;) {
    const character = pattern.charAt(at);
    if (character === "*") {
      endRun();
      while (pattern[at] === "*") at++;
      star = true;
    } else if (character === "?") {
      endText();
      steps.push({ kind: "any" });
      at++;
    } else if (character === "[") {
      endText();
      const set = parseSet(pattern, at + 1);
      steps.push(set.step);
      at = set.next;
    } else {
      if (character === "\\") at++;
      if (at >= pattern.length) throw new BadPattern("it ends with a backslash");
      text += pattern.charAt(at++);
    }
  }
  endRun();
  return runs;
}

/** Parses what follows `[`; `next` is behind the closing bracket. */
function parseSet(pattern: string, start: number): { step: Step; next: number } {
  let at = start;
  const negated = pattern[at] === "^";
  if (negated) at++;
  const ranges: [number, number][] = [];
  while (ranges.length === 0 || pattern[at] !== "]") {
    const low = parseSetCharacter(pattern, at);
    let high = low;
    if (pattern[low.next] === "-") high = parseSetCharacter(pattern, low.next + 1);
    ranges.push([low.rune, high.rune]);
    at = high.next;
  }
  return { step: { kind: "set", negated, ranges }, next: at + 1 };
}

function parseSetCharacter(pattern: string, start: number): { rune: number; next: number } {
  let at = start;
  const character = pattern[at];
  if (character === undefined || character === "-" || character === "]") {
    throw new BadPattern("a bracket is empty, not closed, or has a range without an end");
  }
  if (character === "\\") at++;
  if (at >= pattern.length) throw new BadPattern("a bracket is not closed");
  const decoded = decodeRune(pattern, at);
  const next = at + runeWidth(decoded);
  if (runeValue(decoded) === replacementRune && runeWidth(decoded) === 1) {
    throw new BadPattern("a bracket holds a byte that is not UTF-8");
  }
  if (next >= pattern.length) throw new BadPattern("a bracket is not closed");
  return { rune: runeValue(decoded), next };
}

/**
 * The leftmost place is taken for what stands between two stars, never tried further right: as
 * Go does, and enough, since the following star can swallow the difference.
 */
function matchRuns(runs: readonly Run[], name: string): boolean {
  let at = 0;
  for (let index = 0; index < runs.length; index++) {
    const run = runs[index] as Run;
    const last = index === runs.length - 1;
    if (run.star && run.steps.length === 0) return true;
    let end = matchSteps(run.steps, name, at);
    while (end < 0 || (last && end !== name.length)) {
      if (!run.star || ++at > name.length) return false;
      end = matchSteps(run.steps, name, at);
    }
    at = end;
  }
  return at === name.length;
}

/** Where the steps end when they match from `start`, -1 when they do not. */
function matchSteps(steps: readonly Step[], name: string, start: number): number {
  let at = start;
  for (const step of steps) {
    if (step.kind === "text") {
      if (!name.startsWith(step.text, at)) return -1;
      at += step.text.length;
      continue;
    }
    if (at >= name.length) return -1;
    const decoded = decodeRune(name, at);
    if (step.kind === "set") {
      const rune = runeValue(decoded);
      if (step.ranges.some(([low, high]) => low <= rune && rune <= high) === step.negated) return -1;
    }
    at += runeWidth(decoded);
  }
  return at;
}

const replacementRune = 0xfffd;
const invalid = replacementRune * 8 + 1;
const runeWidth = (decoded: number): number => decoded & 7;
const runeValue = (decoded: number): number => decoded >>> 3;

/** The UTF-8 character at `at` as value * 8 + width in bytes; a byte that is not UTF-8 is U+FFFD of width 1. */
function decodeRune(bytes: string, at: number): number {
  const lead = bytes.charCodeAt(at);
  if (lead < 0x80) return lead * 8 + 1;
  const width = lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
  if (width === 0 || at + width > bytes.length) return invalid;
  let rune = lead & (0x7f >> width);
  for (let index = 1; index < width; index++) {
    const byte = bytes.charCodeAt(at + index);
    if ((byte & 0xc0) !== 0x80) return invalid;
    rune = rune * 64 + (byte & 0x3f);
  }
  const tooLong = (width === 3 && rune < 0x800) || (width === 4 && rune < 0x10000);
  if (tooLong || rune > 0x10ffff || (rune >= 0xd800 && rune < 0xe000)) return invalid;
  return rune * 8 + width;
}
