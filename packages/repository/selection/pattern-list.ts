// A list of path patterns, asked about many paths in the order of a directory walk.

import { compilePattern, lowerCase, matchesEnd, mayMatchBelow, splitPath, type Pattern } from "./pattern.ts";

export interface ListMatch {
  readonly matched: boolean;
  /** Something below this path may match, so a walk has to go on. */
  readonly childMayMatch: boolean;
}

/**
 * Matches a path when one of its patterns matches it or one of its parents; a later `!pattern` takes
 * the match back. What is known of the parents is kept from one call to the next, so that each
 * path costs one look at its own name; correct in any order, fast in that of a walk.
 */
export class PatternList {
  readonly isEmpty: boolean;
  readonly #patterns: readonly Pattern[];
  readonly #ignoreCase: boolean;
  readonly #ordered: boolean;
  /** Without negation the order is of no matter: what has no wildcard is looked up at once. */
  readonly #literalNames: ReadonlySet<string>;
  readonly #literalPaths: ReadonlySet<string>;
  readonly #others: readonly Pattern[];
  readonly #trail = new Trail();

  constructor(sources: readonly string[], options: { ignoreCase: boolean }) {
    this.#patterns = sources.filter((source) => source !== "").map((source) => compilePattern(source, options));
    this.#ignoreCase = options.ignoreCase;
    this.isEmpty = this.#patterns.length === 0;
    this.#ordered = this.#patterns.some((pattern) => pattern.negated);
    const isPath = (pattern: Pattern): boolean => pattern.literal !== undefined && pattern.absolute;
    const isName = (pattern: Pattern): boolean => pattern.literal !== undefined && pattern.parts.length === 1;
    this.#literalPaths = new Set(this.#patterns.filter(isPath).map((pattern) => pattern.literal as string));
    this.#literalNames = new Set(this.#patterns.filter(isName).map((pattern) => pattern.literal as string));
    this.#others = this.#patterns.filter((pattern) => !isPath(pattern) && !isName(pattern));
  }

  /** `path`: the bytes of a clean path, absolute ("/a/b") or relative, not empty. */
  matches(path: Buffer): boolean {
    if (this.isEmpty) return false;
    return this.#ordered ? this.#matchesInOrder(this.#text(path)) : this.#matchesAny(this.#text(path));
  }

  /** As `matches`, and whether something below can match. */
  matchesOrMayBelow(path: Buffer): ListMatch {
    if (this.isEmpty) return { matched: false, childMayMatch: false };
    const text = this.#text(path);
    const names = splitPath(text);
    if (!this.#ordered) {
      const childMayMatch = this.#patterns.some((pattern) => mayMatchBelow(pattern, names));
      return { matched: this.#matchesAny(text), childMayMatch };
    }
    const own = this.#flags(text);
    let childMayMatch = false;
    this.#patterns.forEach((pattern, index) => {
      if (!pattern.negated) childMayMatch ||= mayMatchBelow(pattern, names);
      else if (own[index] === 1) childMayMatch = false;
    });
    return { matched: this.#inOrder(own), childMayMatch };
  }

  #text(path: Buffer): string {
    const text = path.toString("latin1");
    return this.#ignoreCase ? lowerCase(text) : text;
  }

  #matchesAny(text: string): boolean {
    const slash = this.#trail.enter(text, (names, count, parent) => {
      return parent === matchedParent || this.#endMatches(names, count) ? matchedParent : unmatchedParent;
    });
    if (this.#trail.top === matchedParent) return true;
    if (this.#literalPaths.size > 0 && this.#literalPaths.has(text)) return true;
    const name = slash < 0 ? text : text.slice(slash + 1);
    if (this.#literalNames.size > 0 && this.#literalNames.has(name)) return true;
    if (this.#others.length === 0) return false;
    return this.#trail.withName(name, (names, count) =>
      this.#others.some((pattern) => matchesEnd(pattern, names, count)),
    );
  }

  #endMatches(names: readonly string[], count: number): boolean {
    const name = names[count - 1] as string;
    if (this.#literalNames.has(name)) return true;
    if (names[0] === "/" && this.#literalPaths.has(`/${names.slice(1, count).join("/")}`)) return true;
    return this.#others.some((pattern) => matchesEnd(pattern, names, count));
  }

  #matchesInOrder(text: string): boolean {
    return this.#inOrder(this.#flags(text));
  }

  #inOrder(flags: Uint8Array): boolean {
    let matched = false;
    this.#patterns.forEach((pattern, index) => {
      if (flags[index] === 1) matched = !pattern.negated;
    });
    return matched;
  }

  /** For each pattern, 1 where it matches the path or one of its parents. */
  #flags(text: string): Uint8Array {
    const one = (names: readonly string[], count: number, parent: Uint8Array): Uint8Array => {
      const flags = new Uint8Array(this.#patterns.length);
      this.#patterns.forEach((pattern, index) => {
        flags[index] = parent[index] === 1 || matchesEnd(pattern, names, count) ? 1 : 0;
      });
      return flags;
    };
    const slash = this.#trail.enter(text, one);
    const parent = this.#trail.top;
    const name = slash < 0 ? text : text.slice(slash + 1);
    return this.#trail.withName(name, (names, count) => one(names, count, parent));
  }
}

const unmatchedParent = new Uint8Array(0);
const matchedParent = new Uint8Array(1);

/** The directories from the root to where the walk is, each with what is known of it. */
class Trail {
  #directory: string | undefined;
  readonly #names: string[] = [];
  readonly #known: Uint8Array[] = [];

  /** What is known of the directory of the path last entered. */
  get top(): Uint8Array {
    return this.#known[this.#known.length - 1] ?? unmatchedParent;
  }

  /** Moves to the directory of `path`, asking `learn` of each one newly entered; returns the last slash. */
  enter(path: string, learn: (names: readonly string[], count: number, parent: Uint8Array) => Uint8Array): number {
    const slash = path.lastIndexOf("/");
    if (slash < 0) {
      this.#shorten(0);
      this.#directory = undefined;
      return slash;
    }
    const directory = path.slice(0, slash);
    if (directory === this.#directory) return slash;
    const names = splitPath(directory);
    let common = 0;
    while (common < this.#names.length && this.#names[common] === names[common]) common++;
    this.#shorten(common);
    for (let index = common; index < names.length; index++) {
      this.#names.push(names[index] as string);
      this.#known.push(learn(this.#names, index + 1, this.top));
    }
    this.#directory = directory;
    return slash;
  }

  /** Calls `ask` with the directories and `name` as the last component. */
  withName<Answer>(name: string, ask: (names: readonly string[], count: number) => Answer): Answer {
    this.#names.push(name);
    const answer = ask(this.#names, this.#names.length);
    this.#names.pop();
    return answer;
  }

  #shorten(length: number): void {
    this.#names.length = length;
    this.#known.length = length;
  }
}
