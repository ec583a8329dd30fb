// A command in one string, cut into words as a shell would, with no shell to run it.

import { HoldfastError } from "@holdfast/repository";

/**
 * Single quotes keep everything, double quotes all but `\"` and `\\`, a backslash outside quotes keeps
 * the next character. Nothing is expanded: no variables, no wildcards, no pipes. Throws `usage`.
 */
export function splitShellWords(command: string, option: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  for (let at = 0; at < command.length; at++) {
    const character = command.charAt(at);
    if (character === "'" || character === '"') {
      const quoted = readQuoted(command, at, option);
      word = (word ?? "") + quoted.text;
      at = quoted.end;
    } else if (character === "\\") {
      at++;
      if (at === command.length) throw new HoldfastError("usage", `${option}: the command ends with a backslash`);
      word = (word ?? "") + command.charAt(at);
    } else if (/\s/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else {
      word = (word ?? "") + character;
    }
  }
  if (word !== undefined) words.push(word);
  if (words.length === 0) throw new HoldfastError("usage", `${option}: the command is empty`);
  return words;
}

function readQuoted(command: string, start: number, option: string): { text: string; end: number } {
  const quote = command.charAt(start);
  let text = "";
  for (let at = start + 1; at < command.length; at++) {
    const character = command.charAt(at);
    if (character === quote) return { text, end: at };
    const next = command.charAt(at + 1);
    if (character === "\\" && quote === '"' && (next === '"' || next === "\\")) {
      text += next;
      at++;
    } else {
      text += character;
    }
  }
  throw new HoldfastError("usage", `${option}: a quote (${quote}) is not closed`);
}
