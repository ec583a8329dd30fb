// What a backup starts from: the words of the command line and the lists of --files-from and its sisters.

import { lstatSync, readdirSync } from "node:fs";
import { HoldfastError, compileName } from "@holdfast/repository";
import { linesOf, readRawFile, readTextFile } from "./values/text-file.ts";

export interface FileListOptions {
  readonly filesFrom: readonly string[];
  readonly filesFromVerbatim: readonly string[];
  readonly filesFromRaw: readonly string[];
}

/**
 * Paths as bytes, in restic's order: lists with patterns, lists of lines, raw lists. `warn` hears of
 * patterns that match nothing. Throws `usage` when a list cannot be read.
 */
export function readFileLists(options: FileListOptions, warn: (message: string) => void): Buffer[] {
  const paths: string[] = [];
  for (const list of options.filesFrom) {
    for (const line of linesOf(readTextFile(list, "--files-from")).map(trimAscii)) {
      if (line === "" || line.startsWith("#")) continue;
      const found = expandPattern(line);
      if (found.length === 0) warn(`the pattern ${JSON.stringify(line)} of --files-from matches no file`);
      paths.push(...found);
    }
  }
  for (const list of options.filesFromVerbatim) {
    paths.push(...linesOf(readTextFile(list, "--files-from-verbatim")).filter((line) => line !== ""));
  }
  for (const list of options.filesFromRaw) paths.push(...parseRawList(readRawFile(list, "--files-from-raw")));
  return paths.map((path) => Buffer.from(path, "latin1"));
}

/** Names, each with a NUL behind it. */
export function parseRawList(bytes: Buffer): string[] {
  if (bytes.length === 0) return [];
  const names = bytes.toString("latin1").split("\0");
  if (names.pop() !== "") {
    throw new HoldfastError("usage", "--files-from-raw: there is no NUL behind the last name", {
      hint: "write the list with find -print0 or the like",
    });
  }
  // An empty name would silently stand for the current directory.
  if (names.includes("")) throw new HoldfastError("usage", "--files-from-raw: the list holds an empty name");
  return names;
}

/**
 * The existing paths that a pattern with `*`, `?` and `[...]` stands for, in the order of their bytes; "/" is
 * never matched by a wildcard. Pattern and paths are byte strings.
 */
export function expandPattern(pattern: string): string[] {
  if (!/[*?[\\]/.test(pattern)) return exists(pattern) ? [pattern] : [];
  let found = [pattern.startsWith("/") ? "/" : ""];
  for (const part of pattern.split("/").filter((name) => name !== "")) {
    found = found.flatMap((directory) => expandPart(directory, part));
  }
  return found;
}

function expandPart(directory: string, part: string): string[] {
  const join = (name: string): string =>
    directory === "" || directory === "/" ? directory + name : `${directory}/${name}`;
  if (!/[*?[\\]/.test(part)) return exists(join(part)) ? [join(part)] : [];
  const test = compileName(part);
  let names: string[];
  try {
    names = readdirSync(Buffer.from(directory === "" ? "." : directory, "latin1"), { encoding: "buffer" }).map((name) =>
      name.toString("latin1"),
    );
  } catch {
    return [];
  }
  return names.filter(test).toSorted().map(join);
}

function exists(path: string): boolean {
  try {
    lstatSync(Buffer.from(path, "latin1"));
    return true;
  } catch {
    return false;
  }
}

/** In a byte string, 0xa0 is no space but perhaps the end of a letter. */
function trimAscii(line: string): string {
  return line.replace(/^[\t-\r ]+/, "").replace(/[\t-\r ]+$/, "");
}
