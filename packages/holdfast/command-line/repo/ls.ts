// `holdfast repo ls`: lists the files of a snapshot.

import {
  createTimeFormatter,
  findTree,
  HoldfastError,
  walkSteps,
  type StoredSnapshot,
  type WalkStep,
} from "@holdfast/repository";
import type { Command } from "commander";
import type { Context, Verb } from "../context.ts";
import { formatCount } from "../../display/amounts.ts";
import { nodeJson, nodeLine } from "../display/node-lines.ts";
import { printableName } from "../display/printable.ts";
import { orderEntries, parseEntryOrder, type EntryOrder, type ListedEntry } from "../entry-order.ts";
import { exitCodes, type ExitCode } from "../../exit-codes.ts";
import { NcduListing } from "../ncdu-listing.ts";
import type { Output } from "../output.ts";
import { openSession } from "../session.ts";
import { snapshotToJson } from "../snapshot-json.ts";
import { addSnapshotOptions, oneSnapshot, type SnapshotOptions } from "../snapshot-options.ts";
import { requireWords } from "../words.ts";

interface LsOptions extends SnapshotOptions {
  long?: boolean;
  recursive?: boolean;
  humanReadable?: boolean;
  sort: string;
  reverse?: boolean;
  ncdu?: boolean;
}

export const ls: Verb<LsOptions> = {
  describe(command: Command): void {
    command.description("List the files of a snapshot: all of them, or those in the given folders.");
    addSnapshotOptions(command, "of `latest`");
    command
      .option("-l, --long", "with mode, owner, size and time")
      .option("--recursive", "what is below the given folders, not only in them")
      .option("--human-readable", "sizes like 1.234 MiB")
      .option("-s, --sort <by>", "the order: name, size, time, atime, ctime, extension", "name")
      .option("--reverse", "the other way round")
      .option("--ncdu", "for `ncdu -f -`, in its own format")
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
    const order = parseEntryOrder(options.sort, options.reverse ?? false);
    if (options.ncdu === true && (order.by !== null || order.reverse))
      throw new HoldfastError("usage", "--ncdu was given together with an order", { hint: "ncdu sorts by itself" });
    await using session = await openSession(context, "shared");
    const { repository } = session;
    const { snapshot, subfolder } = await oneSnapshot(context, repository, name, options);
    const root = await findTree(repository, snapshot.tree, subfolder);
    const { output } = context;
    let damaged = 0;
    const report = (path: Buffer, error: HoldfastError): void => {
      damaged++;
      output.itemError(printableName(path), "list", error);
    };
    const wanted = new FolderFilter(
      folders.map((folder) => context.rawArguments(folder)),
      options.recursive ?? false,
    );
    const steps = walkSteps(repository, root, { enters: (folder) => wanted.enters(folder), report });
    if (output.json)
      output.jsonLine({ ...snapshotToJson(snapshot), message_type: "snapshot", struct_type: "snapshot" });
    if (options.ncdu === true && !output.json) await listForNcdu(steps, wanted, snapshot, session.signal, output);
    else await list(steps, wanted, order, session.signal, entryPrinter(output, options));
    if (damaged === 0) return exitCodes.done;
    throw new HoldfastError("damaged", `${formatCount(damaged, "folder")} of the snapshot could not be read`);
  },
};

type Steps = AsyncIterable<readonly WalkStep[]>;
type PrintEntry = (entry: ListedEntry) => void;

function entryPrinter(output: Output, { long = false, humanReadable = false }: LsOptions): PrintEntry {
  const formatTimeNs = createTimeFormatter();
  return ({ path, node }) => {
    if (output.json) output.jsonLine(nodeJson(path, node, formatTimeNs));
    else output.line(nodeLine(path, node, { long, humanReadable }));
  };
}

async function list(
  steps: Steps,
  wanted: FolderFilter,
  order: EntryOrder,
  signal: AbortSignal,
  print: PrintEntry,
): Promise<void> {
  const isAsStored = order.by === null && !order.reverse;
  const gathered: ListedEntry[] = [];
  for await (const some of steps) {
    signal.throwIfAborted();
    for (const step of some) {
      if (step.kind === "leave" || !wanted.lists(step.path)) continue;
      const { path, node } = step;
      if (isAsStored) print({ path, node });
      // Only what is shown: the list of a large file's blobs may take megabytes.
      else gathered.push({ path, node: { ...node, name: Buffer.from(node.name), content: null, xattrs: [] } });
    }
  }
  for (const entry of orderEntries(gathered, order)) print(entry);
}

async function listForNcdu(
  steps: Steps,
  wanted: FolderFilter,
  snapshot: StoredSnapshot,
  signal: AbortSignal,
  output: Output,
): Promise<void> {
  const listing = new NcduListing(snapshot, (line) => output.line(line));
  /** Of each open directory, whether it is listed: also those that only lead to a folder that was asked for. */
  const listed: boolean[] = [];
  for await (const some of steps) {
    signal.throwIfAborted();
    for (const step of some) {
      if (step.kind === "entry" && wanted.lists(step.path)) listing.file(step.node);
      else if (step.kind === "enter") {
        const isListed = wanted.lists(step.path) || wanted.enters(step.path);
        if (isListed) listing.enter(step.node);
        listed.push(isListed);
      } else if (step.kind === "leave" && listed.pop() === true) listing.leave();
    }
  }
  listing.finish();
}

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
