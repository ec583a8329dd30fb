// Which paths of a snapshot a restore takes: restic's include and exclude rules as plain data, and their judge.

import { HoldfastError } from "../errors.ts";
import { PatternList } from "./pattern-list.ts";

/** Plain data. Include and exclude rules do not go together. */
export interface PathRules {
  readonly include: readonly string[];
  readonly iinclude: readonly string[];
  readonly exclude: readonly string[];
  readonly iexclude: readonly string[];
}

export const everyPath: PathRules = { include: [], iinclude: [], exclude: [], iexclude: [] };

export interface PathChoice {
  readonly selected: boolean;
  /** The directory has to be entered, since something below it may be selected. Always false for other files. */
  readonly enter: boolean;
}

const takeDirectory: PathChoice = { selected: true, enter: true };
const takeFile: PathChoice = { selected: true, enter: false };
const slash = Buffer.from("/");
const leave: PathChoice = { selected: false, enter: false };
const onlyEnter: PathChoice = { selected: false, enter: true };

/** Throws `usage` on a malformed pattern and when both includes and excludes are given. */
export class PathSelection {
  readonly #include: PatternList;
  readonly #iinclude: PatternList;
  readonly #exclude: PatternList;
  readonly #iexclude: PatternList;
  readonly #takesAll: boolean;
  /** The path of the one entry that is taken, and the beginning of what lies below it; null: all are. */
  readonly #only: { readonly path: Buffer; readonly below: Buffer } | null;
  readonly #includes: boolean;

  /** `only`: the raw name of the one entry of the root that is taken at all. */
  constructor(rules: PathRules, only?: Buffer) {
    this.#only = only ? { path: Buffer.concat([slash, only]), below: Buffer.concat([slash, only, slash]) } : null;
    this.#include = new PatternList(rules.include, { ignoreCase: false });
    this.#iinclude = new PatternList(rules.iinclude, { ignoreCase: true });
    this.#exclude = new PatternList(rules.exclude, { ignoreCase: false });
    this.#iexclude = new PatternList(rules.iexclude, { ignoreCase: true });
    this.#includes = !this.#include.isEmpty || !this.#iinclude.isEmpty;
    const excludes = !this.#exclude.isEmpty || !this.#iexclude.isEmpty;
    this.#takesAll = !this.#includes && !excludes;
    if (this.#includes && excludes) {
      throw new HoldfastError("usage", "include and exclude patterns were given together", {
        hint: "give either what to restore or what to leave out",
      });
    }
  }

  /** `path`: the absolute path inside the snapshot (from the restored folder's root), as bytes. */
  choose(path: Buffer, isDirectory: boolean): PathChoice {
    if (this.#only && !this.#only.path.equals(path) && !beginsWith(path, this.#only.below)) return leave;
    if (this.#takesAll) return isDirectory ? takeDirectory : takeFile;
    if (!this.#includes) {
      if (this.#iexclude.matches(path) || this.#exclude.matches(path)) return leave;
      return isDirectory ? takeDirectory : takeFile;
    }
    const plain = this.#include.matchesOrMayBelow(path);
    const folded = this.#iinclude.matchesOrMayBelow(path);
    const selected = plain.matched || folded.matched;
    const enter = isDirectory && (plain.childMayMatch || folded.childMayMatch);
    if (selected) return enter ? takeDirectory : takeFile;
    return enter ? onlyEnter : leave;
  }
}

function beginsWith(path: Buffer, beginning: Buffer): boolean {
  return path.length >= beginning.length && path.compare(beginning, 0, beginning.length, 0, beginning.length) === 0;
}
