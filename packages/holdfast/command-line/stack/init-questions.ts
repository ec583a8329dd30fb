// Asks the person at the terminal what `holdfast init` was not told.

import { closeSync, lstatSync, openSync, readSync } from "node:fs";
import { createInterface, type Interface } from "node:readline/promises";
import { HoldfastError } from "@holdfast/repository";
import type { InitWishes } from "./init-request.ts";

export interface QuestionParts {
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
  readonly signal: AbortSignal;
  readonly defaultRepository: string;
}

/** The wishes with what was answered. Rejects with the reason of `signal`, or `interrupted` when the input ends. */
export async function askWishes(wishes: InitWishes, parts: QuestionParts): Promise<InitWishes> {
  using questions = new Questions(parts);
  const where = "Where should backups go? A folder, or rest:https://HOST/PATH/";
  const repository = wishes.repository ?? (await questions.ask(where, parts.defaultRepository));
  const told = wishes.sqlite !== undefined || wishes.files.length > 0;
  const paths = told ? {} : await askPaths(questions, parts.output);
  const stack = wishes.stack ?? (await questions.ask("A name for it", "main"));
  return { ...wishes, ...paths, repository, stack };
}

async function askPaths(
  questions: Questions,
  output: NodeJS.WritableStream,
): Promise<Pick<InitWishes, "sqlite" | "files">> {
  let sqlite: string | undefined;
  const files: string[] = [];
  for (;;) {
    const first = sqlite === undefined && files.length === 0;
    const question = first
      ? "What should be protected? The path of a SQLite database, a file or a folder"
      : "What else? (Enter: nothing)";
    const path = await questions.ask(question, "");
    if (path === "" && !first) return { sqlite, files };
    if (path === "") continue;
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) output.write(`${path} does not exist.\n`);
    else if (!isSqlite(path)) files.push(path);
    else if (sqlite === undefined) sqlite = path;
    else output.write("One database is enough for the beginning: add others to the configuration.\n");
  }
}

class Questions implements Disposable {
  readonly #lines: Interface;
  readonly #ended = new AbortController();
  readonly #signal: AbortSignal;

  constructor({ input, output, signal }: QuestionParts) {
    this.#lines = createInterface({ input, output, terminal: true });
    this.#lines.on("close", () =>
      this.#ended.abort(
        new HoldfastError("interrupted", "the questions were not answered", { hint: "nothing was made" }),
      ),
    );
    this.#signal = AbortSignal.any([signal, this.#ended.signal]);
  }

  async ask(question: string, usual: string): Promise<string> {
    try {
      const answer = await this.#lines.question(`${question}${usual === "" ? "" : ` [${usual}]`}: `, {
        signal: this.#signal,
      });
      return answer.trim() || usual;
    } catch (error) {
      throw this.#signal.aborted ? this.#signal.reason : error;
    }
  }

  [Symbol.dispose](): void {
    this.#lines.close();
  }
}

/** By the header of the file format (sqlite.org/fileformat2.html). */
function isSqlite(path: string): boolean {
  const magic = Buffer.from("SQLite format 3\0");
  const head = Buffer.alloc(magic.length);
  try {
    if (!lstatSync(path).isFile()) return false;
    const descriptor = openSync(path, "r");
    try {
      return readSync(descriptor, head, 0, head.length, 0) === magic.length && head.equals(magic);
    } finally {
      closeSync(descriptor);
    }
  } catch {
    // What cannot be looked at is no database as far as we know; the backup will say more.
    return false;
  }
}
