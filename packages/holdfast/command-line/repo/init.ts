// `holdfast repo init`: makes a new repository.

import { HoldfastError, Repository, type RepositoryVersion } from "@holdfast/repository";
import type { Command } from "commander";
import type { Context, Verb } from "../context.ts";
import { exitCodes, type ExitCode } from "../../exit-codes.ts";
import { passwordText } from "../../access/password-bytes.ts";
import { askNewPassword, givenPassword, weaknessWarning } from "../password.ts";
import { openOptions, promptOf, storageOf } from "../session.ts";
import { requireWords } from "../words.ts";

interface InitOptions {
  repositoryVersion: string;
}

const versions: Readonly<Record<string, RepositoryVersion>> = { stable: 2, latest: 2, "2": 2, "1": 1 };

export const init: Verb<InitOptions> = {
  describe(command: Command): void {
    command
      .description("Make a new, empty repository, with a first password.")
      .option("--repository-version <version>", "2 (also: stable, latest), or 1 for restic before 0.14", "stable")
      .addHelpText(
        "after",
        "\nExamples:\n  $ holdfast repo init -r /srv/backups\n  $ holdfast repo init -r rest:https://backup.example/host/ --password-file /etc/holdfast/key\n",
      );
  },

  async run(context: Context, words: readonly string[], options: InitOptions): Promise<ExitCode> {
    requireWords(words, 0, 0, "");
    const version = versions[options.repositoryVersion];
    if (version === undefined) {
      throw new HoldfastError(
        "usage",
        `--repository-version: ${JSON.stringify(options.repositoryVersion)} is no version`,
        { hint: "give 2 or 1" },
      );
    }
    const { output } = context;
    const storage = storageOf(context);
    const password = givenPassword(context.globals, context.environment) ?? (await askNewPassword(promptOf(context)));
    await using repository = await Repository.create({ ...openOptions(context, storage, password), version });
    const warning = weaknessWarning(passwordText(password));
    if (warning !== null) output.warn(warning);
    if (output.json) {
      output.jsonLine({ message_type: "initialized", id: repository.id, repository: storage.location });
      return exitCodes.done;
    }
    output.note(`repository ${repository.id.slice(0, 10)} made at ${storage.location}`);
    output.note("Keep the password safe: without it nothing in this repository can ever be read.");
    return exitCodes.done;
  },
};
