// `holdfast repo init`: makes a new repository.

import { HoldfastError, Repository, type RepositoryVersion } from "@holdfast/repository";
import type { Command } from "commander";
import type { Context, Verb } from "../context.ts";
import { exitCodes, type ExitCode } from "../../exit-codes.ts";
import { passwordText } from "../../access/password-bytes.ts";
import { addFromOptions, fromContext, refuseFromOptions, type FromOptions } from "../from-options.ts";
import { askNewPassword, givenPassword, weaknessWarning } from "../password.ts";
import { openOptions, openSession, promptOf, storageOf } from "../session.ts";
import { requireWords } from "../words.ts";

interface InitOptions extends FromOptions {
  repositoryVersion: string;
  copyChunkerParams?: boolean;
}

const versions: Readonly<Record<string, RepositoryVersion>> = { stable: 2, latest: 2, "2": 2, "1": 1 };

export const init: Verb<InitOptions> = {
  describe(command: Command): void {
    command
      .description("Make a new, empty repository, with a first password.")
      .option("--repository-version <version>", "2 (also: stable, latest), or 1 for restic before 0.14", "stable")
      .option("--copy-chunker-params", "cut files as the repository to copy from does");
    addFromOptions(command);
    command.addHelpText(
      "after",
      "\nRepositories that copy from each other store a file once only if both cut it alike: --copy-chunker-params.\n" +
        "\nExamples:\n  $ holdfast repo init -r /srv/backups\n  $ holdfast repo init -r rest:https://backup.example/host/ --password-file /etc/holdfast/key\n  $ holdfast repo init -r /mnt/offsite --copy-chunker-params --from-repo /srv/backups\n",
    );
  },

  async run(context: Context, words: readonly string[], options: InitOptions): Promise<ExitCode> {
    requireWords(words, 0, 0, "");
    const given = options.repositoryVersion;
    const version = Object.hasOwn(versions, given) ? versions[given] : undefined;
    if (version === undefined) {
      throw new HoldfastError("usage", `--repository-version: ${JSON.stringify(given)} is no version`, {
        hint: "give 2 or 1",
      });
    }
    const { output } = context;
    const polynomial = await givenPolynomial(context, options);
    const storage = storageOf(context);
    const password = givenPassword(context.globals, context.environment) ?? (await askNewPassword(promptOf(context)));
    await using repository = await Repository.create({
      ...openOptions(context, storage, password),
      version,
      ...(polynomial === null ? {} : { polynomial }),
    });
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

/** How the other repository cuts files; null for a way of its own. */
async function givenPolynomial(context: Context, options: InitOptions): Promise<bigint | null> {
  if (options.copyChunkerParams !== true) {
    refuseFromOptions(options, "pass --copy-chunker-params to cut files as that repository does");
    return null;
  }
  await using from = await openSession(fromContext(context, options), "none");
  return from.repository.config.chunkerPolynomial;
}
