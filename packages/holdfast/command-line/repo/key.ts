// `holdfast repo key`: lists, adds, removes and changes the passwords of a repository.

import { hostname } from "node:os";
import { addKey, changePassword, findByPrefix, HoldfastError, listKeys, removeKey } from "@holdfast/repository";
import type { Command } from "commander";
import type { Context, Verb } from "../context.ts";
import { printableName } from "../display/printable.ts";
import { renderTable } from "../display/table.ts";
import { exitCodes, type ExitCode } from "../../exit-codes.ts";
import { identityOfProcess } from "../../access/identity.ts";
import { passwordText } from "../../access/password-bytes.ts";
import { askNewPassword, passwordFromFile, weaknessWarning } from "../password.ts";
import { openSession, promptOf } from "../session.ts";
import { formatTime } from "../values/times.ts";
import { requireWords } from "../words.ts";

interface KeyOptions {
  newPasswordFile?: string;
  newInsecureNoPassword?: boolean;
  user?: string;
  host?: string;
}

type Action = (context: Context, words: readonly string[], options: KeyOptions) => Promise<void>;

const actions: Readonly<Record<string, Action>> = { list: listAll, add, remove, passwd };

export const key: Verb<KeyOptions> = {
  describe(command: Command): void {
    command
      .description("Manage the passwords: each key of the repository opens with one password.")
      .option("--new-password-file <file>", "a file with the new password, for add and passwd")
      .option("--new-insecure-no-password", "make the new password empty (insecure)")
      .option("--user <name>", "the user named in the new key")
      .option("--host <name>", "the host named in the new key")
      .addHelpText(
        "after",
        `
  key list         show the keys; * marks the one in use
  key add          add a password
  key remove ID    remove a password, not the one in use
  key passwd       change the password in use

Whoever has had a password and a copy of the repository can keep its contents: a new password locks
out those who come later, not those who were in.
`,
      );
  },

  async run(context: Context, words: readonly string[], options: KeyOptions): Promise<ExitCode> {
    const names = Object.keys(actions).join(", ");
    const [name = "", ...rest] = words;
    const action = actions[name];
    if (action === undefined) {
      throw new HoldfastError(
        "usage",
        name === "" ? "what to do is missing" : `${JSON.stringify(name)} is nothing to do with keys`,
        { hint: `give one of ${names}` },
      );
    }
    await action(context, rest, options);
    return exitCodes.done;
  },
};

async function listAll(context: Context, words: readonly string[]): Promise<void> {
  requireWords(words, 0, 0, "");
  await using session = await openSession(context, "shared");
  const { output } = context;
  const { keys, damaged } = await listKeys(session.repository);
  for (const { id, error } of damaged) output.itemError(`key ${id}`, "load", error);
  const rows = keys.map(({ id, isCurrent, username, hostname: host, createdNs }) => ({
    current: isCurrent,
    id,
    userName: username,
    hostName: host,
    created: formatTime(new Date(Number(createdNs / 1_000_000n))),
  }));
  if (output.json) return output.jsonLine(rows);
  const lines = renderTable(
    [
      { title: " ID", cell: (row) => (row.current ? "*" : " ") + row.id.slice(0, 8) },
      { title: "User", cell: (row) => printableName(row.userName) },
      { title: "Host", cell: (row) => printableName(row.hostName) },
      { title: "Created", cell: (row) => row.created },
    ],
    rows,
    [],
  );
  for (const line of lines) output.line(line);
}

async function add(context: Context, words: readonly string[], options: KeyOptions): Promise<void> {
  requireWords(words, 0, 0, "");
  await using session = await openSession(context, "shared", true);
  const password = await newPassword(context, options);
  await session.mayWrite;
  report(context, "added", await addKey(session.repository, password, ownerOf(options)));
}

async function remove(context: Context, words: readonly string[]): Promise<void> {
  requireWords(words, 1, 1, "the id of the key");
  await using session = await openSession(context, "exclusive", true);
  const { keys, damaged } = await listKeys(session.repository);
  const id = findByPrefix(
    [...keys, ...damaged].map((each) => each.id),
    words[0] as string,
    "key",
  );
  await removeKey(session.repository, id);
  report(context, "removed", id);
}

async function passwd(context: Context, words: readonly string[], options: KeyOptions): Promise<void> {
  requireWords(words, 0, 0, "");
  await using session = await openSession(context, "exclusive", true);
  const password = await newPassword(context, options);
  report(context, "changed", await changePassword(session.repository, password, ownerOf(options)));
}

function ownerOf(options: KeyOptions): { username: string; hostname: string } {
  return { username: options.user ?? identityOfProcess().username, hostname: options.host ?? hostname() };
}

async function newPassword(context: Context, options: KeyOptions): Promise<string> {
  const password = passwordText(await newPasswordBytes(context, options));
  const warning = weaknessWarning(password);
  if (warning !== null) context.output.warn(warning);
  return password;
}

async function newPasswordBytes(context: Context, options: KeyOptions): Promise<Buffer> {
  if (options.newInsecureNoPassword === true) {
    if (options.newPasswordFile === undefined) return Buffer.alloc(0);
    throw new HoldfastError("usage", "a new password and none were asked for together", {
      hint: "give one of the two options",
    });
  }
  if (options.newPasswordFile === undefined) return askNewPassword(promptOf(context));
  const password = passwordFromFile(options.newPasswordFile, "--new-password-file");
  if (password.length > 0) return password;
  throw new HoldfastError("usage", "the new password is empty", {
    hint: "pass --new-insecure-no-password if that is really meant",
  });
}

function report(context: Context, action: string, id: string): void {
  if (context.output.json) context.output.jsonLine({ message_type: "summary", action, id });
  else context.output.note(`key ${id.slice(0, 8)} ${action}`);
}
