// Checks of the words beside the options.

import { HoldfastError } from "@holdfast/repository";

/** Throws `usage` unless the number of words is as told; `wanted` names them for a person. */
export function requireWords(words: readonly string[], least: number, most: number, wanted: string): void {
  if (words.length >= least && words.length <= most) return;
  const problem =
    words.length < least
      ? `${wanted} is missing`
      : `too many words: ${words
          .slice(most)
          .map((word) => JSON.stringify(word))
          .join(", ")}`;
  throw new HoldfastError("usage", problem, {
    hint: words.length < least ? "see --help" : `give only ${wanted === "" ? "options" : wanted}`,
  });
}
