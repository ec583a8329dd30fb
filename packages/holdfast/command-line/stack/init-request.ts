// From the options and answers of `holdfast init` to what is to be made, with all defaults.

import { dirname, join, resolve } from "node:path";
import { HoldfastError, escapePattern, parseLocation } from "@holdfast/repository";
import { addressSchema, nameSchema } from "../../configuration/field-schemas.ts";
import { isWithin, resolved } from "../../configuration/path-flaws.ts";
import { defaultStateDirectory } from "../../state/default-state-directory.ts";
import type { FirstConfiguration } from "./init-texts.ts";

/** What was said; undefined or empty where nothing was. */
export interface InitWishes {
  readonly repository: string | undefined;
  readonly sqlite: string | undefined;
  readonly files: readonly string[];
  readonly stack: string | undefined;
  readonly directory: string | undefined;
}

export interface InitRequest {
  readonly directory: string;
  readonly first: FirstConfiguration;
}

export interface Host {
  readonly environment: NodeJS.ProcessEnv;
  readonly uid: number;
  readonly workingDirectory: string;
}

/** Throws `usage` for what cannot be. Looks at the disk only to follow links. */
export function initRequest(wishes: InitWishes, host: Host): InitRequest {
  const absolute = (path: string): string => resolve(host.workingDirectory, path);
  const directory = absolute(wishes.directory ?? defaultDirectory(host));
  const url = repositoryUrl(wishes.repository ?? defaultRepository(host), absolute);
  const stack = wishes.stack ?? "main";
  refuse(nameSchema.safeParse(stack), `--stack: ${JSON.stringify(stack)}`);
  const sqlite = wishes.sqlite === undefined ? null : absolute(wishes.sqlite);
  const named = wishes.files.map(absolute);
  const files = named.length === 0 && sqlite === null ? [defaultFiles(host)] : named;
  const location = parseLocation(url);
  const own = [defaultStateDirectory(host.environment, host.uid)];
  if (location.scheme === "local") own.push(location.path);
  for (const path of files) {
    if (location.scheme !== "local" || !isWithin(resolved(path), resolved(location.path))) continue;
    throw new HoldfastError("usage", `--files: ${path} lies in the repository ${location.path}`, {
      hint: "a repository cannot hold itself: protect another path, or put the repository elsewhere",
    });
  }
  const exclude = [
    ...own,
    ...(sqlite === null ? [] : databaseFiles(sqlite)),
    ...(named.length === 0 ? caches(host) : []),
  ]
    .filter((path) => files.some((folder) => path !== folder && isWithin(resolved(path), resolved(folder))))
    .map((path) => escapePattern(path));
  const repositoryName = location.scheme === "local" ? "local" : "remote";
  return { directory, first: { stack, repositoryName, url, keyFile: join(directory, "key"), sqlite, files, exclude } };
}

/** Where `findConfigurationFile` looks. */
function defaultDirectory({ environment, uid }: Host): string {
  if (uid === 0) return "/etc/holdfast";
  const { XDG_CONFIG_HOME: configHome, HOME: home } = environment;
  if (configHome?.startsWith("/") === true) return join(configHome, "holdfast");
  if (home?.startsWith("/") === true) return join(home, ".config/holdfast");
  throw new HoldfastError("usage", "there is no place for the configuration: HOME is not set", {
    hint: "name one with --directory",
  });
}

export function defaultRepository(host: Host): string {
  if (host.uid === 0) return "/var/backups/holdfast";
  // Beside what Holdfast keeps of its own, which a person seldom cleans up by hand.
  return join(dirname(defaultStateDirectory(host.environment, host.uid)), "holdfast-repository");
}

/** Where there is most that nobody else has. */
function defaultFiles({ environment, uid }: Host): string {
  return uid === 0 ? "/etc" : (environment["HOME"] as string);
}

function caches({ environment, uid }: Host): string[] {
  return uid === 0 ? [] : [join(environment["HOME"] as string, ".cache")];
}

/** A hot copy of these as plain files could not be relied on; the source for SQLite captures them whole. */
function databaseFiles(path: string): string[] {
  return [path, `${path}-wal`, `${path}-shm`, `${path}-journal`];
}

/** A path becomes absolute, since the configuration is read from anywhere. */
function repositoryUrl(text: string, absolute: (path: string) => string): string {
  const isPath = !/^[A-Za-z][A-Za-z0-9+.-]*:/.test(text) || /^[./]/.test(text);
  const url = isPath && text !== "" ? absolute(text) : text.replace(/^local:/, "");
  refuse(addressSchema.safeParse(url), "--repository");
  return url;
}

function refuse(result: ReturnType<typeof nameSchema.safeParse>, named: string): void {
  const issue = result.error?.issues[0];
  if (issue !== undefined) throw new HoldfastError("usage", `${named} ${issue.message}`);
}
