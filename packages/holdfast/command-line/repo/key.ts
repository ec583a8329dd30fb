// `holdfast repo key`: lists, checks, adds, removes and changes the passwords of a repository, and its master key.

import { HoldfastError } from "@holdfast/repository";
import type { Command } from "commander";
import { exitCodes, type ExitCode } from "../../exit-codes.ts";
import type { Context, Verb } from "../context.ts";
import type { KeyOptions, KeyPlace } from "../key-actions.ts";
import { addKeyOptions, addOne, changeCurrent, checkAll, newPassword, removeOne, showKeys } from "../key-actions.ts";
import { askPassword, givenPassword } from "../password.ts";
import { rotateAndTell } from "../rotate-key-report.ts";
import { openOptions, openSession, promptOf, storageOf } from "../session.ts";
import { requireWords } from "../words.ts";

interface RepoKeyOptions extends KeyOptions {
  to?: string;
}

type Action = (place: KeyPlace, words: readonly string[], options: RepoKeyOptions) => Promise<void>;

const actions: Readonly<Record<string, Action>> = {
  list: (place, words) => withoutWords(words, () => showKeys(place)),
  check: (place, words) => withoutWords(words, () => checkAll(place)),
  add: (place, words, options) => withoutWords(words, () => addOne(place, options)),
  remove: async (place, words) => {
    requireWords(words, 1, 1, "the id of the key");
    await removeOne(place, words[0] as string);
  },
  passwd: (place, words, options) => withoutWords(words, () => changeCurrent(place, options)),
  rotate: (place, words, options) => withoutWords(words, () => rotate(place, options)),
};

export const key: Verb<RepoKeyOptions> = {
  describe(command: Command): void {
    command.description("Manage the passwords: each key of the repository opens with one password.");
    addKeyOptions(command);
    command.option("--to <repository>", "for rotate: where the new repository is made").addHelpText(
      "after",
      `
  key list         show the keys; * marks the one in use
  key check        look at each key file: is it whole, does the password open it
  key add          add a password
  key remove ID    remove a password, not the one in use
  key passwd       change the password in use
  key rotate       copy everything into a new repository with a new master key (--to)

Whoever has had a password and a copy of the repository can keep its contents: a new password locks
out those who come later, not those who were in. docs/guide/keys.md tells what helps against what.

Examples:
  $ holdfast repo key add -r /srv/backups --new-password-file /root/second
  $ holdfast repo key rotate -r /srv/backups --to /srv/backups-new --new-password-file /root/new
`,
    );
  },

  async run(context: Context, words: readonly string[], options: RepoKeyOptions): Promise<ExitCode> {
    const names = Object.keys(actions).join(", ");
    const [name = "", ...rest] = words;
    const action = Object.hasOwn(actions, name) ? actions[name] : undefined;
    if (action === undefined) {
      throw new HoldfastError(
        "usage",
        name === "" ? "what to do is missing" : `${JSON.stringify(name)} is nothing to do with keys`,
        { hint: `give one of ${names}` },
      );
    }
    if (options.to !== undefined && name !== "rotate") throw new HoldfastError("usage", "--to is for key rotate");
    await action(placeOf(context), rest, options);
    return exitCodes.done;
  },
};

function placeOf(context: Context): KeyPlace {
  return {
    context,
    open: (lock, writes) => openSession(context, lock, writes),
    options: async () => {
      const { globals, environment } = context;
      const storage = storageOf(context);
      const password = givenPassword(globals, environment) ?? (await askPassword(promptOf(context), globals));
      return openOptions(context, storage, password);
    },
  };
}

async function rotate({ context, open }: KeyPlace, options: RepoKeyOptions): Promise<void> {
  const { to } = options;
  if (to === undefined)
    throw new HoldfastError("usage", "the place of the new repository is missing", { hint: "name it with --to" });
  await using from = await open("shared", true);
  const password = await newPassword(context, options);
  const target = { ...context, globals: { ...context.globals, repository: to, repositoryFile: undefined } };
  const storage = storageOf(target);
  await rotateAndTell(context, from, openOptions(target, storage, Buffer.from(password)), [
    // The address itself may hold a password.
    `use ${storage.location} from now on, with the new password, in everything that makes backups or copies`,
    "run this command once more after the last backup into the old repository: it copies what came since",
    "restore something from the new one",
    "remove the old repository and every copy of it: whoever has its key can read what is left of it",
    "change the passwords and keys that are inside the backups: what was read already cannot be taken back",
  ]);
}

async function withoutWords(words: readonly string[], act: () => Promise<void>): Promise<void> {
  requireWords(words, 0, 0, "");
  await act();
}
