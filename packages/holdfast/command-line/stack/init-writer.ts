// Makes what `holdfast init` promises, each piece whole or not at all, so that an interrupted run can be continued.

import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { hasCode, HoldfastError, Repository, type OpenOptions, type Storage } from "@holdfast/repository";
import { makePrivateDirectory } from "../../filesystem/missing-parents.ts";
import { exists, type FileOperations } from "../../state/file-operations.ts";
import { failure } from "../../state/system-failure.ts";
import { configurationText, recoverySheetText } from "./init-texts.ts";
import type { InitRequest } from "./init-request.ts";

export interface InitParts {
  readonly files: FileOperations;
  /** What opens the repository, but for the password. */
  readonly repository: Omit<OpenOptions, "password">;
  readonly newKey: () => string;
  readonly now: () => Date;
  readonly host: string;
}

export interface Initialised {
  readonly configuration: string;
  readonly keyFile: string;
  readonly recoverySheet: string;
  readonly repositoryId: string;
  /** An earlier run had begun it. */
  readonly continued: boolean;
}

/** Never writes over what it has not made itself: throws `target` or `repository-exists` instead, naming it. */
export async function initialise(request: InitRequest, parts: InitParts): Promise<Initialised> {
  const { directory, first } = request;
  const paths = {
    configuration: join(directory, "holdfast.yml"),
    keyFile: first.keyFile,
    recoverySheet: join(directory, "holdfast-recovery-sheet.txt"),
    marker: join(directory, "holdfast-init.unfinished"),
  };
  const writer = new Writer(parts.files);
  makeDirectory(directory);
  const continued = await begin(writer, paths, first.url, parts);
  const key = await keyOf(writer, paths.keyFile, parts.newKey);
  const repositoryId = await makeRepository({ ...parts.repository, password: key }, continued, first.url);
  const sheet = { ...first, stacks: [first.stack], repositoryId, key, host: parts.host };
  await writer.put(paths.recoverySheet, recoverySheetText(sheet, parts.now()));
  // Last of all: whoever finds it finds everything that it names.
  await writer.put(paths.configuration, configurationText(first, parts.now()));
  await writer.remove(paths.marker);
  const { configuration, keyFile, recoverySheet } = paths;
  return { configuration, keyFile, recoverySheet, repositoryId, continued };
}

interface Paths {
  readonly configuration: string;
  readonly keyFile: string;
  readonly recoverySheet: string;
  /** Stands while an init is under way; holds the address of its repository. */
  readonly marker: string;
}

/** True when an earlier run for the same repository is to be continued. */
async function begin(writer: Writer, paths: Paths, url: string, parts: InitParts): Promise<boolean> {
  const { configuration, keyFile, recoverySheet, marker } = paths;
  // With the configuration the earlier run had made everything.
  if (await exists(configuration)) throw taken([configuration]);
  if (await exists(marker)) {
    const earlier = (await writer.read(marker)).trimEnd();
    if (earlier === url) return true;
    const pieces = [keyFile, recoverySheet, marker].join(" ");
    throw new HoldfastError("target", `an earlier init for the repository ${earlier} was not finished`, {
      hint: `continue it with --repository ${earlier}, or give it up: rm -f ${pieces}, and remove that repository`,
    });
  }
  const present: string[] = [];
  for (const path of [keyFile, recoverySheet]) if (await exists(path)) present.push(path);
  if (present.length > 0) throw taken(present);
  await requireNoRepository(parts.repository);
  await writer.put(marker, `${url}\n`);
  return false;
}

function taken(paths: readonly string[]): HoldfastError {
  const verb = paths.length === 1 ? "exists" : "exist";
  return new HoldfastError("target", `${paths.join(" and ")} ${verb} already`, {
    hint: "nothing is ever overwritten: move it away, or choose another place with --directory",
  });
}

async function requireNoRepository({ storage }: InitParts["repository"]): Promise<void> {
  for (const type of ["config", "key"] as const) {
    for await (const _file of storage.list(type)) {
      throw new HoldfastError(
        "repository-exists",
        `there is a repository at ${storage.location} already, or a part of one`,
        {
          hint: "choose another address, or write a configuration for the one that is there (docs/configuration.md)",
        },
      );
    }
  }
}

/** A key that an earlier run has made is the key: the repository may have been made with it. */
async function keyOf(writer: Writer, path: string, newKey: () => string): Promise<string> {
  if (!(await exists(path))) await writer.put(path, `${newKey()}\n`);
  const key = (await writer.read(path)).trim();
  if (key !== "") return key;
  throw new HoldfastError("target", `the key file ${path} is empty`, { hint: "remove it, then run the command again" });
}

/** The id of the repository, made now or by the run that is continued. */
async function makeRepository(options: OpenOptions, continued: boolean, url: string): Promise<string> {
  if (continued) {
    try {
      await using repository = await Repository.open(options);
      return repository.id;
    } catch (error) {
      if (!hasCode(error, "repository-missing")) throw error;
    }
    await removeHalfMade(options.storage);
  }
  try {
    await using repository = await Repository.create({ ...options, version: 2 });
    return repository.id;
  } catch (error) {
    throw continuable(error, `make the repository ${url}`);
  }
}

/** Keys without a config open nothing, but would be tried before the new one. Where there is any data, nothing is removed. */
async function removeHalfMade(storage: Storage): Promise<void> {
  for (const type of ["pack", "index", "snapshot"] as const) {
    for await (const _file of storage.list(type)) {
      throw new HoldfastError(
        "damaged",
        `${storage.location} holds backups, but no config: this is a damaged repository`,
        {
          hint: "bring its file `config` back from a copy; choose another address for a new one",
        },
      );
    }
  }
  for await (const { name } of storage.list("key")) await storage.remove("key", name);
}

function makeDirectory(path: string): void {
  try {
    makePrivateDirectory(path);
  } catch (error) {
    throw continuable(error, `make the directory ${path}`);
  }
}

/** After such a failure the same command goes on where it stopped. */
function continuable(error: unknown, action: string): HoldfastError {
  const known = failure(error, action, "target");
  if (known.code === "interrupted" || known.code === "internal") return known;
  const hint = `${known.hint}; the same command then continues what was begun`;
  return new HoldfastError(known.code, known.message, { hint, context: known.context, cause: error });
}

class Writer {
  readonly #files: FileOperations;

  constructor(files: FileOperations) {
    this.#files = files;
  }

  /** Mode 0600; whole and durable, or not there. Puts itself in the place of what an earlier run has made. */
  async put(path: string, text: string): Promise<void> {
    const unfinished = `${path}.unfinished`;
    try {
      if (await exists(unfinished)) await this.#files.remove(unfinished);
      await this.#files.write(unfinished, Buffer.from(text));
      await this.#files.replace(unfinished, path);
      await this.#files.sync(dirname(path));
    } catch (error) {
      throw continuable(error, `write ${path}`);
    }
  }

  async read(path: string): Promise<string> {
    try {
      return await readFile(path, "utf8");
    } catch (error) {
      throw failure(error, `read ${path}`, "target");
    }
  }

  async remove(path: string): Promise<void> {
    try {
      await this.#files.remove(path);
      await this.#files.sync(dirname(path));
    } catch (error) {
      throw failure(error, `remove ${path}`, "target");
    }
  }
}
