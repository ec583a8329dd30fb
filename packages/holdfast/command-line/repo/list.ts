// `holdfast repo list`: the names of what a repository consists of.

import { HoldfastError, type FileType, type Repository } from "@holdfast/repository";
import type { Command } from "commander";
import type { Context, Verb } from "../context.ts";
import { exitCodes, type ExitCode } from "../../exit-codes.ts";
import { openSession } from "../session.ts";
import { requireWords } from "../words.ts";

const fileTypes: Readonly<Record<string, FileType>> = {
  packs: "pack",
  index: "index",
  snapshots: "snapshot",
  keys: "key",
  locks: "lock",
};
const kinds = ["blobs", ...Object.keys(fileTypes)];

export const list: Verb = {
  describe(command: Command): void {
    command.description(`List the names of objects in the repository: ${kinds.join(", ")}.`);
  },

  async run(context: Context, words: readonly string[]): Promise<ExitCode> {
    requireWords(words, 1, 1, `the kind of object (${kinds.join(", ")})`);
    const kind = words[0] as string;
    const type = fileTypes[kind];
    if (type === undefined && kind !== "blobs") {
      throw new HoldfastError("usage", `${JSON.stringify(kind)} is no kind of object`, {
        hint: `give one of ${kinds.join(", ")}`,
      });
    }
    // A list of locks that holds the lister's own lock would mislead.
    await using session = await openSession(context, kind === "locks" ? "none" : "shared");
    if (type === undefined) await listBlobs(context, session.repository);
    else
      for await (const file of session.repository.storage.list(type))
        print(context, { type, id: file.name, size: file.sizeBytes }, file.name);
    return exitCodes.done;
  },
};

async function listBlobs(context: Context, repository: Repository): Promise<void> {
  const index = await repository.loadIndex();
  for (const { type, id: bytes, location } of index.blobs()) {
    const id = bytes.toString("hex");
    print(context, { type, id, pack: location.pack }, `${type} ${id}`);
  }
}

function print(context: Context, json: object, line: string): void {
  context.signal.throwIfAborted();
  if (context.output.json) context.output.jsonLine(json);
  else context.output.line(line);
}
