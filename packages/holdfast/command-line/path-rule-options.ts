// The options that choose paths of a snapshot by patterns: shared by the verbs that take such patterns.

import { HoldfastError, type PathRules } from "@holdfast/repository";
import type { Command } from "commander";
import { collect } from "./global-options.ts";
import { readPatternFiles } from "./pattern-files.ts";

export interface PathRuleOptions {
  include?: string[];
  iinclude?: string[];
  includeFile?: string[];
  iincludeFile?: string[];
  exclude?: string[];
  iexclude?: string[];
  excludeFile?: string[];
  iexcludeFile?: string[];
}

/** `leaves` and `takes` say what exclude and include patterns do, as in "leave out what matches". */
export function addPathRuleOptions(command: Command, leaves: string, takes: string): void {
  command
    .option("-i, --include <pattern>", `${takes}; repeat for more`, collect)
    .option("--iinclude <pattern>", "the same, upper and lower case taken as equal", collect)
    .option("--include-file <file>", "read such patterns from a file", collect)
    .option("--iinclude-file <file>", "the same, upper and lower case taken as equal", collect)
    .option("-e, --exclude <pattern>", `${leaves}; repeat for more`, collect)
    .option("--iexclude <pattern>", "the same, upper and lower case taken as equal", collect)
    .option("--exclude-file <file>", "read such patterns from a file", collect)
    .option("--iexclude-file <file>", "the same, upper and lower case taken as equal", collect);
}

/** Throws `usage` when both kinds were given, before anything is opened. */
export function pathRulesOf(options: PathRuleOptions, environment: NodeJS.ProcessEnv): PathRules {
  const all = (patterns: readonly string[] = [], files: readonly string[] = [], option: string): string[] => [
    ...patterns,
    ...readPatternFiles(files, option, environment),
  ];
  const rules = {
    include: all(options.include, options.includeFile, "--include-file"),
    iinclude: all(options.iinclude, options.iincludeFile, "--iinclude-file"),
    exclude: all(options.exclude, options.excludeFile, "--exclude-file"),
    iexclude: all(options.iexclude, options.iexcludeFile, "--iexclude-file"),
  };
  if (!isEmpty(rules.include, rules.iinclude) && !isEmpty(rules.exclude, rules.iexclude)) {
    throw new HoldfastError("usage", "include and exclude patterns were given together", {
      hint: "give either what is taken or what is left out",
    });
  }
  return rules;
}

/** True when no pattern chooses anything. */
export function hasNoRules({ include, iinclude, exclude, iexclude }: PathRules): boolean {
  return isEmpty(include, iinclude, exclude, iexclude);
}

function isEmpty(...lists: (readonly string[])[]): boolean {
  return lists.every((patterns) => patterns.length === 0);
}
