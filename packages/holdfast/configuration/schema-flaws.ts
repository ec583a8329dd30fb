// Turns what the schema objects to into words, with the key or value that each is about.

import type { z } from "zod";
import { pathKey } from "./expansion.ts";
import { nameHint, nearestName } from "./nearest-name.ts";
import type { FieldPath, Flaw } from "./problem.ts";

type Issue = z.core.$ZodIssue;
type JsonSchema = z.core.JSONSchema.BaseSchema;

/** Keys of the whole shape that this version refuses, by where they stand; `*` is any name. */
const notYet: Readonly<Record<string, readonly string[]>> = {
  "stacks.*": ["services"],
  "stacks.*.sources.*": ["postgres", "mariadb", "mysql", "redis", "volume", "command"],
};

const secretName = /pass(word|wd|phrase)?$|secret|token|access_?key|^key(_id)?$|credentials$/i;
const secretHint =
  "secrets do not stand in this file: write it into a file of mode 0600 and name that as password_file (or " +
  "credentials_file), or name a program that prints it as password_command";

/** Every flaw; of alternatives only the one that was probably meant. `json` is the JSON Schema of the same schema. */
export function schemaFlaws(issues: readonly Issue[], value: unknown, json: JsonSchema): Flaw[] {
  return leafIssues(issues).flatMap(({ issue, path }) => flawsOf(issue, path, value, json));
}

/** Where a number or a yes and no was wanted and the value of a variable stands; that is always text. */
export function textForOther(issues: readonly Issue[], value: unknown, expanded: ReadonlySet<string>): FieldPath[] {
  return leafIssues(issues)
    .filter(({ issue }) => issue.code === "invalid_type" && ["number", "int", "boolean"].includes(issue.expected))
    .map(({ path }) => path)
    .filter((path) => expanded.has(pathKey(path)) && typeof valueAt(value, path) === "string");
}

interface Leaf {
  readonly issue: Issue;
  readonly path: FieldPath;
}

function leafIssues(issues: readonly Issue[], above: FieldPath = []): Leaf[] {
  return issues.flatMap((issue) => {
    const path = [...above, ...(issue.path as FieldPath)];
    if (issue.code !== "invalid_union") return [{ issue, path }];
    // A branch that wants another kind of value altogether was not meant.
    const meant = issue.errors.filter(
      (branch) => !branch.some((each) => each.code === "invalid_type" && each.path.length === 0),
    );
    const [branch] = meant;
    return branch === undefined ? [{ issue, path }] : leafIssues(branch, path);
  });
}

function flawsOf(issue: Issue, path: FieldPath, value: unknown, json: JsonSchema): Flaw[] {
  if (issue.code === "unrecognized_keys") return issue.keys.map((key) => unknownKey(key, path, json));
  const error = { severity: "error", path } as const;
  const found = valueAt(value, path);
  if (issue.code === "invalid_type") return [{ ...error, ...typeFlaw(found, wantedName(issue.expected)) }];
  if (issue.code === "invalid_union") return [{ ...error, ...typeFlaw(found, branchNames(issue)) }];
  if (issue.code === "invalid_value") {
    const values = issue.values.map(String);
    if (path.at(-1) === "during") return [{ ...error, ...duringFlaw(found) }];
    const nearest = typeof found === "string" ? nearestName(found, values) : null;
    const hint = nearest === null ? {} : { hint: `did you mean "${nearest}"?` };
    return [{ ...error, message: `must be one of ${values.join(", ")}`, ...hint }];
  }
  // Texts have messages of their own in the schema.
  if (issue.code === "too_small" && issue.origin !== "string") return [{ ...error, message: tooSmall(issue) }];
  if (issue.code === "too_big" && issue.origin !== "string") {
    return [{ ...error, message: `must be at most ${issue.maximum}` }];
  }
  if (issue.code === "too_small" && issue.message.startsWith("Too small"))
    return [{ ...error, message: "must not be empty" }];
  return [{ ...error, message: issue.message }];
}

function tooSmall(issue: z.core.$ZodIssueTooSmall): string {
  return issue.origin === "array" ? "must not be empty" : `must be at least ${issue.minimum}`;
}

function duringFlaw(found: unknown): Pick<Flaw, "message" | "hint"> {
  if (found !== "pause" && found !== "stop") return { message: "must be hot" };
  return {
    message: `cannot be ${found}: this is not yet supported by this version`,
    hint: "leave it out: hot is the default",
  };
}

function unknownKey(key: string, above: FieldPath, json: JsonSchema): Flaw {
  const flaw = { severity: "error", path: [...above, key], atKey: true } as const;
  const pattern = above.map((part, index) => (index % 2 === 1 ? "*" : part)).join(".");
  if (notYet[pattern]?.includes(key) === true) {
    return { ...flaw, message: "is not yet supported by this version", hint: "remove it until a version supports it" };
  }
  const known = keysAt(json, above);
  const nearest = nearestName(key, known);
  if (secretName.test(key) && (nearest === null || secretName.test(nearest) || !nearest.includes("_"))) {
    return { ...flaw, message: "must not stand here", hint: secretHint };
  }
  return { ...flaw, message: "is no key that is known here", hint: nameHint(key, known) };
}

/** The names that may stand in the map at this path, of all alternatives. */
function keysAt(json: JsonSchema, path: FieldPath): string[] {
  let schemas = [json];
  for (const part of path)
    schemas = schemas.flatMap((schema) => alternatives(schema)).flatMap((schema) => below(schema, part));
  return [...new Set(schemas.flatMap(alternatives).flatMap((schema) => Object.keys(schema.properties ?? {})))];
}

function alternatives(schema: JsonSchema): JsonSchema[] {
  const all = [...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? [])] as JsonSchema[];
  return all.length === 0 ? [schema] : all.flatMap(alternatives);
}

function below(schema: JsonSchema, part: string | number): JsonSchema[] {
  const next =
    typeof part === "number" ? schema.items : (schema.properties?.[part] ?? schema.additionalProperties ?? undefined);
  return typeof next === "object" && !Array.isArray(next) ? [next] : [];
}

const wantedNames: Readonly<Record<string, string>> = {
  string: "text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "a map",
  record: "a map",
};

const wantedName = (expected: string): string => wantedNames[expected] ?? expected;

function branchNames(issue: z.core.$ZodIssueInvalidUnion): string {
  const names = issue.errors
    .flat()
    .flatMap((each) => (each.code === "invalid_type" ? [wantedName(each.expected)] : []));
  return [...new Set(names)].join(" or ");
}

function typeFlaw(found: unknown, wanted: string): Pick<Flaw, "message"> {
  if (found === undefined) return { message: "is missing" };
  if (found === null) return { message: `has no value: it must be ${wanted}` };
  const is = Array.isArray(found) ? "a list" : (wantedNames[typeof found] ?? typeof found);
  return {
    message:
      wanted === "a whole number" && is === "a number" ? "must be a whole number" : `must be ${wanted}, and is ${is}`,
  };
}

export function valueAt(value: unknown, path: FieldPath): unknown {
  return path.reduce<unknown>(
    (at, part) => (typeof at === "object" && at !== null ? (at as Record<string | number, unknown>)[part] : undefined),
    value,
  );
}
