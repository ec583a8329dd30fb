// Finds the configuration file: the one that was named, or the first of the usual places.

import { lstatSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { HoldfastError } from "@holdfast/repository";

export interface FileSearch {
  /** From `-c`; undefined: look in the usual places. */
  readonly named: string | undefined;
  readonly directory: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly uid: number;
}

/** Absolute path of a file that is there. Throws `usage`. */
export function findConfigurationFile(search: FileSearch): string {
  if (search.named !== undefined) return resolve(search.directory, search.named);
  const places = usualPlaces(search);
  const found = places.find(isThere);
  if (found === undefined) {
    throw new HoldfastError("usage", `there is no configuration: looked for ${places.join(" and ")}`, {
      hint: "write one with `holdfast init`, or name yours with -c FILE",
    });
  }
  refuseStrangers(found, search.uid);
  return found;
}

function usualPlaces({ directory, environment, uid }: FileSearch): string[] {
  const here = resolve(directory, "holdfast.yml");
  if (uid === 0) return [here, "/etc/holdfast/holdfast.yml"];
  const { XDG_CONFIG_HOME: configHome, HOME: home } = environment;
  // The XDG Base Directory Specification has relative paths ignored.
  if (configHome?.startsWith("/") === true) return [here, join(configHome, "holdfast/holdfast.yml")];
  return home?.startsWith("/") === true ? [here, join(home, ".config/holdfast/holdfast.yml")] : [here];
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** A configuration may name programs: one that somebody else left in this directory is not run unasked. */
function refuseStrangers(path: string, uid: number): void {
  const owner = statSync(path, { throwIfNoEntry: false })?.uid;
  if (owner === undefined || owner === uid || owner === 0) return;
  throw new HoldfastError("usage", `${path} belongs to another user (${owner}), who could make you run programs`, {
    hint: `name it with -c ${path} if you trust it`,
  });
}
