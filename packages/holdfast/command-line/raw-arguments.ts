// The words of the command line as bytes: Node decodes them as UTF-8 and loses what is not.

import { readFileSync } from "node:fs";
import { HoldfastError } from "@holdfast/repository";

/** Gives the bytes of a word of the command line; words of UTF-8 need no look at the process. */
export type RawArguments = (word: string) => Buffer;

const replacement = "\ufffd";

/**
 * `words` are the decoded words, in the order of process.argv. Must be called before the process's title
 * is set, which overwrites the words.
 */
export function readRawArguments(words: readonly string[]): RawArguments {
  if (!words.some((word) => word.includes(replacement))) return (word) => Buffer.from(word, "utf8");
  const raw = commandLineOfProcess().slice(-words.length);
  return (word) => {
    if (!word.includes(replacement)) return Buffer.from(word, "utf8");
    const found = new Set(
      raw.filter((bytes) => bytes.toString("utf8") === word).map((bytes) => bytes.toString("latin1")),
    );
    if (found.size === 1) return Buffer.from([...found][0] as string, "latin1");
    throw new HoldfastError(
      "usage",
      `the name ${JSON.stringify(word)} is not UTF-8 and cannot be told from another one`,
      {
        hint: "give such names with --files-from-raw",
      },
    );
  };
}

/** Linux: the words with a NUL behind each. Elsewhere there is nothing to read, and such names are refused. */
function commandLineOfProcess(): Buffer[] {
  let bytes: Buffer;
  try {
    bytes = readFileSync("/proc/self/cmdline");
  } catch {
    return [];
  }
  const words: Buffer[] = [];
  for (let start = 0; start < bytes.length;) {
    const end = bytes.indexOf(0, start);
    words.push(bytes.subarray(start, end < 0 ? bytes.length : end));
    start = end < 0 ? bytes.length : end + 1;
  }
  return words;
}
