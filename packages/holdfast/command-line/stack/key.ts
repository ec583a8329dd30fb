// `holdfast key`: the passwords and the master key of a repository that the configuration names.
import { HoldfastError } from "@holdfast/repository";
import type { Command } from "commander";
import { openConfigured, openOptionsOf } from "../../access/configured-repository.ts";
import { identityOfProcess } from "../../access/identity.ts";
import type { RepositoryConfiguration } from "../../configuration/configuration.ts";
import { exitCodes, type ExitCode } from "../../exit-codes.ts";
import { fileOperations } from "../../state/file-operations.ts";
import type { Context, Verb } from "../context.ts";
import { printableText } from "../display/printable.ts";
import type { KeyOptions, KeyPlace } from "../key-actions.ts";
import { addKeyOptions, addOne, changeCurrent, checkAll, removeOne, showKeys } from "../key-actions.ts";
import { rotateAndTell } from "../rotate-key-report.ts";
import { requireWords } from "../words.ts";
import { writeRecoverySheet } from "./recovery-sheet.ts";
import { addStackOptions, type StackOptions } from "./stack-options.ts";
import { Workspace } from "./workspace.ts";

interface StackKeyOptions extends StackOptions, KeyOptions {
  to?: string;
}

interface Wish {
  readonly context: Context;
  readonly workspace: Workspace;
  readonly repository: RepositoryConfiguration;
  readonly place: KeyPlace;
  /** Behind the name of the repository. */
  readonly words: readonly string[];
  readonly options: StackKeyOptions;
}

const actions: Readonly<Record<string, (wish: Wish) => Promise<void>>> = {
  list: ({ place }) => showKeys(place),
  check: ({ place }) => checkAll(place),
  add: ({ place, options }) => addOne(place, options),
  remove: ({ place, words }) => removeOne(place, words[0] as string),
  passwd: async (wish) => {
    await changeCurrent(wish.place, wish.options);
    tellNewPassword(wish);
  },
  rotate,
  export: exportSheet,
};

export const key: Verb<StackKeyOptions> = {
  describe(command: Command): void {
    command.description("Manage the passwords and the master key of a repository of the configuration.");
    addStackOptions(command);
    addKeyOptions(command);
    command
      .option("--to <place>", "for rotate: the new repository, by its name; for export: the file to write")
      .addHelpText(
        "after",
        `
  key list REPOSITORY         show the keys; * marks the one in use
  key check REPOSITORY        look at each key file: is it whole, does the password open it
  key add REPOSITORY          add a password
  key remove REPOSITORY ID    remove a password, not the one in use
  key passwd REPOSITORY       change the password in use
  key rotate REPOSITORY       copy everything into another repository, with a new master key (--to)
  key export REPOSITORY       write the sheet to recover with, with the key on it

docs/guide/keys.md tells what helps against what.

Examples:
  $ holdfast key passwd offsite --new-password-file /root/new
  $ holdfast key rotate offsite --to offsite-new    # which stands in the configuration, with a key of its own
  $ holdfast key export local --to /media/usb/recovery.txt
`,
      );
  },

  async run(context: Context, words: readonly string[], options: StackKeyOptions): Promise<ExitCode> {
    const [name = "", ...rest] = words;
    const action = Object.hasOwn(actions, name) ? actions[name] : undefined;
    if (action === undefined) {
      throw new HoldfastError(
        "usage",
        name === "" ? "what to do is missing" : `${JSON.stringify(name)} is nothing to do with keys`,
        { hint: `give one of ${Object.keys(actions).join(", ")}` },
      );
    }
    const isRemoval = name === "remove";
    const wanted = isRemoval ? "the name of a repository and the id of the key" : "the name of a repository";
    requireWords(rest, isRemoval ? 2 : 1, isRemoval ? 2 : 1, wanted);
    if (options.to !== undefined && name !== "rotate" && name !== "export")
      throw new HoldfastError("usage", "--to is for key rotate and key export");
    using workspace = await Workspace.open(context, options);
    const repository = workspace.repository(rest[0] as string);
    const place: KeyPlace = {
      context,
      open: (lock) => openConfigured(repository, workspace.job, { exclusive: lock === "exclusive" }),
      options: async () => openOptionsOf(repository, workspace.job),
    };
    await action({ context, workspace, repository, place, words: rest.slice(1), options });
    return exitCodes.done;
  },
};

/** The file is not written by us: other repositories may have the same password, and somebody may manage it. */
function tellNewPassword({ context, workspace, repository }: Wish): void {
  const { name, password } = repository;
  if ("command" in password) {
    return context.output.warn(
      `have the program of password_command of the repository ${name} print the new password before the next backup`,
    );
  }
  const others = [...workspace.configuration.repositories.values()].filter(
    (other) => other.name !== name && "file" in other.password && other.password.file === password.file,
  );
  const shared =
    others.length === 0
      ? ""
      : `; it is the file of ${others.map((other) => other.name).join(", ")} too, whose password is still the old one: give each its own file`;
  context.output.warn(
    `write the new password into ${password.file}, the password_file of ${name}, before the next backup${shared}`,
  );
}

async function rotate({ context, workspace, repository, options }: Wish): Promise<void> {
  if (options.to === undefined)
    throw new HoldfastError("usage", "the new repository is missing", {
      hint: "add it to `repositories` in the configuration, with a place and a password of its own, and name it with --to",
    });
  const next = workspace.repository(options.to);
  if (next.name === repository.name) throw new HoldfastError("usage", "the new repository is the old one");
  const to = openOptionsOf(next, workspace.job);
  if (to.password === openOptionsOf(repository, workspace.job).password)
    throw new HoldfastError("usage", `${next.name} has the password of ${repository.name}`, {
      hint: "a new master key behind a password that others know protects nothing: give it a password of its own",
    });
  await using from = await openConfigured(repository, workspace.job);
  await rotateAndTell(context, from, to, [
    `name ${next.name} instead of ${repository.name} in the plans of ${workspace.configuration.file}`,
    "run this command once more after that: it copies what came since; then holdfast backup, and holdfast drill",
    `write a new sheet to recover with: holdfast key export ${next.name}`,
    `remove ${from.repository.storage.location} and every copy of it, and ${repository.name} from the configuration: whoever has its key can read what is left of it`,
    "change the passwords and keys that are inside the backups: what was read already cannot be taken back",
  ]);
}

async function exportSheet({ context, workspace, repository, place, options }: Wish): Promise<void> {
  const path = await writeRecoverySheet(
    {
      configuration: workspace.configuration,
      repository,
      options: await place.options(),
      file: options.to,
      host: identityOfProcess().hostname,
      now: context.now(),
    },
    fileOperations,
  );
  const { output } = context;
  if (output.json) output.jsonLine({ message_type: "summary", action: "exported", repository: repository.name, path });
  else output.note(printableText(`recovery sheet of ${repository.name}: ${path}`));
  output.warn(
    "Move it off this machine now: it holds the key. Print it, or put it into a password manager, then delete it.",
  );
}
