// Compares a valid configuration with this machine: secrets, programs, paths, places. Nothing is changed or connected to.

import { accessSync, constants, lstatSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { HoldfastError } from "@holdfast/repository";
import type { SourceContext } from "@holdfast/sources";
import type {
  Configuration,
  RepositoryConfiguration,
  SourceConfiguration,
  StackConfiguration,
} from "./configuration.ts";
import { fieldName, type FieldPath, type Flaw, type Problem } from "./problem.ts";
import { readRestCredentials } from "./rest-credentials.ts";
import { secretFileFlaws } from "./secret-file-flaws.ts";

/** What is wrong or doubtful on this machine, in the order of the file. */
export async function probeConfiguration(configuration: Configuration, context: SourceContext): Promise<Problem[]> {
  const flaws: Flaw[] = [];
  for (const repository of configuration.repositories.values())
    flaws.push(...(await repositoryFlaws(repository, context)));
  for (const stack of configuration.stacks.values()) {
    for (const source of stack.sources.values()) flaws.push(...(await sourceFlaws(stack, source, context)));
    flaws.push(...sameDiskFlaws(stack, configuration));
  }
  return flaws
    .map(({ severity, path, message, hint }) => {
      return { severity, ...configuration.locate(path), field: fieldName(path), message, hint: hint ?? null };
    })
    .sort((a, b) => a.line - b.line || a.column - b.column);
}

async function repositoryFlaws(repository: RepositoryConfiguration, { environment }: SourceContext): Promise<Flaw[]> {
  const { name, location, password, credentialsFile } = repository;
  const field = (key: string): FieldPath => ["repositories", name, key];
  const repositoryPath = location.scheme === "local" ? location.path : null;
  const flaws: Flaw[] = repositoryPath === null ? [] : directoryFlaws(repositoryPath, field("url"));
  const secret = { repositoryPath, field: field("password_file"), isPassword: true };
  if ("file" in password) flaws.push(...(await secretFileFlaws({ ...secret, path: password.file })));
  else flaws.push(...commandFlaws(password.command, field("password_command"), environment));
  if (credentialsFile === null) return flaws;
  const credentials = { ...secret, field: field("credentials_file"), path: credentialsFile, isPassword: false };
  const found = await secretFileFlaws(credentials);
  return [...flaws, ...(found.length > 0 ? found : credentialsFlaws(credentials.field, credentialsFile))];
}

/** R333: what cannot be written to is found out before the first backup needs it. */
function directoryFlaws(path: string, field: FieldPath): Flaw[] {
  const existing = nearestExisting(path);
  if (!statSync(existing).isDirectory()) {
    return [{ severity: "error", path: field, message: `cannot be written: ${existing} is no directory` }];
  }
  if (!mayWrite(existing)) {
    return [{ severity: "error", path: field, message: `cannot be written: no right to write in ${existing}` }];
  }
  if (lstatSync(join(path, "config"), { throwIfNoEntry: false }) !== undefined) return [];
  const hint = `make one with \`holdfast init\` or \`holdfast repo init -r ${path}\``;
  return [{ severity: "warning", path: field, message: "has no repository yet", hint }];
}

function nearestExisting(path: string): string {
  return statSync(path, { throwIfNoEntry: false }) !== undefined || path === "/"
    ? path
    : nearestExisting(dirname(path));
}

function mayWrite(path: string): boolean {
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Programs are not run: they may ask the person something. */
function commandFlaws(words: readonly string[], field: FieldPath, environment: NodeJS.ProcessEnv): Flaw[] {
  const program = words[0] as string;
  const places = program.includes("/")
    ? [program]
    : (environment["PATH"] ?? "").split(":").map((directory) => join(directory, program));
  if (places.some((place) => statSync(place, { throwIfNoEntry: false })?.isFile() === true && mayRun(place))) return [];
  const message = `names ${program}, which is no program that can be run here`;
  return [{ severity: "error", path: field, message, hint: "install it, or write its absolute path" }];
}

function mayRun(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function credentialsFlaws(field: FieldPath, path: string): Flaw[] {
  try {
    readRestCredentials(path);
    return [];
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    return [
      { severity: "error", path: field, message: `names ${path}, which does not name an account`, hint: error.hint },
    ];
  }
}

async function sourceFlaws(
  stack: StackConfiguration,
  source: SourceConfiguration,
  context: SourceContext,
): Promise<Flaw[]> {
  const { name, kind, options, optional, critical } = source;
  const path: FieldPath = ["stacks", stack.name, "sources", name, kind.name];
  try {
    const { present, warnings } = await kind.preflight(options, context);
    if (!present && optional) return [];
    const consequence = !present || critical ? ": a backup now would fail" : "";
    return warnings.map((warning) => ({
      severity: "warning",
      path,
      message: `may not be whole: ${warning}${consequence}`,
    }));
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code === "internal" || context.signal.aborted) throw error;
    return [{ severity: "error", path, message: `cannot be captured: ${error.message}`, hint: error.hint }];
  }
}

/** R172: what burns with the data is no backup of it. */
function sameDiskFlaws(stack: StackConfiguration, { repositories }: Configuration): Flaw[] {
  const devices = new Set(
    [...stack.sources.values()].flatMap(({ kind, options }) => kind.paths(options).map((path) => deviceOf(path))),
  );
  return [...stack.plans.values()].flatMap(({ name, destinations }) => {
    const elsewhere = destinations.some(({ repository }) => {
      const location = repositories.get(repository)?.location;
      return location?.scheme !== "local" || !devices.has(deviceOf(location.path));
    });
    if (elsewhere) return [];
    const path = ["stacks", stack.name, "plans", name, "to"];
    const message = "keeps every copy on the disk that the data is on: when it fails, both are gone";
    return [{ severity: "warning", path, message, hint: "add a repository on another machine" }];
  });
}

const deviceOf = (path: string): number => statSync(nearestExisting(path)).dev;
