// `holdfast init`: makes a key, a repository and a first configuration, and the sheet to recover with.

import { randomBytes } from "node:crypto";
import { HoldfastError } from "@holdfast/repository";
import type { Command } from "commander";
import { identityOfProcess } from "../../access/identity.ts";
import { exitCodes, type ExitCode } from "../../exit-codes.ts";
import { fileOperations } from "../../state/file-operations.ts";
import type { Context, Verb } from "../context.ts";
import { printableText } from "../display/printable.ts";
import { collect } from "../global-options.ts";
import { openOptions, storageOf } from "../session.ts";
import { requireWords } from "../words.ts";
import { askWishes } from "./init-questions.ts";
import { defaultRepository, initRequest, type Host, type InitRequest, type InitWishes } from "./init-request.ts";
import { initialise, type Initialised } from "./init-writer.ts";

interface InitOptions {
  repository?: string;
  sqlite?: string;
  files?: string[];
  stack?: string;
  directory?: string;
  yes?: boolean;
}

/** 256 bits: no password is stronger, and it can still be typed. */
const keyBytes = 32;

export const init: Verb<InitOptions> = {
  describe(command: Command): void {
    command
      .description("Make a key, a repository and a first configuration. Nothing that exists is overwritten.")
      .option("--repository <address>", "where backups go: a folder, or rest:https://HOST/PATH/")
      .option("--sqlite <path>", "a SQLite database to protect")
      .option("--files <path>", "a file or folder to protect; may be given several times", collect)
      .option("--stack <name>", "what all that is called together (default: main)")
      .option("--directory <directory>", "where configuration and key go (default: /etc/holdfast, or below your home)")
      .option("-y, --yes", "ask nothing: take the defaults for what is not given")
      .option("-q, --quiet", "print nothing but warnings and errors")
      .option("--json", "print one JSON object at the end")
      .addHelpText(
        "after",
        "\nExamples:\n  $ holdfast init\n  $ holdfast init --yes --sqlite /var/lib/app/app.db --files /var/lib/app/uploads --repository /mnt/backup\n",
      );
  },

  async run(context: Context, words: readonly string[], options: InitOptions): Promise<ExitCode> {
    requireWords(words, 0, 0, "");
    const { environment, output, now } = context;
    const host: Host = { environment, uid: process.getuid?.() ?? 0, workingDirectory: process.cwd() };
    const request = initRequest(await wishesOf(context, options, host), host);
    const { url } = request.first;
    const { password: _none, ...repository } = openOptions(context, storageOf(withRepository(context, url)), empty);
    const made = await initialise(request, {
      files: fileOperations,
      repository,
      newKey: () => randomBytes(keyBytes).toString("base64url"),
      now,
      host: identityOfProcess().hostname,
    });
    report(context, request, made);
    output.warn(
      `Move ${made.recoverySheet} off this machine now: print it, or put it into a password manager, then delete it. ` +
        "It holds the key; without the key no backup can ever be read, and it must not be lost together with this machine.",
    );
    return exitCodes.done;
  },
};

const empty = Buffer.alloc(0);

async function wishesOf(context: Context, options: InitOptions, host: Host): Promise<InitWishes> {
  const { repository, sqlite, files = [], stack, directory } = options;
  const wishes: InitWishes = { repository, sqlite, files, stack, directory };
  if (options.yes === true) return wishes;
  if (!context.stdin.isTTY) {
    throw new HoldfastError("usage", "there is no terminal to ask at", {
      hint: "pass --yes to take the defaults, with --sqlite or --files for what is to be protected",
    });
  }
  const parts = { input: context.stdin, output: process.stderr, signal: context.signal };
  return askWishes(wishes, { ...parts, defaultRepository: defaultRepository(host) });
}

/** The address comes from the request alone, never from variables that belong to `holdfast repo`. */
function withRepository(context: Context, repository: string): Context {
  return { ...context, globals: { ...context.globals, repository, repositoryFile: undefined } };
}

function report({ output }: Context, { first }: InitRequest, made: Initialised): void {
  const { configuration, keyFile, recoverySheet, repositoryId, continued } = made;
  const { url, stack, sqlite, files } = first;
  if (output.json) {
    return output.jsonLine({
      message_type: "initialized",
      config: configuration,
      key_file: keyFile,
      recovery_sheet: recoverySheet,
      repository: url,
      id: repositoryId,
      stack,
      continued,
    });
  }
  const lines = [
    ...(continued ? ["An earlier init was continued."] : []),
    `configuration    ${configuration}`,
    `key file         ${keyFile}`,
    `recovery sheet   ${recoverySheet}`,
    `repository       ${url} (${repositoryId.slice(0, 10)})`,
    `protected        ${stack}: ${[...(sqlite === null ? [] : [sqlite]), ...files].join(", ")}`,
    "",
    `Next: holdfast config check -c ${configuration}`,
    `      holdfast backup ${stack} -c ${configuration}`,
  ];
  for (const line of lines) output.note(printableText(line));
}
