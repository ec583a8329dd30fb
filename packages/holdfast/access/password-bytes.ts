// Passwords as files and programs give them: without white space around them, and as text.
import { isUtf8 } from "node:buffer";
import { execFileSync } from "node:child_process";
import { HoldfastError } from "@holdfast/repository";

/**
 * What the program prints, without white space around it; it may talk to the person on standard error. `named` says
 * where the words come from. Throws `usage`.
 */
export function passwordFromWords(words: readonly string[], named: string, environment: NodeJS.ProcessEnv): Buffer {
  const [program, ...rest] = words;
  try {
    return trimmedPassword(
      execFileSync(program as string, rest, { stdio: ["inherit", "pipe", "inherit"], env: environment }),
    );
  } catch (error) {
    const { code, status, signal } = error as { code?: string; status?: number | null; signal?: string | null };
    const ending = signal ? `was ended by ${signal}` : `ended with exit code ${status}`;
    const reason = code === undefined ? ending : `could not be run (${code})`;
    // The words may hold a secret: only the program is named.
    throw new HoldfastError("usage", `${named}: ${JSON.stringify(program)} ${reason}`, {
      hint: "run the command by hand to see what is wrong",
    });
  }
}

/** The engine takes passwords as text. Throws `unsupported` for bytes that are none. */
export function passwordText(password: Buffer): string {
  if (isUtf8(password)) return password.toString("utf8");
  throw new HoldfastError("unsupported", "passwords that are not UTF-8 are not supported");
}

/** White space as Go's unicode.IsSpace knows it; bytes that are not UTF-8 stay as they are. */
export function trimmedPassword(bytes: Buffer): Buffer {
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
