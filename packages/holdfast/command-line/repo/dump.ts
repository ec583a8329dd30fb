// `holdfast repo dump`: prints a file of a snapshot, or a folder as an archive.

import { open, rename, rm } from "node:fs/promises";
import { dump, HoldfastError } from "@holdfast/repository";
import type { Command } from "commander";
import type { Context, Verb } from "../context.ts";
import { exitCodes, type ExitCode } from "../../exit-codes.ts";
import { openSession } from "../session.ts";
import { addSnapshotOptions, oneSnapshot, type SnapshotOptions } from "../snapshot-options.ts";
import { requireWords } from "../words.ts";

interface DumpOptions extends SnapshotOptions {
  archive: string;
  target?: string;
}

type Write = (bytes: Buffer) => Promise<void>;

export const dumpVerb: Verb<DumpOptions> = {
  describe(command: Command): void {
    command.description("Print a file of a snapshot, or a folder as a tar archive.");
    addSnapshotOptions(command, "of `latest`");
    command
      .option("-a, --archive <format>", "the archive of a folder: tar", "tar")
      .option("-t, --target <file>", "write to this file instead of standard output")
      .addHelpText(
        "after",
        "\nExamples:\n  $ holdfast repo dump latest /app.sql | psql app\n  $ holdfast repo dump latest:/srv /uploads > uploads.tar\n" +
          "  $ holdfast repo dump latest / -t all.tar\n\nAn exit code other than 0 means that what was printed is not whole.\n",
      );
  },

  async run(context: Context, words: readonly string[], options: DumpOptions): Promise<ExitCode> {
    requireWords(words, 2, 2, "the snapshot and a path in it");
    const [name = "", word = ""] = words;
    const { archive, target } = options;
    if (archive !== "tar" && archive !== "zip") {
      throw new HoldfastError("usage", `--archive: ${JSON.stringify(archive)} is not known`, {
        hint: "leave it out: folders become tar archives",
      });
    }
    await using session = await openSession(context, "shared");
    const { repository, signal } = session;
    const { snapshot, subfolder } = await oneSnapshot(context, repository, name, options);
    const mayWriteArchive = target !== undefined || !context.output.stdoutIsTerminal;
    const request = {
      snapshot,
      subfolder,
      path: context.rawArguments(word),
      archive,
      mayWriteArchive,
      signal,
    } as const;
    const dumpTo = (write: Write): Promise<void> => dump(repository, { ...request, write });
    await (target === undefined ? dumpTo((bytes) => context.output.write(bytes)) : writeToFile(target, dumpTo));
    return exitCodes.done;
  },
};

/** What fails half-way leaves no file that looks whole: it is written beside, and gets its name at the end. */
async function writeToFile(target: string, dumpTo: (write: Write) => Promise<void>): Promise<void> {
  const beside = `${target}.part-${process.pid}`;
  try {
    await using file = await open(beside, "wx", 0o600);
    await dumpTo((bytes) => file.writeFile(bytes));
    await file.sync();
  } catch (error) {
    await rm(beside, { force: true });
    throw error instanceof HoldfastError ? error : notWritten(target, error as NodeJS.ErrnoException);
  }
  await rename(beside, target);
}

function notWritten(target: string, error: NodeJS.ErrnoException): HoldfastError {
  const code = error.code === "ENOSPC" ? "no-space" : error.code === "EACCES" ? "permission" : "target";
  return new HoldfastError(code, `${JSON.stringify(target)} cannot be written (${error.code})`, { cause: error });
}
