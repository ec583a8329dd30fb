// Puts the values of variables into the values of a configuration, after it was parsed: what is put in is only data.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { HoldfastError } from "@holdfast/repository";
import type { FieldPath, Flaw } from "./problem.ts";

/** Undefined: the variable is set nowhere. */
export type VariableLookup = (name: string) => string | undefined;

export interface Expansion {
  /** As the value that was given, in new maps and lists. */
  readonly value: unknown;
  readonly flaws: readonly Flaw[];
  /** Which texts hold the value of a variable, as `pathKey` gives them. */
  readonly expanded: ReadonlySet<string>;
}

export const pathKey = (path: FieldPath): string => JSON.stringify(path.map(String));

/** `$${` is `${` itself; then a variable with or without a default; then a beginning without an end. */
const references = /\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\$\{[^}]*\}?/g;

/** Replaces `${NAME}` and `${NAME:-default}` in every text, never in keys. What is put in is not looked at again. */
export function expandVariables(value: unknown, lookup: VariableLookup): Expansion {
  const flaws: Flaw[] = [];
  const expanded = new Set<string>();
  const expandText = (text: string, path: FieldPath): string =>
    text.replace(references, (reference, name: string | undefined, fallback: string | undefined) => {
      if (reference === "$${") return "${";
      if (name === undefined) {
        flaws.push({ severity: "error", path, message: "holds ${ without a variable", hint: howToWrite });
        return "";
      }
      expanded.add(pathKey(path));
      // As in shells, the default also stands for an empty value.
      const given = lookup(name);
      const found = fallback === undefined ? given : given || fallback;
      if (found !== undefined) return found;
      flaws.push({
        severity: "error",
        path,
        message: `needs the variable ${name}, which is not set`,
        hint: whereToSet,
      });
      return "";
    });
  const expand = (each: unknown, path: FieldPath): unknown => {
    if (typeof each === "string") return expandText(each, path);
    if (Array.isArray(each)) return each.map((entry, index) => expand(entry, [...path, index]));
    if (typeof each !== "object" || each === null) return each;
    return Object.fromEntries(Object.entries(each).map(([key, entry]) => [key, expand(entry, [...path, key])]));
  };
  return { value: expand(value, []), flaws, expanded };
}

const howToWrite = "write ${NAME} or ${NAME:-default}; $${ stands for ${ itself";
const whereToSet = "set it in the environment or in the file .env beside the configuration, or write ${NAME:-default}";

/** The environment, then the file `.env` of the directory, where there is one. Throws `usage` when it cannot be read. */
export function variablesOf(environment: NodeJS.ProcessEnv, directory: string): VariableLookup {
  const fromFile = readEnvFile(join(directory, ".env"));
  return (name) => environment[name] ?? fromFile[name];
}

function readEnvFile(path: string): NodeJS.Dict<string> {
  try {
    return parseEnv(readFileSync(path, "utf8"));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return {};
    throw new HoldfastError("usage", `the file ${path} cannot be read (${code})`, {
      hint: "it belongs to the configuration beside it: check who may read it",
      cause: error,
    });
  }
}
