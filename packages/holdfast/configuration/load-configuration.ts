// Reads a configuration file whole: parsed, variables put in, checked against the schema and against itself.

import { fstatSync, openSync, closeSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { HoldfastError } from "@holdfast/repository";
import { configurationParts, type Configuration } from "./configuration.ts";
import { expandVariables, pathKey, variablesOf, type Expansion } from "./expansion.ts";
import { pathFlaws } from "./path-flaws.ts";
import { configurationError, fieldName, type FieldPath, type Flaw, type Problem } from "./problem.ts";
import { referenceFlaws } from "./reference-flaws.ts";
import {
  configurationJsonSchema,
  configurationSchema,
  type EffectiveConfiguration,
  type SourceKinds,
} from "./schema.ts";
import { schemaFlaws, textForOther, valueAt } from "./schema-flaws.ts";
import { parseYaml, type YamlDocument } from "./yaml-document.ts";

export interface LoadRequest {
  /** Absolute path, as `findConfigurationFile` gives it. */
  readonly file: string;
  readonly kinds: SourceKinds;
  /** Only for variables that the file itself names. */
  readonly environment: NodeJS.ProcessEnv;
  /** Where the file names none. It must not be captured; null where nobody knows it yet. */
  readonly stateDirectory: string | null;
}

/** Either a configuration, or at least one problem that is an error. */
export interface Reading {
  readonly configuration: Configuration | null;
  readonly problems: readonly Problem[];
}

/** Throws one `usage` error that names everything that is wrong. */
export function loadConfiguration(request: LoadRequest): Configuration {
  const { configuration, problems } = readConfiguration(request);
  if (configuration !== null) return configuration;
  throw configurationError(problems.filter(({ severity }) => severity === "error"));
}

/** Everything that is wrong or doubtful, as far as the file can be read. Throws `usage` when it cannot. */
export function readConfiguration(request: LoadRequest): Reading {
  const { file, kinds, environment } = request;
  const document = parseYaml(readBytes(file), file);
  if (document.problems.length > 0) return { configuration: null, problems: document.problems };
  const expansion = expandVariables(document.value, variablesOf(environment, dirname(file)));
  const { effective, flaws: shapeFlaws } = applySchema(expansion, kinds);
  const flaws = [...expansion.flaws, ...shapeFlaws, ...referenceFlaws(expansion.value, Object.keys(kinds))];
  if (effective === null || hasErrors(flaws)) return { configuration: null, problems: placed(flaws, document) };
  const parts = configurationParts(effective, kinds);
  const stateDirectory = effective.state_directory ?? request.stateDirectory;
  const logFile = effective.log_file ?? null;
  flaws.push(...pathFlaws(parts, stateDirectory, logFile));
  const problems = placed(flaws, document);
  if (hasErrors(flaws)) return { configuration: null, problems };
  const locate = (path: FieldPath) => document.locate(path);
  return {
    configuration: { file, ...parts, stateDirectory, logFile, warnings: problems, effective, locate },
    problems,
  };
}

const hasErrors = (flaws: readonly Flaw[]): boolean => flaws.some(({ severity }) => severity === "error");

function applySchema(
  { value, expanded }: Expansion,
  kinds: SourceKinds,
): { effective: EffectiveConfiguration | null; flaws: Flaw[] } {
  const schema = configurationSchema(kinds);
  let result = schema.safeParse(value);
  if (!result.success) {
    // Variables hold text only; where a number is wanted it becomes one.
    for (const path of textForOther(result.error.issues, value, expanded)) replaceText(value, path);
    result = schema.safeParse(value);
  }
  if (result.success) return { effective: result.data, flaws: [] };
  return { effective: null, flaws: schemaFlaws(result.error.issues, value, configurationJsonSchema(kinds)) };
}

/** The text of a number, true or false becomes what it says; `value` is this load's own. */
function replaceText(value: unknown, path: FieldPath): void {
  const text = valueAt(value, path) as string;
  const meant = /^-?[0-9]{1,15}$/.test(text) ? Number(text) : text === "true" ? true : text === "false" ? false : text;
  const holder = valueAt(value, path.slice(0, -1)) as Record<string | number, unknown>;
  holder[path.at(-1) as string | number] = meant;
}

/** With their places in the file, in its order, each once. */
function placed(flaws: readonly Flaw[], document: YamlDocument): Problem[] {
  const problems = flaws.map(({ severity, path, message, hint, atKey }) => ({
    severity,
    ...document.locate(path, atKey),
    field: fieldName(path),
    message,
    hint: hint ?? null,
  }));
  // A key that a variable could not fill, or that is missing, may fail a second check for the same reason.
  const unset = new Set(
    flaws.filter(({ message }) => message.startsWith("needs the variable")).map(({ path }) => pathKey(path)),
  );
  const told = problems.filter((_problem, index) => {
    const { path, message } = flaws[index] as Flaw;
    return message.startsWith("needs the variable") || !unset.has(pathKey(path));
  });
  return told.sort((a, b) => a.line - b.line || a.column - b.column);
}

const worldWritable = 0o002;

function readBytes(file: string): Buffer {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(file, "r");
    const status = fstatSync(descriptor);
    if (status.isFile() && (status.mode & worldWritable) !== 0) {
      throw new HoldfastError("usage", `everybody may write the configuration ${file}, and it may name programs`, {
        hint: `run: chmod 600 ${file}`,
      });
    }
    return readFileSync(descriptor);
  } catch (error) {
    if (error instanceof HoldfastError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    const reason =
      code === "ENOENT" ? "does not exist" : code === "EISDIR" ? "is a directory" : `cannot be read (${code})`;
    throw new HoldfastError("usage", `the configuration ${file} ${reason}`, {
      hint:
        code === "ENOENT"
          ? "write one with `holdfast init`, or name yours with -c FILE"
          : "check the path and who may read it",
      cause: error,
    });
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}
