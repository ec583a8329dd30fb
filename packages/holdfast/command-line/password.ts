// Where a password comes from: a file, a program, the environment, or the person at the terminal.

import { HoldfastError, passwordWeakness } from "@holdfast/repository";
import { passwordFromWords, trimmedPassword } from "../access/password-bytes.ts";
import type { GlobalOptions } from "./global-options.ts";
import type { PasswordPrompt } from "./password-prompt.ts";
import { splitShellWords } from "./values/shell-words.ts";
import { readTextFile } from "./values/text-file.ts";

function emptyPassword(prefix: GlobalOptions["optionPrefix"]): HoldfastError {
  return new HoldfastError("usage", "the password is empty", {
    hint: `pass --${prefix}insecure-no-password if an empty password is really meant`,
  });
}

/** The password named by options or environment; null when a person has to be asked. Throws `usage`. */
export function givenPassword(globals: GlobalOptions, environment: NodeJS.ProcessEnv): Buffer | null {
  if (globals.passwordFile !== undefined && globals.passwordCommand !== undefined) {
    throw new HoldfastError("usage", "a password file and a password command were given together", {
      hint: "give one of them",
    });
  }
  const password = namedPassword(globals, environment);
  if (globals.insecureNoPassword) {
    if (password === null) return Buffer.alloc(0);
    throw new HoldfastError(
      "usage",
      `--${globals.optionPrefix}insecure-no-password was given together with a password`,
      {
        hint: "give one of them",
      },
    );
  }
  if (password?.length === 0) throw emptyPassword(globals.optionPrefix);
  return password;
}

function namedPassword(globals: GlobalOptions, environment: NodeJS.ProcessEnv): Buffer | null {
  const { optionPrefix: prefix } = globals;
  if (globals.passwordCommand !== undefined) {
    const option = `--${prefix}password-command`;
    return passwordFromWords(splitShellWords(globals.passwordCommand, option), option, environment);
  }
  if (globals.passwordFile !== undefined) return passwordFromFile(globals.passwordFile, `--${prefix}password-file`);
  return globals.password === undefined ? null : Buffer.from(globals.password, "utf8");
}

/** The content of the file without white space around it. */
export function passwordFromFile(path: string, option: string): Buffer {
  return trimmedPassword(readTextFile(path, option));
}

/** Passwords of existing repositories: asked once. */
export async function askPassword(prompt: PasswordPrompt, { optionPrefix }: GlobalOptions): Promise<Buffer> {
  const which = optionPrefix === "" ? "the repository" : "the repository to copy from";
  const password = await prompt.ask(`password of ${which}: `);
  if (password.length === 0) throw emptyPassword(optionPrefix);
  return password;
}

/** New passwords: asked twice on a terminal. */
export async function askNewPassword(prompt: PasswordPrompt): Promise<Buffer> {
  const password = await prompt.ask("new password: ");
  if (password.length === 0) throw emptyPassword("");
  if (!prompt.isTerminal) return password;
  const again = await prompt.ask("the same again: ");
  if (!password.equals(again))
    throw new HoldfastError("usage", "the two passwords differ", { hint: "type the same password twice" });
  return password;
}

/** What to warn about once a weak password is used for a new key; null for one without an obvious weakness. */
export function weaknessWarning(password: string): string | null {
  const weakness = password === "" ? null : passwordWeakness(password);
  return weakness && `this password can be guessed (${weakness}): choose another with \`holdfast repo key passwd\``;
}
