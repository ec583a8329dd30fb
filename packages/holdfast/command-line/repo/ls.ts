// `holdfast repo ls`: lists the files of a snapshot.

import { createTimeFormatter, findTree, HoldfastError, walk } from "@holdfast/repository";
import type { Command } from "commander";
import type { Context, Verb } from "../context.ts";
import { formatCount } from "../../display/amounts.ts";
import { nodeJson, nodeLine } from "../display/node-lines.ts";
import { printableName } from "../display/printable.ts";
import { exitCodes, type ExitCode } from "../../exit-codes.ts";
import { openSession } from "../session.ts";
import { snapshotToJson } from "../snapshot-json.ts";
import { addSnapshotOptions, oneSnapshot, type SnapshotOptions } from "../snapshot-options.ts";
import { requireWords } from "../words.ts";

interface LsOptions extends SnapshotOptions {
  long?: boolean;
  recursive?: boolean;
  humanReadable?: boolean;
}

export const ls: Verb<LsOptions> = {
  describe(command: Command): void {
    command.description("List the files of a snapshot: all of them, or those in the given folders.");
    addSnapshotOptions(command, "of `latest`");
    command
      .option("-l, --long", "with mode, owner, size and time")
      .option("--recursive", "what is below the given folders, not only in them")
      .option("--human-readable", "sizes like 1.234 MiB")
      .addHelpText(
        "after",
        "\nExamples:\n  $ holdfast repo ls latest /etc\n  $ holdfast repo ls -l latest:/home\n  $ holdfast repo ls --json latest --recursive /srv\n",
      );
  },

  async run(context: Context, words: readonly string[], options: LsOptions): Promise<ExitCode> {
    requireWords(words, 1, Infinity, "the snapshot");
    const [name = "", ...folders] = words;
    const relative = folders.find((folder) => !folder.startsWith("/"));
    if (relative !== undefined)
      throw new HoldfastError("usage", `the folder ${JSON.stringify(relative)} does not begin with /`, {
        hint: "give paths as in the snapshot",
      });
    await using session = await openSession(context, "shared");
    const { repository } = session;
    const { snapshot, subfolder } = await oneSnapshot(context, repository, name, options);
    const root = await findTree(repository, snapshot.tree, subfolder);
    const { output } = context;
    const formatTimeNs = createTimeFormatter();
    const lineOptions = { long: options.long ?? false, humanReadable: options.humanReadable ?? false };
    if (output.json)
      output.jsonLine({ ...snapshotToJson(snapshot), message_type: "snapshot", struct_type: "snapshot" });
    const wanted = new FolderFilter(
      folders.map((folder) => context.rawArguments(folder)),
      options.recursive ?? false,
    );
    let damaged = 0;
    const report = (path: Buffer, error: HoldfastError): void => {
      damaged++;
      output.itemError(printableName(path), "list", error);
    };
    for await (const { path, node } of walk(repository, root, { enters: (folder) => wanted.enters(folder), report })) {
      session.signal.throwIfAborted();
      if (!wanted.lists(path)) continue;
      if (output.json) output.jsonLine(nodeJson(path, node, formatTimeNs));
      else output.line(nodeLine(path, node, lineOptions));
    }
    if (damaged === 0) return exitCodes.done;
    throw new HoldfastError("damaged", `${formatCount(damaged, "folder")} of the snapshot could not be read`);
  },
};

/** Which paths are listed, and which directories lead to some: folders themselves and what is in them. */
export class FolderFilter {
  readonly #folders: readonly Buffer[];
  readonly #recursive: boolean;

  /** No folders: everything. */
  constructor(folders: readonly Buffer[], recursive: boolean) {
    this.#folders = folders.map((folder) => withoutEndSlash(folder));
    this.#recursive = recursive || folders.length === 0;
  }

  lists(path: Buffer): boolean {
    return this.#folders.length === 0 || this.#folders.some((folder) => isAtOrBelow(path, folder));
  }

  enters(path: Buffer): boolean {
    if (this.#folders.some((folder) => isAtOrBelow(folder, path))) return true;
    return this.#recursive && this.lists(path);
  }
}

const slash = 0x2f;

function withoutEndSlash(folder: Buffer): Buffer {
  let end = folder.length;
  while (end > 0 && folder[end - 1] === slash) end--;
  return folder.subarray(0, end);
}

/** `folder` without a slash at its end; empty for the root. */
function isAtOrBelow(path: Buffer, folder: Buffer): boolean {
  if (path.length < folder.length || !path.subarray(0, folder.length).equals(folder)) return false;
  return path.length === folder.length || path[folder.length] === slash;
}
