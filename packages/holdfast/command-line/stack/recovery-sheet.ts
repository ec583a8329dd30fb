// Writes the sheet to recover with for a repository that the configuration names.
import { dirname, join, resolve } from "node:path";
import { HoldfastError, Repository, type OpenOptions } from "@holdfast/repository";
import type { Configuration, RepositoryConfiguration } from "../../configuration/configuration.ts";
import { exists, type FileOperations } from "../../state/file-operations.ts";
import { failure } from "../../state/system-failure.ts";
import { recoverySheetText } from "./init-texts.ts";

export interface SheetRequest {
  readonly configuration: Configuration;
  readonly repository: RepositoryConfiguration;
  /** What opens it: the password is proven to work before it is written down. */
  readonly options: OpenOptions;
  /** Undefined: beside the configuration. */
  readonly file: string | undefined;
  readonly host: string;
  readonly now: Date;
}

/** The path of the new file, 0600. Throws `target` when there is one already, and what opening throws. */
export async function writeRecoverySheet(request: SheetRequest, files: FileOperations): Promise<string> {
  const { configuration, repository, options, host, now } = request;
  const path = resolve(
    request.file ?? join(dirname(configuration.file), `holdfast-recovery-sheet-${repository.name}.txt`),
  );
  const stacks = stacksIn(configuration, repository.name);
  await using opened = await Repository.open(options);
  const { password } = repository;
  const text = recoverySheetText(
    {
      url: repository.url,
      repositoryId: opened.id,
      keyFile: "file" in password ? password.file : null,
      key: options.password,
      host,
      stacks,
    },
    now,
  );
  await writeNew(path, Buffer.from(text), files);
  return path;
}

/** Whole, or not there: half a key would be worse than none. */
async function writeNew(path: string, bytes: Buffer, files: FileOperations): Promise<void> {
  const unfinished = `${path}.unfinished`;
  try {
    if (await exists(path))
      throw new HoldfastError("target", `${path} exists already`, {
        hint: "move it away, or name another file with --to",
      });
    if (await exists(unfinished)) await files.remove(unfinished);
    await files.write(unfinished, bytes);
    await files.move(unfinished, path);
    await files.sync(dirname(path));
  } catch (error) {
    throw failure(error, `write ${path}`, "target");
  }
}

/** Those that are stored there; where none is, all of the file. */
function stacksIn(configuration: Configuration, repository: string): string[] {
  const all = [...configuration.stacks.values()];
  const stored = all.filter(({ plans }) =>
    [...plans.values()].some(({ destinations }) => destinations.some((each) => each.repository === repository)),
  );
  return (stored.length > 0 ? stored : all).map(({ name }) => name);
}
