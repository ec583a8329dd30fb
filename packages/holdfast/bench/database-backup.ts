// How a user backs up one database: Holdfast captures a stack, restic takes the file.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "./measure.ts";
import { commandOf, environmentOf, password, type RepositoryPlace, type Tool } from "./tools.ts";

/** The path of the database in a snapshot of the tool. */
export function pathInSnapshot(tool: Tool, database: string): string {
  return tool.name === "holdfast" ? `/database${database}` : database;
}

/** One call of the tool. For Holdfast the configuration is written first, beside the repository. */
export function databaseBackup(tool: Tool, place: RepositoryPlace, database: string): Command {
  if (tool.name === "restic") return commandOf(tool, place, ["backup", database]);
  mkdirSync(place.ownDirectory, { recursive: true });
  const passwordFile = join(place.ownDirectory, "key");
  writeFileSync(passwordFile, password, { mode: 0o600 });
  const configuration = join(place.ownDirectory, "holdfast.yml");
  writeFileSync(configuration, configurationOf(place, passwordFile, database));
  return {
    program: tool.program,
    words: ["-c", configuration, "backup"],
    environment: environmentOf(place),
  };
}

/** JSON is YAML. */
function configurationOf(place: RepositoryPlace, passwordFile: string, database: string): string {
  return JSON.stringify({
    state_directory: join(place.ownDirectory, "state"),
    repositories: { local: { url: place.directory, password_file: passwordFile } },
    stacks: { shop: { sources: { database: { sqlite: database } }, plans: { daily: { to: { local: {} } } } } },
  });
}
