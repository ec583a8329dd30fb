// Where a password comes from: a file, a program, the environment, or the person at the terminal.

import { execFileSync } from "node:child_process";
import { isUtf8 } from "node:buffer";
import { HoldfastError, passwordWeakness } from "@holdfast/repository";
import type { GlobalOptions } from "./global-options.ts";
import type { PasswordPrompt } from "./password-prompt.ts";
import { splitShellWords } from "./values/shell-words.ts";
import { readTextFile } from "./values/text-file.ts";

const emptyHint = "pass --insecure-no-password if an empty password is really meant";

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
    throw new HoldfastError("usage", "--insecure-no-password was given together with a password", {
      hint: "give one of them",
    });
  }
  if (password?.length === 0) throw new HoldfastError("usage", "the password is empty", { hint: emptyHint });
  return password;
}

function namedPassword(globals: GlobalOptions, environment: NodeJS.ProcessEnv): Buffer | null {
  if (globals.passwordCommand !== undefined) return passwordFromCommand(globals.passwordCommand, environment);
  if (globals.passwordFile !== undefined) return passwordFromFile(globals.passwordFile, "--password-file");
  return globals.password === undefined ? null : Buffer.from(globals.password, "utf8");
}

/** The content of the file without white space around it. */
export function passwordFromFile(path: string, option: string): Buffer {
  return trimmed(readTextFile(path, option));
}

/** What the program prints, without white space around it; it may talk to the person on standard error. */
function passwordFromCommand(command: string, environment: NodeJS.ProcessEnv): Buffer {
  const option = "--password-command";
  const [program, ...words] = splitShellWords(command, option);
  try {
    return trimmed(execFileSync(program as string, words, { stdio: ["inherit", "pipe", "inherit"], env: environment }));
  } catch (error) {
    const { code, status, signal } = error as { code?: string; status?: number | null; signal?: string | null };
    const ending = signal ? `was ended by ${signal}` : `ended with exit code ${status}`;
    const reason = code === undefined ? ending : `could not be run (${code})`;
    // The words may hold a secret: only the program is named.
    throw new HoldfastError("usage", `${option}: ${JSON.stringify(program)} ${reason}`, {
      hint: "run the command by hand to see what is wrong",
    });
  }
}

/** Passwords of existing repositories: asked once. */
export async function askPassword(prompt: PasswordPrompt): Promise<Buffer> {
  const password = await prompt.ask("password of the repository: ");
  if (password.length === 0) throw new HoldfastError("usage", "the password is empty", { hint: emptyHint });
  return password;
}

/** New passwords: asked twice on a terminal. */
export async function askNewPassword(prompt: PasswordPrompt): Promise<Buffer> {
  const password = await prompt.ask("new password: ");
  if (password.length === 0) throw new HoldfastError("usage", "the password is empty", { hint: emptyHint });
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

/** The engine takes passwords as text. Throws `unsupported` for bytes that are none. */
export function passwordText(password: Buffer): string {
  if (isUtf8(password)) return password.toString("utf8");
  throw new HoldfastError("unsupported", "passwords that are not UTF-8 are not supported");
}

/** White space as Go's unicode.IsSpace knows it; bytes that are not UTF-8 stay as they are. */
function trimmed(bytes: Buffer): Buffer {
  const encoding = isUtf8(bytes) ? "utf8" : "latin1";
  const space =
    encoding === "utf8"
      ? "[\\t-\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]"
      : "[\\t-\\r ]";
  const text = bytes
    .toString(encoding)
    .replace(new RegExp(`^${space}+`), "")
    .replace(new RegExp(`${space}+$`), "");
  return Buffer.from(text, encoding);
}
