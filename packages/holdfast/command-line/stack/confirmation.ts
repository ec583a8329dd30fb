// Asks before something that stands there is replaced: on a terminal a person, elsewhere nobody but `--yes`.
import { createInterface } from "node:readline/promises";
import { HoldfastError } from "@holdfast/repository";
import type { Context } from "../context.ts";

/** Resolves when it was agreed to. Throws `usage` where nobody can be asked, and `interrupted` for a no. */
export async function confirm(context: Context, question: string, isAgreed: boolean | undefined): Promise<void> {
  if (isAgreed === true) return;
  const { stdin, signal } = context;
  if (!stdin.isTTY || context.output.json) {
    throw new HoldfastError("usage", "this replaces what stands there, and nobody can be asked", {
      hint: "pass --yes if it is meant",
    });
  }
  using lines = createInterface({ input: stdin, output: process.stderr, terminal: true });
  const answer = await lines.question(`${question} [y/N]: `, { signal });
  if (/^y(es)?$/i.test(answer.trim())) return;
  throw new HoldfastError("interrupted", "nothing was changed", { hint: "answer y to go on" });
}
