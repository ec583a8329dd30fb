// The options and variables that name a second repository, the one to copy from: restic's names.

import { HoldfastError } from "@holdfast/repository";
import type { Command } from "commander";
import type { Context } from "./context.ts";
import type { GlobalOptions } from "./global-options.ts";

export interface FromOptions {
  fromRepo?: string;
  fromRepositoryFile?: string;
  fromPasswordFile?: string;
  fromPasswordCommand?: string;
  fromKeyHint?: string;
  fromInsecureNoPassword?: boolean;
}

export function addFromOptions(command: Command): void {
  command
    .option("--from-repo <repository>", "the repository to copy from ($RESTIC_FROM_REPOSITORY)")
    .option("--from-repository-file <file>", "a file with its address ($RESTIC_FROM_REPOSITORY_FILE)")
    .option("--from-password-file <file>", "a file with its password ($RESTIC_FROM_PASSWORD_FILE)")
    .option("--from-password-command <command>", "a program that prints it ($RESTIC_FROM_PASSWORD_COMMAND)")
    .option("--from-key-hint <key>", "the id of its key to try first ($RESTIC_FROM_KEY_HINT)")
    .option("--from-insecure-no-password", "its password is empty (insecure)");
}

/** A context in which the second repository is the repository: whatever else was given counts for both. */
export function fromContext(context: Context, options: FromOptions): Context {
  return { ...context, globals: fromGlobals(context.globals, options, context.environment) };
}

/** Throws `usage` when one of the options was given. */
export function refuseFromOptions(options: FromOptions, hint: string): void {
  if (Object.keys(options).some((name) => name.startsWith("from")))
    throw new HoldfastError("usage", "a second repository was named, and nothing is to be taken from it", { hint });
}

function fromGlobals(globals: GlobalOptions, options: FromOptions, environment: NodeJS.ProcessEnv): GlobalOptions {
  const fromEnvironment = (name: string): string | undefined => environment[`RESTIC_FROM_${name}`] || undefined;
  const { fromRepo, fromRepositoryFile, fromPasswordFile, fromPasswordCommand } = options;
  // An option for one way of giving something takes the place of the environment's other ways.
  const repositoryGiven = fromRepo !== undefined || fromRepositoryFile !== undefined;
  const passwordGiven = fromPasswordFile !== undefined || fromPasswordCommand !== undefined;
  return {
    ...globals,
    optionPrefix: "from-",
    repository: fromRepo ?? (repositoryGiven ? undefined : fromEnvironment("REPOSITORY")),
    repositoryFile: fromRepositoryFile ?? (repositoryGiven ? undefined : fromEnvironment("REPOSITORY_FILE")),
    passwordFile: fromPasswordFile ?? (passwordGiven ? undefined : fromEnvironment("PASSWORD_FILE")),
    passwordCommand: fromPasswordCommand ?? (passwordGiven ? undefined : fromEnvironment("PASSWORD_COMMAND")),
    password: passwordGiven ? undefined : fromEnvironment("PASSWORD"),
    insecureNoPassword: options.fromInsecureNoPassword ?? false,
    keyHint: options.fromKeyHint ?? fromEnvironment("KEY_HINT"),
  };
}
