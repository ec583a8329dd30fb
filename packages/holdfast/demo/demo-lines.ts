// Lines of the demo's story: words wrapped, commands as they are typed, differences for people.

import { printableName, printableText } from "../command-line/display/printable.ts";
import { formatCount } from "../display/amounts.ts";
import { bytesOf } from "../filesystem/raw-path.ts";
import type { Changes } from "./change-files.ts";
import type { Difference } from "./compare-facts.ts";
import type { Expected, Verdict } from "./shop.ts";

const lineCharacters = 58;
const differencesShown = 10;

/** Words, with commas between them, in lines of a bearable length. */
export function listed(words: readonly string[]): string[] {
  return wrapped(words.map((word, index) => (index < words.length - 1 ? `${word},` : word)));
}

/** A command as people type it. */
export function typed(words: readonly string[]): string[] {
  const isOption = (word: string | undefined): boolean => word?.startsWith("-") === true;
  const groups: string[] = [];
  for (const [index, word] of words.entries()) {
    // A value stays with its option.
    if (index > 1 && !isOption(word) && isOption(words[index - 1])) groups.push(`${groups.pop()} ${word}`);
    else groups.push(word);
  }
  const lines = wrapped(["$ holdfast", ...groups]);
  return lines.map((line, index) => `${index > 0 ? "    " : ""}${line}${index < lines.length - 1 ? " \\" : ""}`);
}

function wrapped(words: readonly string[]): string[] {
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length < lineCharacters - 2)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

export function changeLines({ edited, deleted, added, renamed, modesChanged }: Changes): string[] {
  return listed([
    `uploads: ${edited} files edited`,
    `${deleted} deleted`,
    `${added} added`,
    `${renamed} renamed`,
    `${modesChanged} with other modes`,
  ]);
}

/** A text of others in such lines. */
export function sentence(text: string): string[] {
  return wrapped(printableText(text).split(" "));
}

/** `written`: the transfers that were acknowledged in all. */
export function verdictLines({ files, shop }: Verdict, { acknowledged, rows }: Expected, written: number): string[] {
  const { differences } = files;
  if (shop.problems.length > 0 || differences.length > 0) {
    const more = differences.length - differencesShown;
    return [
      "NOT AS IT WAS:",
      ...shop.problems.flatMap(sentence),
      ...differences.slice(0, differencesShown).map(differenceLine),
      ...(more > 0 ? [`and ${more} more`] : []),
    ];
  }
  const count = formatCount(files.files, "file");
  if (rows !== null) return [`all ${shop.rows} rows, their balances, and all ${count}: equal`];
  return [
    `${shop.rows} rows: each of the ${acknowledged} acknowledged before the`,
    `backup began, and ${shop.rows - acknowledged} committed until it had its view`,
    `(the ${written - shop.rows} after that are not in it); balances agree,`,
    `integrity_check: ok. All ${count}: content, mode, owner,`,
    "times, links, attributes",
  ];
}

function differenceLine({ path, aspect, was, is }: Difference): string {
  const safe = (text: string): string => printableName(bytesOf(text));
  return `${safe(path)}: ${aspect} was ${safe(was)}, is ${safe(is)}`;
}
